//! A section of the base, with what is inserted into it.

use std::ops::Range;

use crate::ports::Span;

/// Records that get a place in a section of the base: new ones, and some of its own that move ahead.
#[derive(Debug, Default)]
pub(super) struct Edits {
    /// Each with the offset before which it goes, in the order of the offsets.
    inserted: Vec<(u64, Span)>,
}

impl Edits {
    /// Inserts a record behind those before it. Offsets never decrease.
    pub(super) fn insert(&mut self, offset: u64, record: Span) {
        self.inserted.push((offset, record));
    }

    /// How many records the base does not have.
    pub(super) fn added(&self, base: u32) -> u64 {
        self.inserted.len() as u64 - self.moved(base)
    }

    /// How many records of the base move.
    pub(super) fn moved(&self, base: u32) -> u64 {
        self.inserted.iter().filter(|(_, span)| span.pack == base).count() as u64
    }

    /// The section as spans: what lies in `section` of the pack `base`, without what moves, with
    /// what is inserted.
    pub(super) fn apply(&self, base: u32, section: Range<u64>) -> Vec<Span> {
        let own = self.inserted.iter().map(|(_, span)| *span).filter(|span| span.pack == base);
        let mut moved: Vec<Span> = own.collect();
        moved.sort_unstable();
        let mut rest = Rest { moved: moved.into_iter().peekable(), base, at: section.start };
        let mut spans = Vec::new();
        for (offset, span) in &self.inserted {
            rest.copy_to(*offset, &mut spans);
            spans.push(*span);
        }
        rest.copy_to(section.end, &mut spans);
        spans
    }
}

/// What is left to copy of a section.
struct Rest<I: Iterator<Item = Span>> {
    moved: std::iter::Peekable<I>,
    base: u32,
    at: u64,
}

impl<I: Iterator<Item = Span>> Rest<I> {
    fn copy_to(&mut self, end: u64, spans: &mut Vec<Span>) {
        while let Some(moved) = self.moved.next_if(|moved| moved.offset < end) {
            self.copy(moved.offset, spans);
            self.at = moved.offset + moved.length;
        }
        self.copy(end, spans);
    }

    fn copy(&mut self, end: u64, spans: &mut Vec<Span>) {
        if end > self.at {
            spans.push(Span { pack: self.base, offset: self.at, length: end - self.at });
            self.at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(pack: u32, offset: u64, length: u64) -> Span {
        Span { pack, offset, length }
    }

    #[test]
    fn what_is_inserted_cuts_the_section_and_what_moves_leaves_its_place() {
        let mut edits = Edits::default();
        for (offset, record) in [(10, span(1, 5, 7)), (10, span(0, 30, 5)), (40, span(1, 0, 3))] {
            edits.insert(offset, record);
        }
        assert_eq!((edits.added(0), edits.moved(0)), (2, 1));
        let expected = [
            span(0, 4, 6),
            span(1, 5, 7),
            span(0, 30, 5),
            span(0, 10, 20),
            span(0, 35, 5),
            span(1, 0, 3),
            span(0, 40, 9),
        ];
        assert_eq!(edits.apply(0, 4..49), expected);
        assert_eq!(Edits::default().apply(0, 4..49), [span(0, 4, 45)]);
        assert_eq!(Edits::default().apply(0, 0..0), []);
    }
}
