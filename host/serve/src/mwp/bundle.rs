//! Converts uploads of clients to packs.
//!
//! A body is parsed in its file; the pack consists of spans of the file, and a few bytes between
//! them. Commits, snapshots and tags are copied verbatim. Only the id and the content of an object
//! are copied: its `path` is a hint for the server, and the same object pushed for two paths is one
//! object. The pack of a push names only the pushed branch.

mod pieces;
mod sections;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use packhouse_core::EntityId;
use packhouse_core::msgpack::{put_map, put_str};
use packhouse_core::record::Commit;
use packhouse_model::error::Error;
use packhouse_model::names::BranchName;
use packhouse_model::text::escaped;
use pieces::Pieces;
use sections::{Object, Records, ends, fields, heads, object_array, records};

use super::super::limits::{OBJECTS, RECORDS};
use super::super::problem::{ApiResult, Problem};
use super::body_reader::BodyReader;

pub(super) use pieces::AssembledBody;

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

/// Another handle on the same file.
fn handle(body: &File) -> ApiResult<File> {
    Ok(body.try_clone().map_err(Error::io("opening", "an uploaded body"))?)
}

#[cfg(test)]
mod tests;
