//! The list of repos: its pages and its cursor; [`order`] has its filter and order, [`marks`] the
//! marked repos.
//!
//! There may be 100 000 repos. They are loaded in pages sorted by name. The first load shows each
//! page at once; a reload replaces the list when it is complete. The list is not sorted again for
//! every page.

mod marks;
mod order;

use std::collections::HashSet;

use jiff::Timestamp;
use packhouse_host::{RepoName, RepoSummary};

use super::column::{Column, SortColumns};
use super::condition::Condition;
use super::cursor::Cursor;
use super::filter::Filter;
use super::input::Input;
use super::named_filters::NamedFilters;
use super::ticket::Ticket;
use super::totals::Totals;
use crate::console::failure::{BackendResult, Failure};
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
    /// The columns to sort by.
    columns: SortColumns,
    /// Whether the default order is reversed: names ascending, numbers descending.
    turned: bool,
    input: Input,
    filter: Filter,
    /// The filters of the config.
    pub(in crate::console) named: NamedFilters,
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
    /// Positions in `all` of repos with damage or a failed consolidation.
    wrong: Vec<u32>,
    /// Cells of the longest name.
    longest: usize,
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

    /// Sums cover all repos, not only those that match the filter.
    fn add_up(&mut self) {
        self.totals = Totals::of(self.all.iter().map(|row| &row.summary));
        let is_wrong = |at: &u32| Condition::of(&self.all[*at as usize].summary).is_wrong();
        self.wrong = (0..self.all.len() as u32).filter(is_wrong).collect();
        self.longest = self.all.iter().map(|row| row.name.len()).max().unwrap_or_default();
    }

    /// The repos with damage or a failed consolidation, by name.
    pub(in crate::console) fn wrong(&self) -> impl Iterator<Item = &RepoSummary> {
        self.wrong.iter().map(|at| &self.all[*at as usize].summary)
    }

    /// How many repos' last consolidation failed, of those without damage.
    pub(in crate::console) fn failed(&self) -> u64 {
        self.wrong().filter(|repo| repo.damaged == 0).count() as u64
    }

    /// Cells of the longest name of all repos. Names are ASCII.
    pub(in crate::console) fn longest_name(&self) -> usize {
        self.longest
    }

    /// The names of all repos that are loaded, whatever the filter is.
    pub(in crate::console) fn names(&self) -> impl Iterator<Item = &RepoName> {
        self.all.iter().map(|row| &row.summary.repo)
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
}

#[cfg(test)]
mod tests;
