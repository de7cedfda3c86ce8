//! What clients upload becomes packs.
//!
//! A body is parsed in its file; the pack consists of spans of it, and the few bytes between them.
//! Commits, snapshots and tags are copied verbatim. Of an object its id and its content are copied:
//! a `path` is a hint to the server and not a part of it, and the same object pushed for two paths
//! is one. A pack of a push names one branch: the one that is pushed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use packhouse_core::EntityId;
use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::record::Commit;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::BranchName;
use packhouse_model::text::escaped;
use packhouse_pack::pipeline::{CHUNK, Produce};
use packhouse_pack::scan::MAX_RECORD;

use super::super::limits::{BRANCHES, OBJECTS, RECORDS};
use super::super::problem::{ApiResult, Problem};
use super::body_reader::BodyReader;

/// A pack to be written: bytes, and spans of a file.
pub(super) struct AssembledBody {
    body: File,
    pieces: VecDeque<Piece>,
}

enum Piece {
    Bytes(Vec<u8>),
    Span(Range<u64>),
}

impl Produce for AssembledBody {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        while chunk.len() < CHUNK {
            match self.pieces.front_mut() {
                None => break,
                Some(Piece::Bytes(bytes)) => chunk.append(bytes),
                Some(Piece::Span(span)) => {
                    let (start, room) = (chunk.len(), (CHUNK - chunk.len()) as u64);
                    let taken = room.min(span.end - span.start);
                    chunk.resize(start + taken as usize, 0);
                    self.body
                        .read_exact_at(&mut chunk[start..], span.start)
                        .map_err(Error::io("reading", "an uploaded body"))?;
                    span.start += taken;
                    if span.start < span.end {
                        break;
                    }
                }
            }
            self.pieces.pop_front();
        }
        Ok(())
    }
}

/// Puts pieces together.
#[derive(Default)]
struct Pieces(VecDeque<Piece>);

impl Pieces {
    /// Small bytes, to those before.
    fn write(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.0.back(), Some(Piece::Bytes(_))) {
            self.0.push_back(Piece::Bytes(Vec::new()));
        }
        if let Some(Piece::Bytes(bytes)) = self.0.back_mut() {
            put(bytes);
        }
    }

    fn section(&mut self, name: &str, records: &Records) {
        self.write(|out| {
            put_str(out, name);
            put_array(out, records.0.len() as u32);
        });
        // They are adjacent.
        if let (Some(first), Some(last)) = (records.0.first(), records.0.last()) {
            self.0.push_back(Piece::Span(first.start..last.end));
        }
    }

    fn objects(&mut self, objects: &[Object]) {
        self.write(|out| {
            put_str(out, "objects");
            put_array(out, objects.len() as u32);
        });
        for object in objects {
            self.write(|out| {
                put_map(out, 2);
                put_str(out, "object_id");
                put_str(out, &object.id);
                put_str(out, "content");
            });
            self.0.push_back(Piece::Span(object.content.clone()));
        }
    }

    fn of(self, body: File) -> AssembledBody {
        AssembledBody { body, pieces: self.0 }
    }
}

/// Where the records of a section are.
#[derive(Default)]
struct Records(Vec<Range<u64>>);

/// An object of a body.
struct Object {
    id: String,
    content: Range<u64>,
}

/// `{objects: […]}`: the pack, and how many objects there are.
pub(super) fn objects(body: File, bytes: u64) -> ApiResult<(AssembledBody, u64)> {
    let mut reader = BodyReader::new(handle(&body)?, bytes)?;
    let mut found = None;
    fields(&mut reader, "the body", |name, reader| {
        match name {
            "objects" => found = Some(object_array(reader, OBJECTS)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    ends(&reader)?;
    let Some(found) = found else { return reader.bad("`objects` is missing") };
    let mut pieces = Pieces::default();
    pieces.write(|out| put_map(out, 3));
    for section in ["commits", "snapshots"] {
        pieces.section(section, &Records::default());
    }
    pieces.objects(&found);
    Ok((pieces.of(body), found.len() as u64))
}

/// `{tags: […]}`: the pack, and how many tags there are.
pub(super) fn tags(body: File, bytes: u64) -> ApiResult<(AssembledBody, u64)> {
    let mut reader = BodyReader::new(handle(&body)?, bytes)?;
    let mut found = None;
    fields(&mut reader, "the body", |name, reader| {
        match name {
            "tags" => found = Some(records(reader, "tags")?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    ends(&reader)?;
    let Some(found) = found else { return reader.bad("`tags` is missing") };
    let mut pieces = Pieces::default();
    pieces.write(|out| put_map(out, 4));
    for section in ["commits", "snapshots"] {
        pieces.section(section, &Records::default());
    }
    pieces.objects(&[]);
    pieces.section("tags", &found);
    Ok((pieces.of(body), found.0.len() as u64))
}

/// `{bundle, branch, force}`.
pub(super) struct Push {
    pub(super) pack: AssembledBody,
    pub(super) branch: BranchName,
    /// Its new head.
    pub(super) head: EntityId,
    pub(super) force: bool,
}

/// What is in a bundle.
#[derive(Default)]
struct Bundle {
    commits: Records,
    snapshots: Records,
    objects: Vec<Object>,
    tags: Records,
    heads: BTreeMap<String, String>,
}

pub(super) fn push(body: File, bytes: u64) -> ApiResult<Push> {
    let mut reader = BodyReader::new(handle(&body)?, bytes)?;
    let (mut bundle, mut branch, mut force) = (None, None, false);
    fields(&mut reader, "the body", |name, reader| {
        match name {
            "bundle" => bundle = Some(read_bundle(reader)?),
            "branch" => branch = Some(reader.text("branch")?),
            "force" => {
                force = match reader.peek()? {
                    Some(0xc3) => true,
                    Some(0xc2 | 0xc0) => false,
                    _ => return reader.bad("force: expected true or false"),
                };
                reader.ignore()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    ends(&reader)?;
    let Some(bundle) = bundle else { return reader.bad("`bundle` is missing") };
    let Some(branch) = branch else { return reader.bad("`branch` is missing") };
    let branch: BranchName = branch.parse().map_err(Error::from)?;
    let head = head_of(&mut reader, &bundle, &branch)?;
    let mut pieces = Pieces::default();
    let tagged = !bundle.tags.0.is_empty();
    pieces.write(|out| put_map(out, if tagged { 5 } else { 4 }));
    pieces.section("commits", &bundle.commits);
    pieces.section("snapshots", &bundle.snapshots);
    pieces.objects(&bundle.objects);
    if tagged {
        pieces.section("tags", &bundle.tags);
    }
    pieces.write(|out| {
        put_str(out, "branch_heads");
        put_map(out, 1);
        put_str(out, branch.as_str());
        put_str(out, &head.to_string());
    });
    Ok(Push { pack: pieces.of(body), branch, head, force })
}

fn read_bundle(reader: &mut BodyReader) -> ApiResult<Bundle> {
    let mut bundle = Bundle::default();
    fields(reader, "bundle", |name, reader| {
        match name {
            "commits" => bundle.commits = records(reader, "commits")?,
            "snapshots" => bundle.snapshots = records(reader, "snapshots")?,
            "objects" => bundle.objects = object_array(reader, RECORDS)?,
            "tags" => bundle.tags = records(reader, "tags")?,
            "branch_heads" => bundle.heads = heads(reader)?,
            // Skipping what may be a part of a history would lose it.
            other => {
                return reader
                    .bad(format_args!("bundle: `{}` is not a section of a pack", escaped(other)));
            }
        }
        Ok(true)
    })?;
    Ok(bundle)
}

/// The new head of a branch: as the bundle says, else its only commit without a child.
fn head_of(reader: &mut BodyReader, bundle: &Bundle, branch: &BranchName) -> ApiResult<EntityId> {
    let no_id = |text: &str| {
        Problem::malformed(format!("branch_heads: `{}` is not a commit id", escaped(text)))
    };
    if let Some(head) = bundle.heads.get(branch.as_str()) {
        return EntityId::parse(head.as_bytes()).map_err(|_| no_id(head));
    }
    let (mut tips, mut parents) = (BTreeSet::new(), BTreeSet::new());
    for record in &bundle.commits.0 {
        let commit = Commit::parse(&reader.bytes(record)?).map_err(|error| {
            Problem::malformed(format!(
                "a commit at byte {}: {}",
                record.start + error.offset as u64,
                error.reason
            ))
        })?;
        tips.insert(commit.id);
        parents.extend(commit.parents.into_iter().flatten());
    }
    let mut tips = tips.difference(&parents);
    match (tips.next(), tips.next()) {
        (Some(head), None) => Ok(*head),
        (None, _) => Err(Problem::malformed(format!(
            "bundle: it has no commit for branch `{branch}`, and branch_heads does not name its head"
        ))),
        (Some(_), Some(_)) => Err(Problem::malformed(format!(
            "bundle: several of its commits have no child; name the head of `{branch}` in branch_heads"
        ))),
    }
}

fn heads(reader: &mut BodyReader) -> ApiResult<BTreeMap<String, String>> {
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
fn records(reader: &mut BodyReader, what: &str) -> ApiResult<Records> {
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

fn object_array(reader: &mut BodyReader, most: u32) -> ApiResult<Vec<Object>> {
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
fn fields(
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

fn ends(reader: &BodyReader) -> ApiResult<()> {
    if reader.at_end() { Ok(()) } else { reader.bad("there is data after its value") }
}

/// Another handle on the same file.
fn handle(body: &File) -> ApiResult<File> {
    Ok(body.try_clone().map_err(Error::io("opening", "an uploaded body"))?)
}

#[cfg(test)]
mod tests;
