//! Tags that the base does not have.

use std::collections::{BTreeMap, BTreeSet};

use super::Stop;
use super::rows::BaseRows;
use crate::assemble::graph::Graph;
use crate::assemble::walk::Between;
use crate::id::{EntityId, Kind};
use crate::msgpack::MsgpackError;
use crate::order::malformed_at;
use crate::plan_error::PlanError;
use crate::ports::{AccessError, Database, PackInfo, Span, Storage, for_each_record};
use crate::record::Tag;
use crate::row::{ROW_BYTES, Row};

/// The tags that the base does not have and whose commits it has or that are new, by text.
///
/// A tag may come long after its commit. So the rows of all packs but the base are read: they are
/// what came after it.
pub(super) fn new_tags<H: Storage + Database + ?Sized>(
    host: &mut H,
    graph: &Graph,
    between: &Between,
    base: u32,
    packs: &[PackInfo],
) -> Result<Vec<(String, Span)>, Stop> {
    let mut rows: Vec<(EntityId, Span)> = Vec::new();
    for pack in (0..packs.len() as u32).filter(|pack| *pack != base) {
        tag_rows(host, pack, &mut rows)?;
    }
    let spans: Vec<Span> = rows.iter().map(|(_, span)| *span).collect();
    let mut tags: BTreeMap<String, EntityId> = BTreeMap::new();
    for_each_record(host, &spans, |_, i, bytes| {
        let tag = Tag::parse(bytes).map_err(|error| malformed(rows[i], error))?;
        tags.insert(tag.text.to_owned(), tag.commit);
        Ok::<_, PlanError>(())
    })?;

    let sent: BTreeSet<EntityId> = between.sent.iter().map(|commit| graph.id(*commit)).collect();
    let named: BTreeSet<EntityId> =
        tags.values().copied().filter(|id| !sent.contains(id)).collect();
    let in_base = in_base(host, Kind::Commit, &named.into_iter().collect::<Vec<_>>(), base)?;
    tags.retain(|_, commit| sent.contains(commit) || in_base.contains(commit));

    let at_once = host.limits().ids.max(1) as usize;
    let mut new = Vec::new();
    for page in tags.into_keys().collect::<Vec<String>>().chunks(at_once) {
        let texts: Vec<&str> = page.iter().map(String::as_str).collect();
        for (text, found) in page.iter().zip(host.locate_tags(&texts)?) {
            if let Some(found) = found.filter(|found| found.at.pack != base) {
                new.push((text.clone(), found.at));
            }
        }
    }
    Ok(new)
}

fn tag_rows<H: Storage + ?Sized>(
    host: &mut H,
    pack: u32,
    tags: &mut Vec<(EntityId, Span)>,
) -> Result<(), AccessError> {
    let mut first = 0;
    loop {
        let page = host.pack_index(pack, first, 0)?;
        let count = (page.items.len() / ROW_BYTES) as u64;
        if count == 0 && !page.done {
            return Err(AccessError::OutOfRange(Span { pack, offset: first, length: 1 }));
        }
        let rows = page.items.chunks_exact(ROW_BYTES).filter_map(Row::decode);
        tags.extend(rows.filter(|row| row.kind == Kind::Tag).map(|row| (row.id, row.span(pack))));
        first += count;
        if page.done {
            return Ok(());
        }
    }
}

/// Those of some entities that the base has.
fn in_base<H: Storage + Database + ?Sized>(
    host: &mut H,
    kind: Kind,
    ids: &[EntityId],
    base: u32,
) -> Result<BTreeSet<EntityId>, AccessError> {
    let mut found = BTreeSet::new();
    for page in ids.chunks(host.limits().ids.max(1) as usize) {
        let places = host.locate(kind, page)?;
        let in_base =
            page.iter().zip(places).filter(|(_, at)| at.is_some_and(|f| f.at.pack == base));
        found.extend(in_base.map(|(id, _)| *id));
    }
    Ok(found)
}

/// The offset before which a tag goes: tags are in the order of their texts.
pub(super) fn place<H: Storage + ?Sized>(
    host: &mut H,
    rows: &mut BaseRows,
    text: &str,
) -> Result<u64, Stop> {
    let (mut low, mut high) = (0, rows.count(Kind::Tag));
    while low < high {
        let middle = low + (high - low) / 2;
        let row = rows.record(host, Kind::Tag, middle)?;
        let at = row.span(rows.base.pack);
        let bytes = host.read_records(&[at])?.pop().unwrap_or_default();
        let tag = Tag::parse(&bytes).map_err(|error| malformed((row.id, at), error))?;
        match tag.text < text {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    rows.offset(host, Kind::Tag, low)
}

fn malformed((id, at): (EntityId, Span), error: MsgpackError) -> PlanError {
    malformed_at(Kind::Tag, id, at, error)
}
