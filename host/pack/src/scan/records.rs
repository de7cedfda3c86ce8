//! Records of a pack: each is a row, with its id, its place and its fingerprint.

use std::io;

use packhouse_core::msgpack::Header;
use packhouse_core::record::tag_id;
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Form, Kind, Row, msgpack};
use packhouse_model::digest::sha256;
use packhouse_sha256::Sha256;

use super::super::window::WINDOW;
use super::{MAX_RECORD, Result, Scan, Source};

/// How the standard encoding of an object begins, up to the length of its ID.
const NAME: &[u8] = b"\x82\xa9object_id\xd9";
/// What follows its ID, up to the header of the content.
const CONTENT: &[u8] = b"\xa7content";

impl<S: Source, T: FnMut(u64) -> io::Result<()>> Scan<S, T> {
    /// A commit, a snapshot or a tag: finds its id, steps over the rest.
    pub(super) fn small(&mut self, kind: Kind) -> Result<Row> {
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
        let sum = self.bytes.untap();
        let Some(id) = id else {
            return self.bad_at(offset, format!("`{}` is missing", kind.id_field()));
        };
        Ok(Row {
            kind,
            id,
            offset,
            length: self.bytes.position() - offset,
            fingerprint: leading(&sum),
        })
    }

    fn tag_id(&mut self) -> Result<EntityId> {
        let at = self.bytes.position();
        let text = self.text("`tag_id`", 4096)?;
        let text = match tag_id(&text) {
            Ok(text) => text.to_owned(),
            Err(reason) => return self.bad_at(at, reason),
        };
        let id = tag_entity(&text);
        self.found.tag_ids.push((id, text));
        Ok(id)
    }

    pub(super) fn object(&mut self) -> Result<Row> {
        match self.standard_object()? {
            Some(row) => Ok(row),
            None => self.unusual_object(),
        }
    }

    /// An object in its standard encoding: `{object_id, content}` in that order, headers in their
    /// shortest form. Its fingerprint is zero: id and length say all that there is to say.
    fn standard_object(&mut self) -> Result<Option<Row>> {
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
            self.bytes.digest(n as usize)
        } else {
            let mut sum = Sha256::new();
            self.body(offset, &header, Some(&mut sum))?;
            self.bytes.finish(sum)
        };
        self.content_is(offset, id, &sum)?;
        Ok(Some(Row {
            kind: Kind::Object,
            id,
            offset,
            length: before as u64 + u64::from(n),
            fingerprint: Fingerprint::default(),
        }))
    }

    fn content_is(&mut self, offset: u64, id: EntityId, sum: &[u8; 32]) -> Result<()> {
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
        let mut content: Option<(u64, u64, [u8; 32])> = None;
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
                let mut sum = Sha256::new();
                // The content is named by the id; the fingerprint is of what surrounds it.
                self.bytes.hold_tap(true);
                self.body(at, &header, Some(&mut sum))?;
                self.bytes.hold_tap(false);
                let end = self.bytes.position() - offset;
                content = Some((begin, end, self.bytes.finish(sum)));
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
        Ok(Row {
            kind: Kind::Object,
            id,
            offset,
            length: self.bytes.position() - offset,
            fingerprint: around_content(begin, end, &around),
        })
    }
}

/// The fingerprint of an object in another encoding than the standard one: where its content begins
/// and ends in it, and what surrounds that.
pub(crate) fn around_content(begin: u64, end: u64, around: &[u8; 32]) -> Fingerprint {
    let mut fingerprint = Sha256::new();
    fingerprint.update(&begin.to_le_bytes());
    fingerprint.update(&end.to_le_bytes());
    fingerprint.update(around);
    leading(&fingerprint.finish())
}

/// Longest beginning of an object in its standard encoding, up to its content.
const LONGEST_HEAD: usize = NAME.len() + 1 + 71 + CONTENT.len() + 5;

/// The bytes before the content of an object in its standard encoding.
#[derive(Clone, Copy)]
pub(crate) struct ObjectHead {
    bytes: [u8; LONGEST_HEAD],
    length: usize,
}

impl ObjectHead {
    /// `None` if no such object has the length of the row.
    pub(crate) fn of(row: &Row) -> Option<ObjectHead> {
        let mut head = ObjectHead { bytes: [0; LONGEST_HEAD], length: 0 };
        head.put(NAME);
        match row.id.form() {
            Form::Bare => head.put(&[64]),
            Form::Prefixed => head.put(b"\x47sha256:"),
            Form::Text => return None,
        }
        let digits = head.bytes.get_mut(head.length..head.length + 64)?;
        hex::encode_to_slice(row.id.digest(), digits).ok()?;
        head.length += 64;
        head.put(CONTENT);
        let left = row.length.checked_sub(head.length as u64)?;
        let content = |width| left.checked_sub(width).and_then(|n| u32::try_from(n).ok());
        match (content(2), content(3), content(5)) {
            (Some(n @ 0..=0xff), ..) => head.put(&[0xc4, n as u8]),
            (_, Some(n @ 0x100..=0xffff), _) => {
                head.put(&[0xc5]);
                head.put(&(n as u16).to_be_bytes());
            }
            (.., Some(n @ 0x1_0000..)) => {
                head.put(&[0xc6]);
                head.put(&n.to_be_bytes());
            }
            _ => return None,
        }
        Some(head)
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The first half of a SHA-256.
pub(crate) fn leading(sum: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&sum[..16]);
    fingerprint
}

/// The ID of a tag in fixed width: the SHA-256 of its text.
pub fn tag_entity(text: &str) -> EntityId {
    EntityId::new(Form::Text, sha256(text.as_bytes()))
}
