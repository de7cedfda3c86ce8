//! Which repos are shown, and in which order.

use std::cmp::Reverse;

use jiff::Timestamp;
use packhouse_host::RepoName;

use super::Repos;
use crate::console::keys::Action;
use crate::console::state::column::{Column, SortColumns};
use crate::console::state::cursor::Cursor;
use crate::console::state::filter::Filter;
use crate::console::state::input::Input;

impl Repos {
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

    /// Filters by the selected filter of the config, instead of by what was typed.
    pub(in crate::console) fn filter_by_name(&mut self, now: Timestamp) {
        let Some(name) = self.named.current().map(|filter| format!("@{}", filter.name)) else {
            return;
        };
        self.input = Input::default();
        self.input.paste(&name);
        self.filter_again(now);
    }

    fn filter_again(&mut self, now: Timestamp) {
        let (text, unknown) = self.named.expand(self.input.text());
        let (filter, bad) = Filter::read(&text);
        self.filter = filter;
        self.bad_filter = unknown.or_else(|| bad.map(|bad| bad.to_string()));
        match self.is_ranked() {
            // The cursor is on the best match.
            true => {
                self.cursor = Cursor::default();
                self.arrange_at(None, now);
            }
            false => self.arrange(now),
        }
    }

    /// Whether the best match comes first: the filter has words, and no other order was chosen.
    pub(in crate::console) fn is_ranked(&self) -> bool {
        self.filter.ranks() && self.column == Column::Name && !self.turned
    }

    /// The text of the filter.
    pub(in crate::console) fn filter(&self) -> &str {
        self.input.text()
    }

    /// Changes the column or the order.
    pub(in crate::console) fn sort(&mut self, action: Action, now: Timestamp) {
        match action {
            Action::SortNext => self.column = self.columns.step(self.column, 1),
            Action::SortPrevious => self.column = self.columns.step(self.column, -1),
            _ => self.turned = !self.turned,
        }
        if action != Action::SortTurn {
            self.turned = false;
        }
        self.arrange(now);
        self.cursor = Cursor::default();
    }

    /// Sorts only by the name, and by the columns with these heads from now on.
    pub(in crate::console) fn sort_within(&mut self, heads: &[&str], now: Timestamp) {
        self.columns = SortColumns::of(heads);
        if !self.columns.contains(self.column) {
            (self.column, self.turned) = (Column::Name, false);
            self.arrange(now);
        }
    }

    /// The column, and whether the order is ascending.
    pub(in crate::console) fn sorted(&self) -> (Column, bool) {
        (self.column, (self.column == Column::Name) != self.turned)
    }

    pub(super) fn arrange(&mut self, now: Timestamp) {
        let selected = self.current().map(|repo| repo.repo.clone());
        self.arrange_at(selected, now);
    }

    /// Filters and sorts the list. The cursor stays on the same repo, if it is still there.
    pub(super) fn arrange_at(&mut self, selected: Option<RepoName>, now: Timestamp) {
        let (is_ranked, (_, up), all) = (self.is_ranked(), self.sorted(), &self.all);
        let repo = |at: &u32| &all[*at as usize].summary;
        let mut shown: Vec<u32> = if self.filter.is_empty() {
            (0..all.len() as u32).collect()
        } else {
            let mut score = |at: u32| {
                let row = &all[at as usize];
                Some((self.filter.score(&row.name, &row.summary, now)?, at))
            };
            let mut fitting: Vec<(u32, u32)> =
                (0..all.len() as u32).filter_map(&mut score).collect();
            if is_ranked {
                // Of equal matches the shorter name, of which the word is the larger part.
                let length = |at: u32| all[at as usize].name.len();
                fitting.sort_by_key(|(score, at)| (Reverse(*score), length(*at), *at));
            }
            fitting.into_iter().map(|(_, at)| at).collect()
        };
        if !is_ranked {
            self.column.sort(&mut shown, up, repo);
        }
        let again = selected.and_then(|name| shown.iter().position(|at| repo(at).repo == name));
        self.cursor.set(again.unwrap_or_else(|| self.cursor.at(shown.len())));
        self.arranged = all.len();
        self.shown = shown;
        self.count_hidden();
    }
}
