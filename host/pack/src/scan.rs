//! One pass over a pack: finds every record, hashes every object, and trusts nothing.
//!
//! Memory is a window and a row a record. A claimed length or count is not used before the bytes
//! are there.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use packhouse_core::msgpack::{self, Header, HeaderError, Skip};
use packhouse_core::record::{bad_id, tag_id};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Counts, EntityId, Form, Head, Kind, Row};
use ring::digest::{Context, SHA256, digest};

pub use super::window::Source;
use super::window::{Bytes, WINDOW};
use packhouse_model::names;
use packhouse_model::text::escaped;

/// Largest commit, snapshot or tag, in bytes: a component reads them whole.
pub const MAX_RECORD: u64 = 256 << 20;
/// Longest branch name, in bytes.
const MAX_BRANCH: usize = 255;
/// Most branches that a pack may name: they are held in memory and written into one header.
const MAX_BRANCHES: u32 = 65_536;
/// What a scan found.
#[derive(Debug, Default)]
pub struct ScannedPack {
    /// A row a record, by offset.
    pub rows: Vec<Row>,
    /// `branch_heads`, by branch name.
    pub heads: Vec<Head>,
    /// The first branch name that a push may not use. Packs from before names had a grammar may
    /// have one.
    pub bad_branch: Option<BadPack>,
    /// The texts of tags' ids, which rows hold as digests only.
    pub tag_ids: Vec<(EntityId, String)>,
    /// Objects whose content was hashed and matches their id.
    pub objects_hashed: u64,
    /// Bytes that were read, to the last.
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

/// What is wrong with a pack, and where.
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

/// Scans a whole pack. `tick` gets the bytes done, about once a window.
pub fn scan<S: Source>(source: S, tick: impl FnMut(u64) -> io::Result<()>) -> Result<ScannedPack> {
    let mut scan =
        Scan { bytes: Bytes::new(source, tick), found: ScannedPack::default(), record: None };
    scan.pack()?;
    Ok(scan.found)
}

struct Scan<S, T> {
    bytes: Bytes<S, T>,
    found: ScannedPack,
    /// The record that is being read: kind, number in its section, and id once known.
    record: Option<(Kind, u32, Option<EntityId>)>,
}

impl<S: Source, T: FnMut(u64) -> io::Result<()>> Scan<S, T> {
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

    fn header(&mut self) -> Result<(Header, usize)> {
        let bytes = self.bytes.peek(msgpack::MAX_HEADER)?;
        match msgpack::header(bytes) {
            Ok((header, width)) => {
                self.bytes.advance(width);
                Ok((header, width))
            }
            Err(HeaderError::Short) => self.bad("the file ends here, inside a value"),
            Err(HeaderError::Reserved) => self.bad("byte 0xC1 is not valid MessagePack"),
        }
    }

    /// Reads a short string; longer than `most` is an error.
    fn text(&mut self, what: &str, most: usize) -> Result<Vec<u8>> {
        let at = self.bytes.position();
        match self.header()? {
            (Header::Str(n), _) if n as usize <= most => match self.bytes.peek(n as usize)? {
                bytes if bytes.len() >= n as usize => {
                    let text = bytes[..n as usize].to_vec();
                    self.bytes.advance(n as usize);
                    Ok(text)
                }
                _ => self.bad_at(at, format!("{what} claims {n} bytes, but the file ends before")),
            },
            (Header::Str(n), _) => {
                self.bad_at(at, format!("{what} has {n} bytes; the limit is {most}"))
            }
            (other, _) => self.bad_at(at, format!("{what} is {}; expected a string", other.name())),
        }
    }

    fn pack(&mut self) -> Result<()> {
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
        self.bytes.finish()?;
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

    fn id(&mut self, what: &str) -> Result<EntityId> {
        let at = self.bytes.position();
        let text = self.text(what, 1024)?;
        match EntityId::parse(&text) {
            Ok(id) => Ok(id),
            Err(why) => self.bad_at(at, bad_id(what, &text, why)),
        }
    }

    /// A commit, a snapshot or a tag: finds its id, steps over the rest.
    fn small(&mut self, kind: Kind) -> Result<Row> {
        let offset = self.bytes.position();
        self.bytes.tap();
        let fields = self.fields(kind)?;
        let mut id = None;
        for _ in 0..fields {
            if self.field()?.is(kind.id_field()) {
                if id.is_some() {
                    return self.bad(format!("duplicate field `{}`", kind.id_field()));
                }
                id = Some(if kind == Kind::Tag {
                    self.tag_id()?
                } else {
                    self.id(kind.id_field())?
                });
                self.record = self.record.map(|(kind, number, _)| (kind, number, id));
            } else {
                self.skip()?;
            }
            if self.bytes.position() - offset > MAX_RECORD {
                return self
                    .bad_at(offset, format!("the record is larger than {MAX_RECORD} bytes"));
            }
        }
        let fingerprint = self.bytes.untap();
        let Some(id) = id else {
            return self.bad_at(offset, format!("`{}` is missing", kind.id_field()));
        };
        Ok(Row {
            kind,
            id,
            offset,
            length: self.bytes.position() - offset,
            print: leading(fingerprint.finish().as_ref()),
        })
    }

    fn tag_id(&mut self) -> Result<EntityId> {
        let at = self.bytes.position();
        let text = self.text("`tag_id`", 4096)?;
        let text = match tag_id(&text) {
            Ok(text) => text.to_owned(),
            Err(reason) => return self.bad_at(at, reason),
        };
        let mut sum = [0; 32];
        sum.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        let id = EntityId::new(Form::Text, sum);
        self.found.tag_ids.push((id, text));
        Ok(id)
    }

    fn fields(&mut self, kind: Kind) -> Result<u32> {
        let at = self.bytes.position();
        match self.header()? {
            (Header::Map(n), _) => Ok(n),
            (other, _) => self.bad_at(at, format!("a {kind} is {}; expected a map", other.name())),
        }
    }

    /// Reads a field's name. A name that is not a short string is none of ours.
    fn field(&mut self) -> Result<FieldName> {
        let mut field = FieldName::default();
        let bytes = self.bytes.peek(1 + field.bytes.len())?;
        if let Ok((Header::Str(n), width)) = msgpack::header(bytes)
            && let Some(slot) = field.bytes.get_mut(..n as usize)
            && let Some(name) = bytes.get(width..width + n as usize)
        {
            slot.copy_from_slice(name);
            field.length = n as usize;
            self.bytes.advance(width + n as usize);
        } else {
            self.skip()?;
        }
        Ok(field)
    }

    /// Steps over one value.
    fn skip(&mut self) -> Result<()> {
        let mut skip = Skip::one();
        while !skip.done() {
            let at = self.bytes.position();
            let (header, _) = self.header()?;
            if let Err(depth) = skip.take(&header) {
                return self.bad_at(
                    at,
                    format!(
                        "values are nested {depth} deep; the limit is {}, as in other decoders",
                        msgpack::MAX_DEPTH
                    ),
                );
            }
            self.body(at, &header, |_| {})?;
        }
        Ok(())
    }

    /// Hands over the bytes that belong to a header.
    fn body(&mut self, at: u64, header: &Header, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut left = header.body();
        while left > 0 {
            let bytes = self.bytes.some()?;
            if bytes.is_empty() {
                return self.bad_at(
                    at,
                    format!(
                        "a value claims {} bytes, but the file ends {left} bytes before",
                        header.body()
                    ),
                );
            }
            let n = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&bytes[..n]);
            self.bytes.advance(n);
            left -= n as u64;
        }
        Ok(())
    }

    fn object(&mut self) -> Result<Row> {
        match self.standard_object()? {
            Some(row) => Ok(row),
            None => self.unusual_object(),
        }
    }

    /// An object in its standard encoding: `{object_id, content}` in that order, headers in their
    /// shortest form. Its fingerprint is zero: id and length say all that there is to say.
    fn standard_object(&mut self) -> Result<Option<Row>> {
        const NAME: &[u8] = b"\x82\xa9object_id\xd9";
        const CONTENT: &[u8] = b"\xa7content";
        let offset = self.bytes.position();
        let head = self.bytes.peek(NAME.len() + 1 + 71 + CONTENT.len() + 5)?;
        let Some((&width, rest)) = head.strip_prefix(NAME).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        if width != 64 && width != 71 {
            return Ok(None);
        }
        let Some((text, rest)) = rest.split_at_checked(width as usize) else { return Ok(None) };
        let (Ok(id), Some(rest)) = (EntityId::parse(text), rest.strip_prefix(CONTENT)) else {
            return Ok(None);
        };
        let Ok((header @ Header::Bin(n), header_width)) = msgpack::header(rest) else {
            return Ok(None);
        };
        let shortest = match n {
            0..=0xff => 2,
            0x100..=0xffff => 3,
            _ => 5,
        };
        if header_width != shortest {
            return Ok(None);
        }
        let before = head.len() - rest.len() + header_width;
        self.record = self.record.map(|(kind, number, _)| (kind, number, Some(id)));
        self.bytes.advance(before);
        // Small contents are in the window whole: hash them in one go.
        let window = self.bytes.peek((n as usize).min(WINDOW / 2))?;
        let sum = if window.len() >= n as usize {
            let sum = digest(&SHA256, &window[..n as usize]);
            self.bytes.advance(n as usize);
            sum
        } else {
            let mut context = Context::new(&SHA256);
            self.body(offset, &header, |bytes| context.update(bytes))?;
            context.finish()
        };
        self.content_is(offset, id, sum.as_ref())?;
        Ok(Some(Row {
            kind: Kind::Object,
            id,
            offset,
            length: before as u64 + u64::from(n),
            print: Fingerprint::default(),
        }))
    }

    fn content_is(&mut self, offset: u64, id: EntityId, sum: &[u8]) -> Result<()> {
        if id.digest() == sum {
            self.found.objects_hashed += 1;
            return Ok(());
        }
        self.bad_at(offset, format!("hash mismatch: expected {id}, got {}", hex::encode(sum)))
    }

    fn unusual_object(&mut self) -> Result<Row> {
        let offset = self.bytes.position();
        self.bytes.tap();
        let fields = self.fields(Kind::Object)?;
        let mut id = None;
        let mut content: Option<(u64, u64, Vec<u8>)> = None;
        for _ in 0..fields {
            let field = self.field()?;
            if field.is("object_id") {
                if id.is_some() {
                    return self.bad("duplicate field `object_id`");
                }
                id = Some(self.id("object_id")?);
                self.record = self.record.map(|(kind, number, _)| (kind, number, id));
            } else if field.is("content") {
                let at = self.bytes.position();
                let (header, _) = self.header()?;
                if content.is_some() {
                    return self.bad_at(at, "duplicate field `content`");
                }
                if !matches!(header, Header::Bin(_)) {
                    return self
                        .bad_at(at, format!("`content` is {}; expected bytes", header.name()));
                }
                let begin = self.bytes.position() - offset;
                let mut sum = Context::new(&SHA256);
                // The content is named by the id; the fingerprint is of what surrounds it.
                self.bytes.hold_tap(true);
                self.body(at, &header, |bytes| sum.update(bytes))?;
                self.bytes.hold_tap(false);
                content =
                    Some((begin, self.bytes.position() - offset, sum.finish().as_ref().to_vec()));
            } else {
                self.skip()?;
            }
        }
        let around = self.bytes.untap();
        let Some(id) = id else { return self.bad_at(offset, "`object_id` is missing") };
        let Some((begin, end, sum)) = content else {
            return self.bad_at(offset, "`content` is missing");
        };
        self.content_is(offset, id, &sum)?;
        let mut fingerprint = Context::new(&SHA256);
        fingerprint.update(&begin.to_le_bytes());
        fingerprint.update(&end.to_le_bytes());
        fingerprint.update(around.finish().as_ref());
        Ok(Row {
            kind: Kind::Object,
            id,
            offset,
            length: self.bytes.position() - offset,
            print: leading(fingerprint.finish().as_ref()),
        })
    }
}

fn leading(sum: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&sum[..16]);
    fingerprint
}
/// The name of a field, as far as it could be one of ours.
#[derive(Default)]
struct FieldName {
    bytes: [u8; 24],
    length: usize,
}

impl FieldName {
    fn is(&self, name: &str) -> bool {
        &self.bytes[..self.length] == name.as_bytes()
    }
}
