//! The list of repos, with its filter, order, cursor and marks.
//!
//! There may be 100 000 repos. They are loaded in pages sorted by name. The first load shows each
//! page at once; a reload replaces the list when it is complete. The list is not sorted again for
//! every page.

use std::collections::HashSet;

use jiff::Timestamp;
use packhouse_host::{RepoName, RepoSummary};

use super::column::Column;
use super::cursor::Cursor;
use super::filter::Filter;
use super::input::Input;
use super::ticket::Ticket;
use super::totals::Totals;
use crate::console::backend::{BackendResult, Failure};
use crate::console::keys::Action;

/// Repos per page.
pub(in crate::console) const PAGE: u32 = 1000;

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Repos {
    all: Vec<Row>,
    /// The pages of a reload so far.
    coming: Option<Vec<Row>>,
    /// Positions in `all` that match the filter, in order. Kept, so that drawing touches only the
    /// visible rows.
    shown: Vec<u32>,
    /// How many of `all` are considered in `shown`.
    arranged: usize,
    cursor: Cursor,
    marked: HashSet<RepoName>,
    /// How many of them the filter hides.
    hidden: usize,
    column: Column,
    /// Whether the default order is reversed: names ascending, numbers descending.
    turned: bool,
    input: Input,
    filter: Filter,
    /// The error of the filter.
    pub(in crate::console) bad_filter: Option<String>,
    /// Whether keys go into the filter.
    pub(in crate::console) typing: bool,
    /// Whether `all` was loaded completely once.
    pub(in crate::console) known: bool,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// When it began, and when the last one ended and how long it took in milliseconds.
    began: Timestamp,
    read: Option<(Timestamp, i64)>,
    /// Whether the store has changed since.
    pub(in crate::console) stale: bool,
    /// Why the last request failed. The loaded list stays.
    pub(in crate::console) failure: Option<Failure>,
    totals: Totals,
}

/// A repo, with its name as text.
#[derive(Debug)]
struct Row {
    name: String,
    summary: RepoSummary,
}

impl From<RepoSummary> for Row {
    fn from(summary: RepoSummary) -> Row {
        Row { name: summary.repo.to_string(), summary }
    }
}

impl Repos {
    /// Begins to load the list.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket, now: Timestamp) {
        self.loading = Some(ticket);
        self.stale = false;
        self.began = now;
        self.coming = (!self.all.is_empty()).then(Vec::new);
    }

    /// Takes a page. Returns the repo after which the next page begins; `None` at the end.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Vec<RepoSummary>>,
        now: Timestamp,
    ) -> Option<RepoName> {
        let page = match answer {
            Ok(page) => page,
            Err(failure) => {
                self.failure = Some(failure);
                self.give_up(now);
                return None;
            }
        };
        let last = (page.len() >= PAGE as usize)
            .then(|| page.last().map(|last| last.repo.clone()))
            .flatten();
        let rows = page.into_iter().map(Row::from);
        match &mut self.coming {
            Some(coming) => coming.extend(rows),
            None => self.all.extend(rows),
        }
        if last.is_some() {
            // Sorting at every page would take quadratic time, so only when the list has doubled.
            if self.coming.is_none() && self.all.len() >= 2 * self.arranged.max(1) {
                self.add_up();
                self.arrange(now);
            }
            return last;
        }
        self.loading = None;
        self.known = true;
        self.failure = None;
        self.read =
            Some((now, now.duration_since(self.began).as_millis().try_into().unwrap_or(i64::MAX)));
        let selected = self.current().map(|repo| repo.repo.clone());
        if let Some(coming) = self.coming.take() {
            self.all = coming;
            self.arranged = 0;
            self.shown.clear();
        }
        let there: HashSet<&RepoName> =
            if self.marked.is_empty() { HashSet::new() } else { self.names().collect() };
        let marked = self.marked.iter().filter(|name| there.contains(name)).cloned().collect();
        self.marked = marked;
        self.add_up();
        self.arrange_at(selected, now);
        None
    }

    /// Ends a failed load; the list stays.
    pub(in crate::console) fn give_up(&mut self, now: Timestamp) {
        self.loading = None;
        self.coming = None;
        self.add_up();
        self.arrange(now);
    }

    /// Updates the row of one repo.
    pub(in crate::console) fn put(&mut self, summary: RepoSummary, now: Timestamp) {
        if let Some(row) = self.all.iter_mut().find(|row| row.summary.repo == summary.repo) {
            row.summary = summary;
            self.add_up();
            self.arrange(now);
        }
    }

    /// Whether to reload the list: it is stale, and loading takes only a small part of the time.
    pub(in crate::console) fn due(&self, now: Timestamp) -> bool {
        self.stale
            && self.loading.is_none()
            && self.read.is_none_or(|(at, took)| {
                now.duration_since(at).as_millis() >= i128::from(took.saturating_mul(10).max(2000))
            })
    }

    /// Types into the filter.
    pub(in crate::console) fn type_filter(&mut self, action: Action, now: Timestamp) {
        if self.input.act(action) {
            self.filter_again(now);
        }
    }

    /// Pastes into the filter.
    pub(in crate::console) fn paste_filter(&mut self, text: &str, now: Timestamp) {
        self.input.paste(text);
        self.filter_again(now);
    }

    /// Clears the filter.
    pub(in crate::console) fn clear_filter(&mut self, now: Timestamp) {
        self.input = Input::default();
        self.filter_again(now);
    }

    fn filter_again(&mut self, now: Timestamp) {
        let (filter, bad) = Filter::read(self.input.text());
        self.filter = filter;
        self.bad_filter = bad.map(|bad| bad.to_string());
        self.arrange(now);
    }

    /// Changes the column or the order.
    pub(in crate::console) fn sort(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::SortNext => self.column = self.column.step(1),
            Action::SortPrevious => self.column = self.column.step(Column::ALL.len() - 1),
            _ => self.turned = !self.turned,
        }
        if action != Action::SortTurn {
            self.turned = false;
        }
        self.arrange(now);
        self.cursor = Cursor::default();
    }

    /// The column, and whether the order is ascending.
    pub(in crate::console) fn sorted(&self) -> (Column, bool) {
        (self.column, (self.column == Column::Name) != self.turned)
    }

    fn arrange(&mut self, now: Timestamp) {
        let selected = self.current().map(|repo| repo.repo.clone());
        self.arrange_at(selected, now);
    }

    /// Filters and sorts the list. The cursor stays on the same repo, if it is still there.
    fn arrange_at(&mut self, selected: Option<RepoName>, now: Timestamp) {
        let all = &self.all;
        let mut shown: Vec<u32> = if self.filter.is_empty() {
            (0..all.len() as u32).collect()
        } else {
            let fits = |at: &u32| {
                self.filter
                    .score(&all[*at as usize].name, &all[*at as usize].summary, now)
                    .is_some()
            };
            (0..all.len() as u32).filter(fits).collect()
        };
        let (_, up) = self.sorted();
        let repo = |at: &u32| &all[*at as usize].summary;
        self.column.sort(&mut shown, up, repo);
        let again = selected.and_then(|name| shown.iter().position(|at| repo(at).repo == name));
        self.cursor.set(again.unwrap_or_else(|| self.cursor.at(shown.len())));
        self.arranged = all.len();
        self.shown = shown;
        self.count_hidden();
    }

    fn count_hidden(&mut self) {
        let seen = |marked: usize| {
            marked - self.from(0).filter(|repo| self.is_marked(&repo.repo)).count().min(marked)
        };
        self.hidden = if self.marked.is_empty() || self.filter.is_empty() {
            0
        } else {
            seen(self.marked.len())
        };
    }

    /// Sums cover all repos, not only those that match the filter.
    fn add_up(&mut self) {
        self.totals = Totals::of(self.all.iter().map(|row| &row.summary));
    }

    fn names(&self) -> impl Iterator<Item = &RepoName> {
        self.all.iter().map(|row| &row.summary.repo)
    }

    /// The text of the filter.
    pub(in crate::console) fn filter(&self) -> &str {
        self.input.text()
    }

    /// Number of loaded repos.
    pub(in crate::console) fn len(&self) -> usize {
        self.all.len()
    }

    /// Sums over all repos.
    pub(in crate::console) fn totals(&self) -> Totals {
        self.totals
    }

    /// Number of repos that match the filter.
    pub(in crate::console) fn shown(&self) -> usize {
        self.shown.len()
    }

    /// The repos from a position on.
    pub(in crate::console) fn from(&self, first: usize) -> impl Iterator<Item = &RepoSummary> {
        self.shown.iter().skip(first).map(|at| &self.all[*at as usize].summary)
    }

    /// The cursor.
    pub(in crate::console) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Moves the cursor; false if the action does not move it.
    pub(in crate::console) fn act(&mut self, action: Action, page: usize) -> bool {
        self.cursor.act(action, self.shown.len(), page)
    }

    /// Moves the cursor to a line.
    pub(in crate::console) fn select(&mut self, line: usize) {
        self.cursor.set(line.min(self.shown.len().saturating_sub(1)));
    }

    /// The selected repo.
    pub(in crate::console) fn current(&self) -> Option<&RepoSummary> {
        self.shown.get(self.cursor.at(self.shown.len())).map(|at| &self.all[*at as usize].summary)
    }

    /// A repo by its name.
    pub(in crate::console) fn get(&self, name: &RepoName) -> Option<&RepoSummary> {
        // `all` is sorted by name.
        self.all
            .binary_search_by(|row| row.summary.repo.cmp(name))
            .ok()
            .map(|at| &self.all[at].summary)
    }

    /// Marks or unmarks the selected repo, and moves to the next.
    pub(in crate::console) fn mark(&mut self) {
        if let Some(name) = self.current().map(|repo| repo.repo.clone()) {
            if !self.marked.remove(&name) {
                self.marked.insert(name);
            }
            self.cursor.act(Action::Down, self.shown.len(), 1);
            self.count_hidden();
        }
    }

    /// Marks all displayed repos; if all are marked, unmarks them.
    pub(in crate::console) fn mark_all(&mut self) {
        let shown: Vec<RepoName> = self.from(0).map(|repo| repo.repo.clone()).collect();
        if shown.iter().all(|name| self.marked.contains(name)) {
            self.marked.clear();
        } else {
            self.marked.extend(shown);
        }
        self.count_hidden();
    }

    /// Unmarks all repos; false if none was marked.
    pub(in crate::console) fn unmark(&mut self) -> bool {
        let any = !self.marked.is_empty();
        self.marked.clear();
        self.hidden = 0;
        any
    }

    /// Whether a repo is marked.
    pub(in crate::console) fn is_marked(&self, repo: &RepoName) -> bool {
        self.marked.contains(repo)
    }

    /// The marked repos sorted by name, including hidden ones.
    pub(in crate::console) fn marked(&self) -> Vec<RepoSummary> {
        if self.marked.is_empty() {
            return Vec::new();
        }
        self.all
            .iter()
            .map(|row| &row.summary)
            .filter(|repo| self.marked.contains(&repo.repo))
            .cloned()
            .collect()
    }

    /// Number of marked repos that the filter hides.
    pub(in crate::console) fn hidden_marks(&self) -> usize {
        self.hidden
    }

    /// Number of marked repos.
    pub(in crate::console) fn marks(&self) -> usize {
        self.marked.len()
    }
}

#[cfg(test)]
mod tests;
