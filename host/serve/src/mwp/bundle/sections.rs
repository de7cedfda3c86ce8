//! Reads the sections of a body: where their records are, within the protocol's limits.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use packhouse_model::text::escaped;
use packhouse_store::MAX_RECORD;

use super::super::body_reader::BodyReader;
use crate::limits::{BRANCHES, RECORDS};
use crate::problem::{ApiResult, Problem};

/// Where the records of a section are.
#[derive(Default)]
pub(super) struct Records(pub(super) Vec<Range<u64>>);

/// An object of a body.
pub(super) struct Object {
    pub(super) id: String,
    pub(super) content: Range<u64>,
}

/// The heads of branches, by name.
pub(super) fn heads(reader: &mut BodyReader) -> ApiResult<BTreeMap<String, String>> {
    if reader.peek()? == Some(0xc0) {
        reader.ignore()?;
        return Ok(BTreeMap::new());
    }
    let mut heads = BTreeMap::new();
    fields(reader, "branch_heads", |name, reader| {
        // Branches without a commit have no head.
        if reader.peek()? == Some(0xc0) {
            return Ok(false);
        }
        if heads.len() == BRANCHES {
            return Err(Problem::too_much(format!(
                "branch_heads: the limit is {BRANCHES} branches"
            )));
        }
        heads.insert(name.to_owned(), reader.text("a branch's head")?);
        Ok(true)
    })?;
    Ok(heads)
}

/// Where the records of a section are.
pub(super) fn records(reader: &mut BodyReader, what: &str) -> ApiResult<Records> {
    let count = within(reader.array(what)?, what, RECORDS)?;
    (0..count).map(|_| record(reader, what)).collect::<ApiResult<_>>().map(Records)
}

fn record(reader: &mut BodyReader, what: &str) -> ApiResult<Range<u64>> {
    let span = reader.skip()?;
    let bytes = span.end - span.start;
    if bytes <= MAX_RECORD {
        return Ok(span);
    }
    Err(Problem::too_much(format!("{what}: a record has {bytes} bytes; the limit is {MAX_RECORD}")))
}

/// Where the objects of a section are.
pub(super) fn object_array(reader: &mut BodyReader, most: u32) -> ApiResult<Vec<Object>> {
    let count = within(reader.array("objects")?, "objects", most)?;
    (0..count).map(|_| object(reader)).collect()
}

fn object(reader: &mut BodyReader) -> ApiResult<Object> {
    let (mut id, mut content) = (None, None);
    fields(reader, "an object", |name, reader| {
        match name {
            "object_id" => id = Some(reader.text("object_id")?),
            "content" => content = Some(reader.skip()?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match (id, content) {
        (Some(id), Some(content)) => Ok(Object { id, content }),
        (None, _) => reader.bad("an object has no `object_id`"),
        (Some(id), None) => reader.bad(format_args!("object {} has no `content`", escaped(&id))),
    }
}

/// Reads a map with names as keys. The names that `each` accepts may occur once; others are
/// skipped, and nothing of them is kept: there may be millions.
pub(super) fn fields(
    reader: &mut BodyReader,
    what: &str,
    mut each: impl FnMut(&str, &mut BodyReader) -> ApiResult<bool>,
) -> ApiResult<()> {
    let mut met = BTreeSet::new();
    for _ in 0..reader.map(what)? {
        let name = reader.text("a name")?;
        if !each(&name, reader)? {
            reader.ignore()?;
        } else if !met.insert(name) {
            return reader.bad(format_args!("{what} has a duplicate field"));
        }
    }
    Ok(())
}

fn within(count: u32, what: &str, most: u32) -> ApiResult<u32> {
    if count <= most {
        Ok(count)
    } else {
        Err(Problem::too_much(format!("{what}: {count} given; the limit is {most}")))
    }
}

/// Checks that the body ends here.
pub(super) fn ends(reader: &BodyReader) -> ApiResult<()> {
    if reader.at_end() { Ok(()) } else { reader.bad("there is data after its value") }
}
