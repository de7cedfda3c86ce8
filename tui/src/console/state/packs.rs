//! The packs of a repo: sorted, searched, and with the damage that is known.

use std::cmp::Reverse;

use packhouse_host::report::RepoDetail;
use packhouse_host::{Damage, MpackKey, PackReport, RepoName};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// The order of the packs; of those that are equal in it, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) enum PackOrder {
    /// Damaged packs first, then those that are needed, then those that wait for deletion.
    #[default]
    State,
    /// The largest first.
    Size,
    /// Those of which the smallest part is needed first.
    Needed,
    /// The newest first.
    Stored,
    /// The most records first.
    Records,
}

impl PackOrder {
    const ALL: [PackOrder; 5] = [
        PackOrder::State,
        PackOrder::Size,
        PackOrder::Needed,
        PackOrder::Stored,
        PackOrder::Records,
    ];

    /// The column that it sorts by.
    pub(in crate::console) const fn head(self) -> &'static str {
        match self {
            PackOrder::State => "STATE",
            PackOrder::Size => "SIZE",
            PackOrder::Needed => "NEEDED",
            PackOrder::Stored => "STORED",
            PackOrder::Records => "RECORDS",
        }
    }
}

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Packs {
    pub(in crate::console) repo: RepoName,
    /// What is known of the repo, once it is loaded.
    known: Option<Box<RepoDetail>>,
    /// The positions of the packs that match the search, in order.
    shown: Vec<u32>,
    pub(in crate::console) order: PackOrder,
    /// The search text.
    text: String,
    pub(in crate::console) cursor: Cursor,
    /// The packs to compare, at most two, as they were marked.
    marked: Vec<MpackKey>,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
}

impl Packs {
    /// The packs of a repo that are being loaded, or are known.
    pub(in crate::console) fn new(
        repo: RepoName,
        known: Option<Box<RepoDetail>>,
        loading: Ticket,
    ) -> Packs {
        let mut packs = Packs {
            repo,
            known: None,
            shown: Vec::new(),
            order: PackOrder::default(),
            text: String::new(),
            cursor: Cursor::default(),
            marked: Vec::new(),
            loading: Some(loading),
            failure: None,
        };
        packs.arrange(|packs| packs.known = known);
        packs
    }

    /// Takes a result. The cursor stays on its pack; on the first line, on that line.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Box<RepoDetail>>) {
        self.loading = None;
        match answer {
            Ok(known) => {
                // A pack may be deleted meanwhile.
                self.marked.retain(|key| known.packs.iter().any(|pack| pack.key == *key));
                self.arrange(|packs| (packs.known, packs.failure) = (Some(known), None));
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Sorts by the order that is `by` further, of those whose columns are displayed; the first
    /// follows the last.
    pub(in crate::console) fn sort(&mut self, by: isize, heads: &[&str]) {
        let is_shown = |order: &PackOrder| heads.contains(&order.head());
        let orders: Vec<PackOrder> = PackOrder::ALL.into_iter().filter(is_shown).collect();
        if orders.is_empty() {
            return;
        }
        let at =
            orders.iter().position(|order| *order == self.order).map_or(0, |at| at as isize + by);
        let order = orders[at.rem_euclid(orders.len() as isize) as usize];
        self.arrange(|packs| packs.order = order);
    }

    /// Sorts by a displayed column, if it does not yet, and there is one.
    pub(in crate::console) fn sort_within(&mut self, heads: &[&str]) {
        if !heads.contains(&self.order.head()) {
            self.sort(0, heads);
        }
    }

    /// Shows only the packs that match a text: digits of the key, and words of the state.
    pub(in crate::console) fn search(&mut self, text: &str) {
        self.arrange(|packs| packs.text = text.to_owned());
    }

    /// The search text.
    pub(in crate::console) fn text(&self) -> &str {
        &self.text
    }

    /// Moves the cursor to a pack.
    pub(in crate::console) fn select(&mut self, key: MpackKey) {
        let line = self.shown().position(|pack| pack.key == key);
        line.into_iter().for_each(|line| self.cursor.set(line));
    }

    /// Marks or unmarks the selected pack. Of three, the first loses its mark.
    pub(in crate::console) fn mark(&mut self) {
        let Some(key) = self.current().map(|pack| pack.key) else { return };
        match self.marked.iter().position(|marked| *marked == key) {
            Some(at) => drop(self.marked.remove(at)),
            None => self.marked.push(key),
        }
        if self.marked.len() > 2 {
            self.marked.remove(0);
        }
    }

    /// The name of a marked pack, in a comparison: `A` or `B`.
    pub(in crate::console) fn mark_of(&self, key: MpackKey) -> Option<&'static str> {
        let at = self.marked.iter().position(|marked| *marked == key)?;
        Some(["A", "B"][at.min(1)])
    }

    /// The two marked packs; of one marked pack, that and the selected one.
    pub(in crate::console) fn to_compare(&self) -> Option<[MpackKey; 2]> {
        match self.marked[..] {
            [a, b] => Some([a, b]),
            [a] => self.current().map(|pack| [a, pack.key]).filter(|[a, b]| a != b),
            _ => None,
        }
    }

    /// Changes something, and orders the packs again.
    fn arrange(&mut self, change: impl FnOnce(&mut Packs)) {
        let selected = self.current().filter(|_| self.cursor.at(self.len()) > 0);
        let selected = selected.map(|pack| pack.key);
        change(self);
        let words: Vec<String> = self.text.split_whitespace().map(str::to_lowercase).collect();
        let all = self.all();
        let matches = |at: &u32| {
            let pack = &all[*at as usize];
            words.is_empty() || {
                let text = format!("{} {}", pack.key, self.state(pack)).to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
        };
        let mut shown: Vec<u32> = (0..all.len() as u32).filter(matches).collect();
        let by = |at: &u32| {
            let pack = &all[*at as usize];
            let rank = match self.order {
                PackOrder::State => match pack.retired_at {
                    _ if self.damage(pack.key).is_some() => 0,
                    None => 1,
                    Some(_) => 2,
                },
                PackOrder::Size => u64::MAX - pack.bytes,
                PackOrder::Needed => {
                    pack.needed_bytes.saturating_mul(1000).checked_div(pack.bytes).unwrap_or(0)
                }
                PackOrder::Stored => 0,
                PackOrder::Records => u64::MAX - pack.records,
            };
            (rank, Reverse(pack.stored_at), pack.key)
        };
        shown.sort_by_cached_key(by);
        self.shown = shown;
        selected.into_iter().for_each(|key| self.select(key));
    }

    fn all(&self) -> &[PackReport] {
        self.known.as_ref().map_or(&[], |known| &known.packs)
    }

    /// What is known to be wrong with a pack.
    pub(in crate::console) fn damage(&self, key: MpackKey) -> Option<&Damage> {
        let damaged = &self.known.as_ref()?.report.damaged;
        damaged.iter().find(|damage| damage.mpack_key == Some(key))
    }

    /// The state of a pack in words; empty: it is as it was pushed.
    pub(in crate::console) fn state(&self, pack: &PackReport) -> &'static str {
        pack_state(pack, self.damage(pack.key).is_some())
    }

    /// Whether anything was loaded.
    pub(in crate::console) fn is_known(&self) -> bool {
        self.known.is_some()
    }

    /// The number of displayed packs.
    pub(in crate::console) fn len(&self) -> usize {
        self.shown.len()
    }

    /// The number of all packs, and of damaged ones.
    pub(in crate::console) fn counts(&self) -> (u64, u64) {
        let damaged = self.all().iter().filter(|pack| self.damage(pack.key).is_some());
        (self.all().len() as u64, damaged.count() as u64)
    }

    /// The displayed packs.
    pub(in crate::console) fn shown(&self) -> impl ExactSizeIterator<Item = &PackReport> {
        self.shown.iter().map(|at| &self.all()[*at as usize])
    }

    /// The selected pack.
    pub(in crate::console) fn current(&self) -> Option<&PackReport> {
        self.shown.get(self.cursor.at(self.shown.len())).map(|at| &self.all()[*at as usize])
    }
}

/// The state of a pack in words; empty: it is as it was pushed.
pub(in crate::console) fn pack_state(pack: &PackReport, damaged: bool) -> &'static str {
    match pack.retired_at {
        _ if damaged => "Damaged",
        Some(_) => "Replaced",
        None if pack.consolidated => "Consolidated",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::state::TableName;
    use crate::console::view::tests::damaged_detail;

    #[test]
    fn damaged_packs_come_first_and_the_search_finds_keys_and_states() {
        let mut packs = Packs::new("a/b".parse().unwrap(), None, Ticket(1));
        packs.take(Ok(damaged_detail(9, 3)));
        assert_eq!(packs.counts(), (9, 1));
        assert_eq!(packs.state(packs.current().unwrap()), "Damaged");
        let last = packs.shown().last().unwrap();
        assert_eq!(packs.state(last), "Replaced");
        packs.search("REPLACED");
        assert_eq!(packs.len(), 1, "of two, one is damaged");
        let key = packs.current().unwrap().key;
        packs.search(&key.hex()[..17]);
        assert_eq!((packs.len(), packs.current().unwrap().key), (1, key));
        packs.search("");
        packs.select(key);
        for _ in 0..5 {
            packs.sort(1, TableName::Packs.heads());
            assert_eq!(packs.current().unwrap().key, key, "the cursor stays on its pack");
        }
        packs.sort(1, TableName::Packs.heads());
        let sizes: Vec<u64> = packs.shown().map(|pack| pack.bytes).collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        // Only by what is displayed.
        packs.sort_within(&["RECORDS", "NEEDED"]);
        assert_eq!(packs.order, PackOrder::Needed);
        packs.sort(1, &["RECORDS", "NEEDED"]);
        assert_eq!(packs.order, PackOrder::Records);
        packs.sort(1, &["RECORDS", "NEEDED"]);
        packs.sort(1, &[]);
        assert_eq!(packs.order, PackOrder::Needed);
    }
}
