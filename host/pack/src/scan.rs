//! One pass over a pack: finds every record, hashes every object, and trusts nothing.
//!
//! Memory use is a window plus one row per record. A claimed length or count is not used before the
//! bytes are there.

mod records;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use packhouse_core::msgpack::Header;
use packhouse_core::{Counts, EntityId, Head, Kind, Row};
use packhouse_model::names;
use packhouse_model::text::escaped;

use super::frame::FramePart;
use super::window::Bytes;

pub use super::window::Source;
pub use records::tag_entity;
pub(crate) use records::{ObjectHead, around_content, leading};

/// Largest commit, snapshot or tag, in bytes: a component reads whole records.
pub const MAX_RECORD: u64 = 256 << 20;
/// Longest branch name, in bytes.
const MAX_BRANCH: usize = 255;
/// Maximum number of branches of a pack: they are kept in memory and written into one header.
const MAX_BRANCHES: u32 = 65_536;
/// The result of a scan.
#[derive(Debug, Default)]
pub struct ScannedPack {
    /// One row per record, by offset.
    pub rows: Vec<Row>,
    /// The bytes that are not of a record, by offset.
    pub frame: Vec<FramePart>,
    /// `branch_heads`, by branch name.
    pub heads: Vec<Head>,
    /// The first branch name that a push may not use. Packs from before names had a grammar may
    /// have one.
    pub bad_branch: Option<BadPack>,
    /// The texts of tags' ids; rows contain only their digests.
    pub tag_ids: Vec<(EntityId, String)>,
    /// Objects whose content was hashed and matches their id.
    pub objects_hashed: u64,
    /// Number of bytes that were read.
    pub bytes: u64,
}

impl ScannedPack {
    /// Distinct entities of each kind.
    pub fn distinct(&self) -> Counts {
        let mut keys: Vec<(Kind, EntityId)> = self.rows.iter().map(|r| (r.kind, r.id)).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut counts = Counts::default();
        for (kind, _) in keys {
            *counts.of(kind) += 1;
        }
        counts
    }
}

/// The error in a pack, and its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}, at byte {offset}", record.as_ref().map_or_else(String::new, |record| format!("{record}: ")))]
pub struct BadPack {
    /// The byte, from the pack's start.
    pub offset: u64,
    /// The record with the fault, for the message.
    pub record: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Why a scan ended early.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The pack is not well formed.
    #[error("{0}")]
    Bad(BadPack),
    /// Its bytes can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

type Result<T> = std::result::Result<T, ScanError>;

/// Scans a whole pack. `tick` gets the number of bytes done, about once per window.
pub fn scan<S: Source>(source: S, tick: impl FnMut(u64) -> io::Result<()>) -> Result<ScannedPack> {
    let mut scan = Scan::new(source, false, tick);
    scan.pack()?;
    Ok(scan.found)
}

/// Scans a whole pack; also gives the SHA-256 of its bytes.
pub(crate) fn scan_and_sum<S: Source>(
    source: S,
    tick: impl FnMut(u64) -> io::Result<()>,
) -> Result<(ScannedPack, [u8; 32])> {
    let mut scan = Scan::new(source, true, tick);
    scan.pack()?;
    Ok((scan.found, scan.bytes.into_sum().expect("it was asked for")))
}

/// What was read of a source, to its end.
pub(crate) struct Summed {
    pub(crate) sum: [u8; 32],
    pub(crate) bytes: u64,
    pub(crate) scanned: std::result::Result<ScannedPack, BadPack>,
}

/// As [`scan_and_sum`], and reads on to the end where it is no pack.
pub(crate) fn sum_to_end<S: Source>(
    source: S,
    tick: impl FnMut(u64) -> io::Result<()>,
) -> io::Result<Summed> {
    let mut scan = Scan::new(source, true, tick);
    let scanned = match scan.pack() {
        Ok(()) => Ok(scan.found),
        Err(ScanError::Bad(bad)) => {
            scan.bytes.pass_rest()?;
            Err(bad)
        }
        Err(ScanError::Io(error)) => return Err(error),
    };
    let bytes = scan.bytes.position();
    Ok(Summed { sum: scan.bytes.into_sum().expect("it was asked for"), bytes, scanned })
}

struct Scan<S, T> {
    bytes: Bytes<S, T>,
    found: ScannedPack,
    /// The record that is being read: kind, number in its section, and id once known.
    record: Option<(Kind, u32, Option<EntityId>)>,
    /// Where the part of the frame begins that is being read.
    frame_from: u64,
}

impl<S: Source, T: FnMut(u64) -> io::Result<()>> Scan<S, T> {
    fn new(source: S, summed: bool, tick: T) -> Scan<S, T> {
        let bytes = Bytes::new(source, summed, tick);
        Scan { bytes, found: ScannedPack::default(), record: None, frame_from: 0 }
    }

    fn bad<R>(&self, reason: impl Into<String>) -> Result<R> {
        self.bad_at(self.bytes.position(), reason)
    }

    fn bad_at<R>(&self, offset: u64, reason: impl Into<String>) -> Result<R> {
        let record = self.record.map(|(kind, number, id)| match id {
            Some(id) => format!("{kind} {id}"),
            None => format!("{kind} number {} of `{}`", u64::from(number) + 1, kind.section()),
        });
        Err(ScanError::Bad(BadPack { offset, record, reason: reason.into() }))
    }

    /// A part of the frame begins here.
    fn begin_part(&mut self) {
        self.frame_from = self.bytes.position();
        self.bytes.tap();
    }

    /// It ends here.
    fn end_part(&mut self) {
        let (offset, sum) = (self.frame_from, self.bytes.untap());
        let length = self.bytes.position() - offset;
        if length > 0 {
            let fingerprint = leading(&sum);
            self.found.frame.push(FramePart { offset, length, fingerprint });
        }
    }

    fn pack(&mut self) -> Result<()> {
        self.begin_part();
        if self.bytes.peek(4)?.starts_with(b"MUSE") {
            return self.bad("it begins with `MUSE`: a framed pack, whose layout is not public. Push the plain MessagePack form");
        }
        if self.bytes.peek(1)?.is_empty() {
            return self.bad("the file is empty");
        }
        let sections = match self.header()? {
            (Header::Map(n), _) => n,
            (other, _) => {
                return self
                    .bad_at(0, format!("it is {}; a pack is a MessagePack map", other.name()));
            }
        };
        let mut met: BTreeSet<Vec<u8>> = BTreeSet::new();
        for _ in 0..sections {
            let at = self.bytes.position();
            if self.bytes.peek(1)?.is_empty() {
                return self.bad(format!(
                    "the file ends here: its map claims {sections} sections and has {}",
                    met.len()
                ));
            }
            let name = self.text("a section's name", 64)?;
            let shown = escaped(&String::from_utf8_lossy(&name));
            let kind = Kind::ALL.into_iter().find(|kind| kind.section().as_bytes() == name);
            if kind.is_none() && name != b"branch_heads" {
                return self.bad_at(
                    at,
                    format!(
                        "`{shown}` is not a section of a pack, and consolidation would lose it"
                    ),
                );
            }
            if !met.insert(name) {
                return self.bad_at(at, format!("duplicate section `{shown}`"));
            }
            match kind {
                Some(kind) => self.section(kind)?,
                None => self.heads()?,
            }
        }
        if !self.bytes.peek(1)?.is_empty() {
            return self.bad("bytes follow the pack's end");
        }
        self.end_part();
        self.bytes.pass_rest()?;
        self.found.bytes = self.bytes.position();
        Ok(())
    }

    fn section(&mut self, kind: Kind) -> Result<()> {
        let at = self.bytes.position();
        let records = match self.header()? {
            (Header::Nil, _) => 0,
            (Header::Array(n), _) => n,
            (other, _) => {
                return self.bad_at(
                    at,
                    format!("`{}` is {}; expected an array", kind.section(), other.name()),
                );
            }
        };
        if records > 0 {
            self.end_part();
        }
        for number in 0..records {
            self.record = Some((kind, number, None));
            if self.bytes.peek(1)?.is_empty() {
                self.record = None;
                return self.bad(format!(
                    "the file ends here: `{}` claims {records} records and has {number}",
                    kind.section()
                ));
            }
            let row = if kind == Kind::Object { self.object()? } else { self.small(kind)? };
            self.found.rows.push(row);
        }
        self.record = None;
        if records > 0 {
            self.begin_part();
        }
        Ok(())
    }

    fn heads(&mut self) -> Result<()> {
        let at = self.bytes.position();
        let branches = match self.header()? {
            (Header::Nil, _) => 0,
            (Header::Map(n), _) => n,
            (other, _) => {
                return self
                    .bad_at(at, format!("`branch_heads` is {}; expected a map", other.name()));
            }
        };
        if branches > MAX_BRANCHES {
            return self.bad_at(
                at,
                format!("`branch_heads` claims {branches} branches; the limit is {MAX_BRANCHES}"),
            );
        }
        let mut places: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..branches {
            let at = self.bytes.position();
            let name = self.text("a branch name", MAX_BRANCH)?;
            let Ok(branch) = String::from_utf8(name) else {
                return self.bad_at(at, "a branch name is not UTF-8");
            };
            let commit = self.id(&format!("the head of branch `{}`", escaped(&branch)))?;
            places.insert(branch.clone(), at);
            self.found.heads.push(Head { branch, commit });
        }
        self.found.heads.sort();
        if let Some(pair) =
            self.found.heads.windows(2).find(|pair| pair[0].branch == pair[1].branch)
        {
            return self.bad_at(at, format!("duplicate branch `{}`", escaped(&pair[0].branch)));
        }
        let unusable = names::unusable(places.keys().map(String::as_str), None);
        let bad = unusable.into_iter().map(|(name, fault)| (places[name], name, fault)).min();
        self.found.bad_branch = bad.map(|(offset, name, fault)| BadPack {
            offset,
            record: Some(format!("branch `{}`", escaped(name))),
            reason: format!("invalid branch name: {fault}"),
        });
        Ok(())
    }
}
