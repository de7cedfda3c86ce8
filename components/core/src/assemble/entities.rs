//! Snapshots or objects that a run has met, and where they are.

use super::places::Places;
use crate::id::{EntityId, Kind};
use crate::id_numbers::IdNumbers;
use crate::plan_error::PlanError;
use crate::ports::{Database, Span, Storage};

/// A sent snapshot or commit refers to it.
pub(super) const WANTED: u8 = 1;
/// It has its place in the answer.
pub(super) const PLACED: u8 = 2;
/// A snapshot that waits until its parent has its place.
pub(super) const WAITING: u8 = 4;
/// The client has it.
pub(super) const HAD: u8 = 8;
/// A snapshot that was read as one that the client has.
pub(super) const READ: u8 = 16;

/// In place of a pack number: the index was not asked yet.
const UNASKED: Span = Span { pack: u32::MAX, offset: 0, length: 0 };
/// In place of a pack number: the index does not have it.
const UNKNOWN: Span = Span { pack: u32::MAX, offset: 1, length: 0 };

/// Entities of one kind, by number. About 70 bytes each.
#[derive(Debug)]
pub(super) struct Entities {
    kind: Kind,
    numbers: IdNumbers,
    spans: Vec<Span>,
    flags: Vec<u8>,
}

impl Entities {
    pub(super) fn new(kind: Kind) -> Entities {
        Entities { kind, numbers: IdNumbers::default(), spans: Vec::new(), flags: Vec::new() }
    }

    pub(super) fn number(&mut self, id: EntityId) -> u32 {
        let number = self.numbers.number(id);
        if number as usize == self.spans.len() {
            self.spans.push(UNASKED);
            self.flags.push(0);
        }
        number
    }

    pub(super) fn find(&self, id: &EntityId) -> Option<u32> {
        self.numbers.find(id)
    }

    pub(super) fn id(&self, number: u32) -> EntityId {
        self.numbers.id(number)
    }

    pub(super) fn len(&self) -> u32 {
        self.numbers.len() as u32
    }

    pub(super) fn has(&self, number: u32, flags: u8) -> bool {
        self.flags[number as usize] & flags != 0
    }

    pub(super) fn set(&mut self, number: u32, flags: u8) {
        self.flags[number as usize] |= flags;
    }

    pub(super) fn clear(&mut self, number: u32, flags: u8) {
        self.flags[number as usize] &= !flags;
    }

    pub(super) fn clear_all(&mut self, flags: u8) {
        self.flags.iter_mut().for_each(|all| *all &= !flags);
    }

    pub(super) fn is_located(&self, number: u32) -> bool {
        self.spans[number as usize] != UNASKED
    }

    /// Where an entity is; `None` if the index does not have it, or was not asked.
    pub(super) fn span(&self, number: u32) -> Option<Span> {
        let span = self.spans[number as usize];
        (span.pack != u32::MAX).then_some(span)
    }

    /// The bytes of its record; 0 if it has no place.
    pub(super) fn bytes(&self, number: u32) -> u64 {
        self.span(number).map_or(0, |span| span.length)
    }

    /// Locates entities, those that were not located before.
    ///
    /// They are asked for by id: an index finds neighbours fast.
    pub(super) fn locate<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        places: &mut Places,
        numbers: impl Iterator<Item = u32>,
    ) -> Result<(), PlanError> {
        let mut numbers: Vec<u32> = numbers.filter(|n| !self.is_located(*n)).collect();
        numbers.sort_by_cached_key(|number| self.id(*number));
        numbers.dedup();
        let ids: Vec<EntityId> = numbers.iter().map(|number| self.id(*number)).collect();
        let spans = places.locate(host, self.kind, &ids)?;
        for (number, span) in numbers.into_iter().zip(spans) {
            self.spans[number as usize] = span.unwrap_or(UNKNOWN);
        }
        Ok(())
    }
}
