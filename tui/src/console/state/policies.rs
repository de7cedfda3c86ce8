//! The policies: the default, and for each repo with several packs which applies, and whether the repo
//! is due.

use std::cmp::Reverse;

use jiff::Timestamp;
use packhouse_host::{Policy, PolicyCheck, PolicyReport};

use super::cursor::Cursor;
use super::input::Input;
use super::pace::Pace;
use super::policy_form::PolicyChange;
use crate::console::failure::{BackendResult, Failure};
use crate::console::keys::Action;

/// The order of the repos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) enum PolicyOrder {
    /// Repos that are due first; of these, and of the others, by name.
    #[default]
    Due,
    Name,
    /// The most packs first.
    Packs,
    /// The largest first.
    Size,
}

impl PolicyOrder {
    const ALL: [PolicyOrder; 4] =
        [PolicyOrder::Due, PolicyOrder::Name, PolicyOrder::Packs, PolicyOrder::Size];

    /// The column that it sorts by.
    pub(in crate::console) const fn head(self) -> &'static str {
        match self {
            PolicyOrder::Due => "DUE",
            PolicyOrder::Name => "REPO",
            PolicyOrder::Packs => "PACKS",
            PolicyOrder::Size => "SIZE",
        }
    }
}

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Policies {
    /// The default policy, once it is loaded.
    pub(in crate::console) default: Option<PolicyReport>,
    /// All repos with several packs.
    checks: Vec<PolicyCheck>,
    /// The positions of those that match the search, in order.
    shown: Vec<u32>,
    pub(in crate::console) order: PolicyOrder,
    /// The search text, and whether keys go into it.
    input: Input,
    pub(in crate::console) typing: bool,
    pub(in crate::console) cursor: Cursor,
    /// When it is loaded.
    pub(in crate::console) pace: Pace,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
}

impl Policies {
    /// Takes a result. The cursor stays on its repo; on the first line, on that line.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<(PolicyReport, Vec<PolicyCheck>)>,
        now: Timestamp,
    ) {
        if self.pace.end(now).is_none() {
            return;
        }
        match answer {
            Ok((default, checks)) => self.arrange(|policies| {
                (policies.default, policies.checks) = (Some(default), checks);
                policies.failure = None;
            }),
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The repos that a change makes due, which are not due now, as far as repos are loaded. The first
    /// reason of the first.
    pub(in crate::console) fn made_due(
        &self,
        change: &PolicyChange,
        now: Timestamp,
    ) -> (u64, Option<String>) {
        let default = self.default.as_ref().map(|default| default.policy);
        let built_in = Policy::default();
        let to = match (&change.to, &change.now.repo, &default) {
            (Some(to), ..) => to,
            (None, Some(_), Some(default)) => default,
            (None, ..) => &built_in,
        };
        let concerned = |check: &&PolicyCheck| match &change.now.repo {
            Some(repo) => check.repo == *repo,
            None => !check.own_policy,
        };
        let new = self.checks.iter().filter(concerned).filter(|check| !check.due);
        let mut reasons = new.filter_map(|check| check.reasons_under(to, now).into_iter().next());
        let first = reasons.next();
        (first.iter().count() as u64 + reasons.count() as u64, first)
    }

    /// Sorts by the order that is `by` further; the first follows the last.
    pub(in crate::console) fn sort(&mut self, by: isize) {
        let at = PolicyOrder::ALL.iter().position(|order| *order == self.order);
        let at = at.unwrap_or_default() as isize + by;
        let order = PolicyOrder::ALL[at.rem_euclid(PolicyOrder::ALL.len() as isize) as usize];
        self.arrange(|policies| policies.order = order);
    }

    /// Types into the search text.
    pub(in crate::console) fn type_text(&mut self, action: Action) {
        self.arrange(|policies| _ = policies.input.act(action));
    }

    /// Pastes into the search text.
    pub(in crate::console) fn paste(&mut self, text: &str) {
        self.arrange(|policies| policies.input.paste(text));
    }

    /// Clears the search text.
    pub(in crate::console) fn clear(&mut self) {
        self.arrange(|policies| policies.input = Input::default());
    }

    /// The search text.
    pub(in crate::console) fn text(&self) -> &str {
        self.input.text()
    }

    /// Changes something, and orders the repos again.
    fn arrange(&mut self, change: impl FnOnce(&mut Policies)) {
        let selected = self.current().filter(|_| self.cursor.at(self.len()) > 0);
        let selected = selected.map(|check| check.repo.clone());
        change(self);
        let words: Vec<String> =
            self.input.text().split_whitespace().map(str::to_lowercase).collect();
        let checks = &self.checks;
        let matches = |at: &u32| {
            let check = &checks[*at as usize];
            words.is_empty() || {
                let due = if check.due { "due" } else { "not due" };
                let policy = if check.own_policy { "own" } else { "default" };
                let text = format!("{} {due} {policy}", check.repo).to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
        };
        let mut shown: Vec<u32> = (0..checks.len() as u32).filter(matches).collect();
        let of = |at: &u32| &checks[*at as usize];
        shown.sort_by(|a, b| {
            let (a, b) = (of(a), of(b));
            match self.order {
                PolicyOrder::Due => Reverse(a.due).cmp(&Reverse(b.due)),
                PolicyOrder::Name => std::cmp::Ordering::Equal,
                PolicyOrder::Packs => b.packs.cmp(&a.packs),
                PolicyOrder::Size => b.bytes.cmp(&a.bytes),
            }
            .then_with(|| a.repo.cmp(&b.repo))
        });
        let line = selected.and_then(|repo| shown.iter().position(|at| of(at).repo == repo));
        line.into_iter().for_each(|line| self.cursor.set(line));
        self.shown = shown;
    }

    /// The number of displayed repos.
    pub(in crate::console) fn len(&self) -> usize {
        self.shown.len()
    }

    /// The displayed repos.
    pub(in crate::console) fn shown(&self) -> impl ExactSizeIterator<Item = &PolicyCheck> {
        self.shown.iter().map(|at| &self.checks[*at as usize])
    }

    /// How many repos are due, and how many there are, whatever the search text is.
    pub(in crate::console) fn counts(&self) -> (u64, u64) {
        let due = self.checks.iter().filter(|check| check.due).count();
        (due as u64, self.checks.len() as u64)
    }

    /// The policy of the selected repo.
    pub(in crate::console) fn current_policy(&self) -> Option<PolicyReport> {
        self.current().map(|check| PolicyReport {
            repo: Some(check.repo.clone()),
            set: check.own_policy,
            policy: check.policy,
        })
    }

    /// The selected repo.
    pub(in crate::console) fn current(&self) -> Option<&PolicyCheck> {
        self.shown.get(self.cursor.at(self.shown.len())).map(|at| &self.checks[*at as usize])
    }
}

#[cfg(test)]
mod tests {
    use packhouse_host::Policy;

    use super::*;
    use crate::console::state::Ticket;
    use crate::console::tests::fake::{check, now};

    fn loaded(checks: Vec<PolicyCheck>) -> Policies {
        let mut policies = Policies::default();
        load(&mut policies, checks);
        policies
    }

    fn load(policies: &mut Policies, checks: Vec<PolicyCheck>) {
        let default = PolicyReport { repo: None, set: false, policy: Policy::default() };
        policies.pace.begin(Ticket(1), now());
        policies.take(Ok((default, checks)), now());
    }

    fn names(policies: &Policies) -> Vec<String> {
        policies.shown().map(|check| check.repo.to_string()).collect()
    }

    #[test]
    fn due_repos_come_first_and_other_orders_follow() {
        let mut policies =
            loaded(vec![check("a/small", 2), check("b/due", 60), check("c/due", 70)]);
        assert_eq!(names(&policies), ["b/due", "c/due", "a/small"]);
        policies.sort(1);
        assert_eq!(names(&policies), ["a/small", "b/due", "c/due"]);
        policies.sort(1);
        assert_eq!(names(&policies), ["c/due", "b/due", "a/small"]);
        policies.sort(-3);
        assert_eq!(policies.order, PolicyOrder::Size);
    }

    #[test]
    fn the_search_finds_names_and_states_and_the_cursor_stays_on_its_repo() {
        let mut policies = loaded(vec![check("a/b", 2), check("a/due-date", 3), check("c/d", 60)]);
        policies.cursor.set(2);
        policies.paste("not due");
        assert_eq!(names(&policies), ["a/b", "a/due-date"]);
        assert_eq!(policies.current().unwrap().repo.to_string(), "a/due-date");
        policies.clear();
        assert_eq!(policies.cursor.at(3), 2);
        policies.paste("C/D default");
        assert_eq!(names(&policies), ["c/d"]);
        assert_eq!(policies.counts(), (1, 3));
        policies.clear();
        policies.cursor.set(1);
        load(&mut policies, vec![check("a/a", 99), check("a/b", 2)]);
        assert_eq!(policies.current().unwrap().repo.to_string(), "a/b");
    }
}
