//! Compares two packs by their directories: which records are only in one, and which differ.
//!
//! The rows of a directory are in the order of its pack, not of IDs, and there may be millions. So
//! both directories are gone through for a window of them: those that follow a key in the order of
//! the index, so many that they fit in memory, whatever IDs clients have chosen.

use std::cmp::Ordering;

use futures::FutureExt;
use packhouse_catalog::{EntityKey, PackRow, entity_key, entity_of};
use packhouse_core::Row;
use packhouse_core::row::Fingerprint;
use packhouse_model::contents::MAX_RECORDS;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{
    ComparedRecord, ComparedTotals, PackComparison, PackComparisonQuery, RecordClass, RecordPlace,
};
use packhouse_run::{Directories, RowCursor};

use super::{FOUND_BY, Inside};
use crate::Store;

/// Rows of a pack in a window. While they are collected, there are twice as many: 20 MB.
#[cfg(not(test))]
const WINDOW: usize = 1 << 17;
#[cfg(test)]
const WINDOW: usize = 8;

/// Records of a pack that is compared, at most: it takes a pass over both directories for each window.
const MAX_COMPARED: u64 = 1 << 21;

/// A row of a directory, as it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    key: EntityKey,
    place: RecordPlace,
    fingerprint: Fingerprint,
}

impl From<Row> for Entry {
    fn from(row: Row) -> Entry {
        let place = RecordPlace { offset: row.offset, length: row.length };
        Entry { key: entity_key(row.kind, row.id), place, fingerprint: row.fingerprint }
    }
}

/// Rows in the order of their keys, the first of those with the same key.
#[derive(Debug, Default)]
struct Window {
    entries: Vec<Entry>,
    /// Whether rows with greater keys were left out.
    is_cut: bool,
}

impl Window {
    fn add(&mut self, entry: Entry) {
        self.entries.push(entry);
        if self.entries.len() == 2 * WINDOW {
            self.cut();
        }
    }

    /// Keeps the smallest.
    fn cut(&mut self) {
        if self.entries.len() > WINDOW {
            self.entries.select_nth_unstable(WINDOW);
            self.entries.truncate(WINDOW);
            self.is_cut = true;
        }
    }

    fn finish(mut self) -> Window {
        if self.is_cut {
            self.cut();
        }
        self.entries.sort_unstable();
        self.entries.dedup_by_key(|entry| entry.key);
        self
    }

    /// The last key of a window that was cut.
    fn end(&self) -> Option<EntityKey> {
        self.entries.last().filter(|_| self.is_cut).map(|last| last.key)
    }
}

/// The classes of the keys of two windows, up to the end of the one that ends first.
fn compare(a: &Window, b: &Window) -> (Vec<(EntityKey, RecordClass, Places)>, Option<EntityKey>) {
    let end = a.end().into_iter().chain(b.end()).min();
    let within = |entry: &&Entry| end.is_none_or(|end| entry.key <= end);
    let mut a = a.entries.iter().take_while(within).peekable();
    let mut b = b.entries.iter().take_while(within).peekable();
    let mut compared = Vec::new();
    loop {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return (compared, end),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.key.cmp(&b.key),
        };
        let of_a = a.next_if(|_| order.is_le());
        let of_b = b.next_if(|_| order.is_ge());
        let class = match (of_a, of_b) {
            (Some(a), Some(b)) if is_same(a, b) => RecordClass::Same,
            (Some(_), Some(_)) => RecordClass::OtherEncoding,
            (Some(_), None) => RecordClass::OnlyA,
            _ => RecordClass::OnlyB,
        };
        let Some(key) = of_a.or(of_b).map(|entry| entry.key) else { continue };
        compared.push((key, class, [of_a.map(|a| a.place), of_b.map(|b| b.place)]));
    }
}

fn is_same(a: &Entry, b: &Entry) -> bool {
    (a.place.length, a.fingerprint) == (b.place.length, b.fingerprint)
}

/// Where a record is in the one pack, and in the other.
type Places = [Option<RecordPlace>; 2];

/// A page of a comparison, before the texts of its tags are known.
struct Scanned {
    totals: Option<ComparedTotals>,
    found: Vec<(EntityKey, RecordClass, Places)>,
    next: Option<EntityKey>,
}

impl Store {
    /// A page of a comparison. The totals need all windows; a page needs one, and has no more than
    /// that has.
    pub(super) async fn comparison(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        let id = self.known_repo(repo).await?.id;
        let scanned = self.until_current(id, || Box::pin(self.scan_packs(id, query))).await;
        let Scanned { totals, found, next } = self.remembering(id, FOUND_BY, scanned).await?;
        let found = &found;
        let named = |mut inside: Inside| {
            async move {
                let mut records = Vec::with_capacity(found.len());
                for (key, class, [a, b]) in found.iter().copied() {
                    let Some((kind, id)) = entity_of(&key) else { continue };
                    let id = inside.text_of(kind, id).await?;
                    records.push(ComparedRecord { class, kind, id, a, b });
                }
                Ok(records)
            }
            .boxed()
        };
        let records = self.look(repo, named).await?;
        Ok(PackComparison { totals, records, next: next.map(hex::encode) })
    }

    /// Goes through both packs. No state of the catalog is held meanwhile: it may take long.
    async fn scan_packs(&self, repo: i64, query: &PackComparisonQuery) -> Result<Scanned> {
        let mut inside = self.inside(repo).await?;
        let packs = [inside.pack(&query.a).await?, inside.pack(&query.b).await?];
        let directories = self.directories_of(&inside.repo.name);
        drop(inside);
        if let Some(pack) = packs.iter().find(|pack| pack.records > MAX_COMPARED) {
            return Err(Error::Usage(format!(
                "pack {} has {} records; packs of more than {MAX_COMPARED} are not compared",
                pack.key, pack.records
            )));
        }
        let limit = query.limit.clamp(1, MAX_RECORDS) as usize;
        let mut after = query.after.as_deref().map(key_of).transpose()?;
        let mut totals = query.totals.then(ComparedTotals::default);
        // Totals are of both packs, wherever the page begins.
        if totals.is_some() && after.is_some() {
            return Err(Error::Usage("the totals come with the first page".into()));
        }
        let (mut found, mut next) = (Vec::new(), None);
        for is_first in std::iter::once(true).chain(std::iter::repeat(false)) {
            let a = self.window(&directories, &packs[0], after).await?;
            let b = self.window(&directories, &packs[1], after).await?;
            let (compared, end) = compare(&a, &b);
            for (key, class, [a, b]) in compared {
                if let Some(totals) = &mut totals {
                    totals.add(class, a, b);
                }
                let is_wanted = query.class.is_none_or(|wanted| wanted == class);
                if !is_first || next.is_some() || !is_wanted {
                    continue;
                }
                match found.len() < limit {
                    true => found.push((key, class, [a, b])),
                    false => next = found.last().map(|(last, ..)| *last),
                }
            }
            if is_first {
                next = next.or(end);
            }
            after = end;
            if end.is_none() || totals.is_none() {
                break;
            }
        }
        Ok(Scanned { totals, found, next })
    }

    /// The first rows of a pack after a key.
    async fn window(
        &self,
        directories: &Directories,
        pack: &PackRow,
        after: Option<EntityKey>,
    ) -> Result<Window> {
        let heads = self.directory_heads.clone();
        let mut cursor = RowCursor::open(directories.clone(), heads, pack.clone()).await?;
        let mut window = Window::default();
        while let Some((_, row)) = cursor.next().await? {
            let entry = Entry::from(row);
            if after.is_none_or(|after| entry.key > after) {
                window.add(entry);
            }
        }
        Ok(window.finish())
    }
}

/// The key after which a page begins.
fn key_of(text: &str) -> Result<EntityKey> {
    let mut key: EntityKey = [0; _];
    hex::decode_to_slice(text, &mut key)
        .map_err(|_| Error::Usage(format!("`{text}` does not begin a page of a comparison")))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Entries of a pack: keys, in any order, and the encoding of each.
    fn window(pack: &[(u8, u8)], after: Option<EntityKey>) -> Window {
        let mut window = Window::default();
        for (number, (key, encoding)) in (0..).zip(pack) {
            let place = RecordPlace { offset: number * 10, length: 10 };
            let entry = Entry { key: key_of_byte(*key), place, fingerprint: [*encoding; 16] };
            if after.is_none_or(|after| entry.key > after) {
                window.add(entry);
            }
        }
        window.finish()
    }

    fn key_of_byte(byte: u8) -> EntityKey {
        let mut key = [0; _];
        key[5] = byte;
        key
    }

    /// All windows, one after the other.
    fn compared(a: &[(u8, u8)], b: &[(u8, u8)]) -> (BTreeMap<u8, RecordClass>, usize) {
        let (mut found, mut after, mut windows) = (BTreeMap::new(), None, 0);
        loop {
            windows += 1;
            let (a, b) = (window(a, after), window(b, after));
            assert!(a.entries.len().max(b.entries.len()) < 2 * WINDOW);
            let (compared, end) = compare(&a, &b);
            for (key, class, places) in compared {
                assert_eq!(found.insert(key[5], class), None, "once");
                assert_eq!(places[0].is_some(), class != RecordClass::OnlyB);
                assert_eq!(places[1].is_some(), class != RecordClass::OnlyA);
            }
            after = end;
            if end.is_none() {
                return (found, windows);
            }
        }
    }

    #[test]
    fn windows_give_what_the_whole_would() {
        // In the order of a pack, which is not that of the keys.
        let shuffled = |step: u16| (0..60).map(move |n| (n * step % 60) as u8);
        let a: Vec<(u8, u8)> = shuffled(7).map(|n| (n, 0)).collect();
        let b: Vec<(u8, u8)> = shuffled(11).map(|n| (n + 20, u8::from(n == 3))).collect();
        let (found, windows) = compared(&a, &b);
        let class = |key: u8| match key {
            0..20 => RecordClass::OnlyA,
            23 => RecordClass::OtherEncoding,
            20..60 => RecordClass::Same,
            _ => RecordClass::OnlyB,
        };
        assert_eq!(found, (0..80).map(|key| (key, class(key))).collect());
        assert!(windows > 8, "{windows}");
        assert_eq!(compared(&[], &[]), (BTreeMap::new(), 1));
        assert_eq!(compared(&a, &[]).0.len(), 60);
    }

    #[test]
    fn of_a_repeated_record_the_first_counts_however_many_there_are() {
        let a: Vec<(u8, u8)> =
            (0..100).map(|n| (9, u8::from(n > 0))).chain([(1, 0), (2, 0)]).collect();
        let (found, _) = compared(&a, &[(9, 0), (2, 0)]);
        let expected = [(1, RecordClass::OnlyA), (2, RecordClass::Same), (9, RecordClass::Same)];
        assert_eq!(found, expected.into_iter().collect());
    }
}
