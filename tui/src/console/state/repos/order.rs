//! Which repos are shown, and in which order.

use jiff::Timestamp;
use packhouse_host::RepoName;

use super::Repos;
use crate::console::keys::Action;
use crate::console::state::column::Column;
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

    fn filter_again(&mut self, now: Timestamp) {
        let (filter, bad) = Filter::read(self.input.text());
        self.filter = filter;
        self.bad_filter = bad.map(|bad| bad.to_string());
        self.arrange(now);
    }

    /// The text of the filter.
    pub(in crate::console) fn filter(&self) -> &str {
        self.input.text()
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

    pub(super) fn arrange(&mut self, now: Timestamp) {
        let selected = self.current().map(|repo| repo.repo.clone());
        self.arrange_at(selected, now);
    }

    /// Filters and sorts the list. The cursor stays on the same repo, if it is still there.
    pub(super) fn arrange_at(&mut self, selected: Option<RepoName>, now: Timestamp) {
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
}
