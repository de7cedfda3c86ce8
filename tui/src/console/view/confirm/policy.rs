//! The question about a policy: how it is, and how it would be.
//!
//! ```text
//!  packhouse › policy of gabriel/notes › set
//!  Set the policy of gabriel/notes?
//!
//!  Now         the default: consolidated with more than 50 packs, or when …
//!  Then        consolidated with more than 20 packs
//!
//!  A worker or a server consolidates repos that are due. Nothing else changes …
//!
//!  [ Cancel ]  Esc    Set policy    y
//! ```

use packhouse_host::{Policy, PolicyReport};
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::{Model, PolicyChange};
use crate::console::view::parts::{long_fact, plain, styled};
use crate::console::view::policy_form::scrubbing;
use crate::text::{escaped, plural, rules};

pub(super) fn lines(model: &Model, change: &PolicyChange, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = styled(wrap(&title(change), room), styles.strong());
    lines.push(Line::default());
    let is_default = change.now.repo.is_none();
    let mut policy = |name, origin: &str, policy: &Policy| {
        lines.extend(long_fact(styles, name, &format!("{origin}{}", rules(policy)), room));
        if is_default {
            lines.extend(long_fact(styles, "", &scrubbing(policy), room));
        }
    };
    policy("Now", origin(&change.now), &change.now.policy);
    match (&change.to, is_default) {
        (Some(to), _) => policy("Then", "", to),
        (None, true) => policy("Then", "the built-in policy: ", &Policy::default()),
        (None, false) => lines.extend(long_fact(styles, "Then", &inherited(model), room)),
    }
    lines.push(Line::default());
    if let Some(at_once) = at_once(model, change) {
        lines.extend(styled(wrap(&at_once, room), styles.warn()));
    }
    let message = "Repos that are due are consolidated by packhouse worker or packhouse serve while \
        one of them runs. Nothing else changes, and the policy can be set again.";
    lines.extend(plain(wrap(message, room)));
    lines
}

/// That repos become due with it, as far as that is known: a form that was opened from the list of
/// repos knows the number of packs only.
fn at_once(model: &Model, change: &PolicyChange) -> Option<String> {
    let (due, why) = model.policies.made_due(change, model.now);
    let Some(repo) = &change.now.repo else {
        let become_due = if due == 1 { "becomes" } else { "become" };
        return (due > 0).then(|| format!("{} {become_due} due at once.", plural(due, "repo")));
    };
    let by_number = || {
        let packs = model.repos.get(repo)?.packs;
        let most = change.to.as_ref()?.max_packs?;
        let was = change.now.policy.max_packs.is_some_and(|most| packs > most);
        (packs > 1 && packs > most && !was)
            .then(|| format!("it has {}, more than {most}", plural(packs, "pack")))
    };
    let why = why.or_else(by_number)?;
    Some(format!("The repo becomes due at once: {why}."))
}

fn title(change: &PolicyChange) -> String {
    let of = change.now.repo.as_ref().map(|repo| escaped(&repo.to_string()));
    match (of, &change.to) {
        (Some(repo), Some(_)) => format!("Set the policy of {repo}?"),
        (Some(repo), None) => format!("Reset the policy of {repo} to the default?"),
        (None, Some(_)) => "Set the default policy?".to_owned(),
        (None, None) => "Reset the default policy to the built-in one?".to_owned(),
    }
}

/// Where the present policy comes from, if it is not set.
fn origin(now: &PolicyReport) -> &'static str {
    match (now.set, &now.repo) {
        (true, _) => "",
        (false, Some(_)) => "the default: ",
        (false, None) => "the built-in policy: ",
    }
}

/// The default policy.
fn inherited(model: &Model) -> String {
    let default = model.policies.default.as_ref();
    default.map_or_else(
        || "the default policy".to_owned(),
        |default| format!("the default: {}", rules(&default.policy)),
    )
}
