//! What is changed in a fetched pack before it is pushed: which branches it names, and an empty
//! object that a MuseHub has dropped.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{EntityId, Kind, Row};
use packhouse_model::blocking::blocking;
use packhouse_model::digest::EMPTY;
use packhouse_model::error::{Error, PushError, Result};
use packhouse_model::progress::Progress;
use packhouse_pack::references;
use packhouse_pack::scan::{ScanError, ScannedPack, scan};

/// A pack that can be pushed.
pub(super) struct PreparedPack {
    /// The pack.
    pub(super) file: PathBuf,
    /// Those of the branches whose head is no commit of the pack, with the head.
    pub(super) outside: Vec<(String, String)>,
    /// Records that the commits and snapshots of the pack name, and that it does not hold.
    pub(super) named: BTreeSet<(Kind, EntityId)>,
}

/// A fetched pack with these branch heads and no others, and with the empty object if its snapshots
/// name one that it lacks. The same file if nothing is to be changed: then the pack keeps its key.
/// All objects are hashed.
///
/// A response names heads that it does not reach: those of branches that were not wanted, or that
/// have moved since.
pub(super) async fn with_heads(
    fetched: PathBuf,
    source: String,
    heads: BTreeMap<String, String>,
    progress: Progress,
) -> Result<PreparedPack> {
    blocking(move || {
        let mut file = File::open(&fetched).map_err(Error::io("reading", &fetched))?;
        let scanned = scanned(&file, &source, &fetched, &progress)?;
        let old_heads: BTreeMap<String, String> = scanned
            .heads
            .iter()
            .map(|head| (head.branch.clone(), head.commit.to_string()))
            .collect();
        let held: HashSet<(Kind, EntityId)> =
            scanned.rows.iter().map(|row| (row.kind, row.id)).collect();
        let mut named = named_outside(&mut file, &scanned.rows, &held)
            .map_err(Error::io("reading", &fetched))?;
        // A MuseHub drops objects without content on a push, and snapshots name them still.
        let is_empty =
            |(kind, id): &(Kind, EntityId)| *kind == Kind::Object && *id.digest() == EMPTY;
        let empty: Vec<EntityId> = named.extract_if(.., is_empty).map(|(_, id)| id).collect();
        let is_commit = |id: &str| {
            EntityId::parse(id.as_bytes()).is_ok_and(|id| held.contains(&(Kind::Commit, id)))
        };
        let outside = heads
            .iter()
            .filter(|(_, head)| !is_commit(head))
            .map(|(branch, head)| (branch.clone(), head.clone()))
            .collect();
        if empty.is_empty() && old_heads == heads {
            return Ok(PreparedPack { file: fetched, outside, named });
        }
        let path = fetched.with_extension("mpack");
        write(&mut file, &scanned.rows, &empty, &heads, &path)
            .map_err(Error::io("writing", &path))?;
        std::fs::remove_file(&fetched).map_err(Error::io("removing", &fetched))?;
        Ok(PreparedPack { file: path, outside, named })
    })
    .await
}

fn scanned(file: &File, source: &str, path: &Path, progress: &Progress) -> Result<ScannedPack> {
    let tick = |_| match progress.is_cancelled() {
        true => Err(std::io::Error::other("cancelled")),
        false => Ok(()),
    };
    match scan(file, tick) {
        Ok(scanned) => Ok(scanned),
        Err(ScanError::Bad(bad)) => Err(PushError::BadPack {
            file: source.into(),
            offset: bad.offset,
            record: bad.record,
            reason: bad.reason,
        }
        .into()),
        Err(ScanError::Io(_)) if progress.is_cancelled() => Err(Error::Cancelled),
        Err(ScanError::Io(error)) => Err(Error::io("reading", path)(error)),
    }
}

/// What the commits and snapshots among these records name, and no record is.
fn named_outside(
    file: &mut File,
    rows: &[Row],
    held: &HashSet<(Kind, EntityId)>,
) -> std::io::Result<BTreeSet<(Kind, EntityId)>> {
    let mut outside = BTreeSet::new();
    let mut record = Vec::new();
    for row in rows.iter().filter(|row| matches!(row.kind, Kind::Commit | Kind::Snapshot)) {
        record.clear();
        file.seek(SeekFrom::Start(row.offset))?;
        Read::by_ref(file).take(row.length).read_to_end(&mut record)?;
        // What is malformed is refused when it is pushed.
        let Ok(named) = references(row.kind, &record) else { continue };
        outside.extend(named.into_iter().filter(|named| !held.contains(named)));
    }
    Ok(outside)
}

/// Writes a pack of these records, as they are, and these heads.
fn write(
    from: &mut File,
    rows: &[Row],
    empty: &[EntityId],
    heads: &BTreeMap<String, String>,
    path: &Path,
) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create_new(path)?);
    let of_kind = |kind: Kind| rows.iter().filter(move |row| row.kind == kind);
    let added = |kind: Kind| if kind == Kind::Object { empty } else { &[] };
    let count = |kind: Kind| of_kind(kind).count() + added(kind).len();
    let kinds = || Kind::ALL.into_iter().filter(|kind| count(*kind) > 0);
    let mut head = Vec::new();
    put_map(&mut head, kinds().count() as u32 + 1);
    for kind in kinds() {
        put_str(&mut head, kind.section());
        put_array(&mut head, u32::try_from(count(kind)).map_err(std::io::Error::other)?);
        for id in added(kind) {
            put_map(&mut head, 2);
            put_str(&mut head, "object_id");
            put_str(&mut head, &id.to_string());
            put_str(&mut head, "content");
            rmp::encode::write_bin(&mut head, &[]).map_err(std::io::Error::other)?;
        }
        out.write_all(&head)?;
        head.clear();
        copy(from, of_kind(kind), &mut out)?;
    }
    put_str(&mut head, "branch_heads");
    put_map(&mut head, u32::try_from(heads.len()).map_err(std::io::Error::other)?);
    for (branch, commit) in heads {
        put_str(&mut head, branch);
        put_str(&mut head, commit);
    }
    out.write_all(&head)?;
    out.flush()
}

/// Copies records; those that lie side by side at once.
fn copy<'a>(
    from: &mut File,
    rows: impl Iterator<Item = &'a Row>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut rows = rows.peekable();
    while let Some(first) = rows.next() {
        let mut end = first.offset + first.length;
        while let Some(next) = rows.next_if(|next| next.offset == end) {
            end += next.length;
        }
        from.seek(SeekFrom::Start(first.offset))?;
        let length = end - first.offset;
        if std::io::copy(&mut Read::by_ref(from).take(length), out)? != length {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}
