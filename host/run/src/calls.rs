//! What the hosts of all runs check and answer alike.

use std::cmp::Ordering;

use packhouse_core::ports::{MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS, page_size};
use packhouse_core::{AccessError, Head, PackInfo, Page, Span};
use packhouse_model::error::{Error, Result};
use packhouse_pack::Directory;

/// Bytes of each of two records that are compared at once.
const COMPARED: u64 = 1 << 20;

/// The fault that ended a run.
#[derive(Debug, Default)]
pub(crate) struct Fault(Option<Error>);

impl Fault {
    /// Keeps the first error of the host. The result for the component does not matter: it is
    /// stopped.
    pub(crate) fn keep<T>(&mut self, result: Result<T>) -> Result<T, AccessError> {
        result.map_err(|error| {
            self.0.get_or_insert(error);
            AccessError::Other("the host failed".to_owned())
        })
    }

    pub(crate) fn get(&self) -> Option<&Error> {
        self.0.as_ref()
    }

    pub(crate) fn take(&mut self) -> Option<Error> {
        self.0.take()
    }
}

/// Refuses a call with more than `most` items.
pub(crate) fn at_most(count: usize, most: u32) -> Result<(), AccessError> {
    if count > most as usize { Err(AccessError::TooMany(most)) } else { Ok(()) }
}

/// Refuses a call for more records than may be read at once, or for a span that `check` refuses.
pub(crate) fn check_reads(
    spans: &[Span],
    mut check: impl FnMut(Span) -> Result<(), AccessError>,
) -> Result<(), AccessError> {
    at_most(spans.len(), MAX_ITEMS)?;
    let mut bytes = 0u64;
    for span in spans {
        check(*span)?;
        bytes = bytes.saturating_add(span.length);
    }
    match bytes > MAX_RECORD_BYTES && spans.len() > 1 {
        true => Err(AccessError::TooLarge(MAX_RECORD_BYTES)),
        false => Ok(()),
    }
}

/// Refuses a call for more pairs than may be compared at once, or for a span that `check` refuses.
pub(crate) fn check_pairs(
    pairs: &[(Span, Span)],
    mut check: impl FnMut(Span) -> Result<(), AccessError>,
) -> Result<(), AccessError> {
    at_most(pairs.len(), MAX_ITEMS)?;
    pairs.iter().try_for_each(|(a, b)| check(*a).and_then(|()| check(*b)))
}

/// Compares two records as strings of bytes, without loading either completely.
pub(crate) fn compare<B: AsRef<[u8]>>(
    a: Span,
    b: Span,
    mut read: impl FnMut(Span, Span) -> Result<(B, B)>,
) -> Result<Ordering> {
    let shorter = a.length.min(b.length);
    let mut at = 0;
    while at < shorter {
        let length = COMPARED.min(shorter - at);
        let part = |span: Span| Span { offset: span.offset + at, length, ..span };
        let (x, y) = read(part(a), part(b))?;
        match x.as_ref().cmp(y.as_ref()) {
            Ordering::Equal => at += length,
            different => return Ok(different),
        }
    }
    Ok(a.length.cmp(&b.length))
}

/// A page of a directory's rows.
pub(crate) fn rows_page(directory: &Directory, first: u64, limit: u32) -> Page<u8> {
    let most = page_size(limit, MAX_ROWS) as u64;
    let rows = directory.page(first, most).unwrap_or_default();
    Page { items: rows.to_vec(), done: first.saturating_add(most) >= directory.len() }
}

/// A page of the packs of a run.
pub(crate) fn packs_page<P>(
    packs: &[P],
    first: u32,
    limit: u32,
    info: impl Fn(&P) -> PackInfo,
) -> Page<PackInfo> {
    let first = (first as usize).min(packs.len());
    let end = first.saturating_add(page_size(limit, MAX_ITEMS)).min(packs.len());
    Page { items: packs[first..end].iter().map(info).collect(), done: end == packs.len() }
}

/// A page of the heads after a branch.
pub(crate) fn heads_page(heads: &[Head], after: Option<&str>, limit: u32) -> Page<Head> {
    let first = after.map_or(0, |after| heads.partition_point(|h| h.branch.as_str() <= after));
    Page::of(heads, first as u64, limit, MAX_ITEMS)
}
