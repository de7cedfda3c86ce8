//! Writes a step as a pack.

use std::collections::BTreeMap;
use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_core::EntityId;
use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_model::error::{Error, HubError, Result};
use packhouse_storage::s3::ReadObject;
use tempfile::NamedTempFile;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::objects::{HubObjects, Place};
use crate::pins::Pin;
use crate::steps::{Findings, Step, Wanted};

/// Objects that are opened at once.
const AT_ONCE: usize = 8;

/// Buffer of a pack that is written, in bytes.
const BUFFER: usize = 1 << 20;

/// What the last pack has besides records of history.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    pub(crate) tags: Vec<Pin>,
    pub(crate) heads: BTreeMap<String, EntityId>,
}

/// The size of a pack in bytes, with objects of these sizes.
pub(crate) fn size(step: &Step, sizes: &[u64], ending: &Ending) -> u64 {
    let objects = step.objects.iter().zip(sizes);
    let objects = objects.map(|(wanted, bytes)| object(wanted, *bytes).len() as u64 + bytes);
    (head(step, ending).len() + tail(ending).len()) as u64 + objects.sum::<u64>()
}

/// Writes a pack to a temporary file.
///
/// # Errors
/// If an object can't be read, or is not what it was when it was checked.
pub(crate) async fn write(
    repo: &str,
    objects: &HubObjects,
    step: &Step,
    findings: &Findings,
    ending: &Ending,
) -> Result<NamedTempFile> {
    let folder = std::env::temp_dir();
    let made = tempfile::Builder::new().prefix("packhouse-import-").suffix(".mpack").tempfile();
    let file = made.map_err(Error::io("creating a file in", &folder))?;
    let path = file.path();
    let opened = file.reopen().map_err(Error::io("opening", path))?;
    let mut pack =
        Writer { file: BufWriter::with_capacity(BUFFER, tokio::fs::File::from_std(opened)), path };
    pack.put(&head(step, ending)).await?;
    let reading = step.objects.iter().map(|wanted| read(repo, objects, wanted, findings));
    let mut reading = stream::iter(reading).buffered(AT_ONCE);
    for wanted in &step.objects {
        let Some((place, mut content)) = reading.try_next().await? else { break };
        pack.put(&object(wanted, content.bytes)).await?;
        let mut left = Some(content.bytes);
        while let Some(chunk) = content.stream.try_next().await? {
            left = left.and_then(|left| left.checked_sub(chunk.len() as u64));
            pack.put(&chunk).await?;
        }
        if left != Some(0) {
            return Err(changed(repo, wanted, place));
        }
    }
    drop(reading);
    pack.put(&tail(ending)).await?;
    pack.end().await?;
    Ok(file)
}

/// Opens an object where it was found. The push hashes what it gets.
async fn read(
    repo: &str,
    objects: &HubObjects,
    wanted: &Wanted,
    findings: &Findings,
) -> Result<(String, ReadObject)> {
    let Some(row) = &wanted.row else {
        return Ok((String::new(), ReadObject { bytes: 0, stream: stream::empty().boxed() }));
    };
    let number = findings.places.get(&wanted.id).copied().unwrap_or(0);
    let place: Option<Place> = objects.places(row).into_iter().nth(number);
    let shown = place.as_ref().map(|place| objects.shown(place)).unwrap_or_default();
    let found = match &place {
        Some(place) => objects.read(place).await?,
        None => None,
    };
    match found {
        Some(found) => Ok((shown, found)),
        None => Err(changed(repo, wanted, shown)),
    }
}

fn changed(repo: &str, wanted: &Wanted, place: String) -> Error {
    HubError::ObjectChanged { repo: repo.to_owned(), id: wanted.id.to_string(), place }.into()
}

/// A pack up to its first object.
fn head(step: &Step, ending: &Ending) -> Vec<u8> {
    let mut out = Vec::new();
    put_map(&mut out, if ending.tags.is_empty() { 4 } else { 5 });
    for (name, records) in [("commits", &step.commits), ("snapshots", &step.snapshots)] {
        put_str(&mut out, name);
        put_array(&mut out, records.len() as u32);
        records.iter().for_each(|record| out.extend_from_slice(record));
    }
    put_str(&mut out, "objects");
    put_array(&mut out, step.objects.len() as u32);
    out
}

/// An object up to its content. More than 4 GiB don't fit in a record: the push refuses them.
fn object(wanted: &Wanted, bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(100);
    put_map(&mut out, 2);
    put_str(&mut out, "object_id");
    put_str(&mut out, &wanted.id.to_string());
    put_str(&mut out, "content");
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    rmp::encode::write_bin_len(&mut out, bytes).expect("writing to memory does not fail");
    out
}

/// A pack after its last object.
fn tail(ending: &Ending) -> Vec<u8> {
    let mut out = Vec::new();
    if !ending.tags.is_empty() {
        put_str(&mut out, "tags");
        put_array(&mut out, ending.tags.len() as u32);
        ending.tags.iter().for_each(|pin| out.extend_from_slice(&pin.record));
    }
    put_str(&mut out, "branch_heads");
    put_map(&mut out, ending.heads.len() as u32);
    for (name, head) in &ending.heads {
        put_str(&mut out, name);
        put_str(&mut out, &head.to_string());
    }
    out
}

/// A pack, while it is written.
struct Writer<'a> {
    file: BufWriter<tokio::fs::File>,
    path: &'a Path,
}

impl Writer<'_> {
    async fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).await.map_err(Error::io("writing", self.path))
    }

    async fn end(mut self) -> Result<()> {
        self.file.flush().await.map_err(Error::io("writing", self.path))
    }
}
