//! The rows of the base that a plan looks at, and its spine.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Stop;
use crate::id::Kind;
use crate::ports::{AccessError, Base, Span, Storage};
use crate::row::{ROW_BYTES, Row};

/// Rows that are read at once, at first; twice as many each time that the next ones are needed.
const FIRST_PAGE: u32 = 16;
/// Rows that are read at once, at most.
const LAST_PAGE: u32 = 1024;

/// The base, and its rows as far as they were read.
#[derive(Debug)]
pub(super) struct BaseRows {
    pub base: Base,
    /// How many rows may be looked at.
    pub few: u64,
    rows: BTreeMap<u64, Row>,
    spine: BTreeMap<u64, u64>,
    turns: BTreeMap<u64, Turn>,
    page: u32,
}

/// A place in the base: the offset of the next record of each kind, at the turn of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub commits: u64,
    pub snapshots: u64,
    pub objects: u64,
}

impl Turn {
    /// Whether it is no place before another.
    pub(super) fn follows(&self, before: &Turn) -> bool {
        self.commits >= before.commits
            && self.snapshots >= before.snapshots
            && self.objects >= before.objects
    }
}

impl BaseRows {
    pub(super) fn new(base: Base, few: u64) -> BaseRows {
        BaseRows {
            base,
            few,
            rows: BTreeMap::new(),
            spine: BTreeMap::new(),
            turns: BTreeMap::new(),
            page: FIRST_PAGE,
        }
    }

    pub(super) fn count(&self, kind: Kind) -> u64 {
        let mut records = self.base.records;
        *records.of(kind)
    }

    /// The number of the first row of a kind: a canonical pack has one kind after the other.
    fn first(&self, kind: Kind) -> u64 {
        Kind::ALL.into_iter().take_while(|before| *before < kind).map(|k| self.count(k)).sum()
    }

    /// Record number `place` of a kind.
    pub(super) fn record<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        kind: Kind,
        place: u64,
    ) -> Result<Row, Stop> {
        self.row(host, self.first(kind) + place, kind, 1)
    }

    /// As [`BaseRows::record`], where those that follow are likely to be needed.
    pub(super) fn record_in_order<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        kind: Kind,
        place: u64,
    ) -> Result<Row, Stop> {
        let number = self.first(kind) + place;
        let page = self.page;
        if !self.rows.contains_key(&number) {
            self.page = page.saturating_mul(2).min(LAST_PAGE);
        }
        self.row(host, number, kind, page)
    }

    fn row<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        number: u64,
        kind: Kind,
        page: u32,
    ) -> Result<Row, Stop> {
        let pack = self.base.pack;
        if !self.rows.contains_key(&number) {
            if self.rows.len() as u64 > self.few {
                return Err(Stop::Unfit);
            }
            let items = host.pack_index(pack, number, page)?.items;
            let rows = items.chunks_exact(ROW_BYTES).filter_map(Row::decode);
            self.rows.extend((number..).zip(rows));
        }
        let found = self.rows.get(&number).filter(|row| row.kind == kind).copied();
        let unreadable = AccessError::OutOfRange(Span { pack, offset: number, length: 1 });
        found.ok_or_else(|| unreadable.into())
    }

    /// The bytes of all records of a kind.
    pub(super) fn section<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        kind: Kind,
    ) -> Result<Range<u64>, Stop> {
        let Some(last) = self.count(kind).checked_sub(1) else { return Ok(0..0) };
        let start = self.record(host, kind, 0)?.offset;
        let last = self.record(host, kind, last)?;
        Ok(start..last.offset + last.length)
    }

    /// Where record number `place` of a kind starts; the end of the section behind the last.
    pub(super) fn offset<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        kind: Kind,
        place: u64,
    ) -> Result<u64, Stop> {
        match place.cmp(&self.count(kind)) {
            std::cmp::Ordering::Less => Ok(self.record(host, kind, place)?.offset),
            std::cmp::Ordering::Equal => Ok(self.section(host, kind)?.end),
            std::cmp::Ordering::Greater => Err(Stop::Unfit),
        }
    }

    /// The turn of commit number `place`; behind the last commit, the end of all sections.
    pub(super) fn turn<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        place: u64,
    ) -> Result<Turn, Stop> {
        if let Some(turn) = self.turns.get(&place) {
            return Ok(*turn);
        }
        let (commits, snapshots) = (self.count(Kind::Commit), self.count(Kind::Snapshot));
        let snapshot = match place < commits {
            true => self.spine(host, place)?,
            false => snapshots,
        };
        let object = match snapshot < snapshots {
            true => self.spine(host, commits + snapshot)?,
            false => self.count(Kind::Object),
        };
        let turn = Turn {
            commits: self.offset(host, Kind::Commit, place)?,
            snapshots: self.offset(host, Kind::Snapshot, snapshot)?,
            objects: self.offset(host, Kind::Object, object)?,
        };
        self.turns.insert(place, turn);
        Ok(turn)
    }

    fn spine<H: Storage + ?Sized>(&mut self, host: &mut H, number: u64) -> Result<u64, Stop> {
        if let Some(found) = self.spine.get(&number) {
            return Ok(*found);
        }
        let page = match host.spine(self.base.pack, number, FIRST_PAGE) {
            // The host has lost it.
            Err(AccessError::NoSuchPack(_)) => return Err(Stop::Unfit),
            page => page?,
        };
        self.spine.extend((number..).zip(page.items.into_iter().map(u64::from)));
        self.spine.get(&number).copied().ok_or(Stop::Unfit)
    }
}
