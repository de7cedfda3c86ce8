//! Checks objects: their content by their ID, and what surrounds it.

use packhouse_core::msgpack::{Header, HeaderError, Skip, header};
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Row};
use packhouse_model::digest::finish;
use ring::digest::{Context, SHA256, digest};

use crate::scan::{ObjectHead, around_content};

/// Longest name of a field that is of interest.
const LONGEST_NAME: u32 = 24;

const WRONG_HEAD: &str = "it does not begin as an object of this ID and length";

fn same_content(id: EntityId, sum: &[u8]) -> Result<(), String> {
    if id.digest() == sum {
        return Ok(());
    }
    Err(format!("hash mismatch: expected {id}, got {}", hex::encode(sum)))
}

/// An object in its standard encoding: its row says what its bytes before the content are.
pub(super) struct StandardObject {
    id: EntityId,
    head: ObjectHead,
    matched: usize,
    sum: Context,
}

impl StandardObject {
    /// `None` for an object in another encoding.
    pub(super) fn of(row: &Row) -> Option<StandardObject> {
        let is_standard = row.fingerprint == Fingerprint::default();
        let head = if is_standard { ObjectHead::of(row)? } else { return None };
        Some(StandardObject { id: row.id, head, matched: 0, sum: Context::new(&SHA256) })
    }

    /// Checks one that is whole in memory.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), String> {
        let content = bytes.strip_prefix(self.head.as_bytes()).ok_or(WRONG_HEAD)?;
        same_content(self.id, digest(&SHA256, content).as_ref())
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        let left = &self.head.as_bytes()[self.matched..];
        let (head, content) = bytes.split_at(left.len().min(bytes.len()));
        if !left.starts_with(head) {
            return Err(WRONG_HEAD.into());
        }
        self.matched += head.len();
        self.sum.update(content);
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), String> {
        same_content(self.id, self.sum.finish().as_ref())
    }
}

/// An object in another encoding: its content is found by parsing it.
pub(super) struct UnusualObject {
    id: EntityId,
    fingerprint: Fingerprint,
    position: u64,
    /// The bytes of a header that is not complete yet.
    header: Vec<u8>,
    /// How much is left of the bytes that belong to the last header.
    body: u64,
    state: State,
    fields: u32,
    name: Vec<u8>,
    content: Option<(u64, u64)>,
    /// Of the content.
    sum: Context,
    /// Of all the other bytes.
    around: Context,
}

enum State {
    Object,
    Name,
    /// A name that is no short string.
    OtherName(Skip),
    Value,
    Content(u64),
    OtherValue(Skip),
    End,
}

impl UnusualObject {
    pub(super) fn new(row: &Row) -> UnusualObject {
        UnusualObject {
            id: row.id,
            fingerprint: row.fingerprint,
            position: 0,
            header: Vec::new(),
            body: 0,
            state: State::Object,
            fields: 0,
            name: Vec::new(),
            content: None,
            sum: Context::new(&SHA256),
            around: Context::new(&SHA256),
        }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while let Some((&first, after)) = bytes.split_first() {
            if self.body > 0 {
                let n = usize::try_from(self.body).unwrap_or(usize::MAX).min(bytes.len());
                let (body, after) = bytes.split_at(n);
                self.take_body(body);
                bytes = after;
                continue;
            }
            self.header.push(first);
            self.around.update(&[first]);
            self.position += 1;
            bytes = after;
            match header(&self.header) {
                Ok((found, _)) => {
                    self.header.clear();
                    self.take_header(found)?;
                }
                Err(HeaderError::Short) => {}
                Err(HeaderError::Reserved) => {
                    return Err("byte 0xC1 is not valid MessagePack".into());
                }
            }
        }
        Ok(())
    }

    fn take_body(&mut self, bytes: &[u8]) {
        match self.state {
            State::Content(_) => self.sum.update(bytes),
            State::Name => {
                self.name.extend_from_slice(bytes);
                self.around.update(bytes);
            }
            _ => self.around.update(bytes),
        }
        self.position += bytes.len() as u64;
        self.body -= bytes.len() as u64;
        if self.body == 0 {
            self.end_value();
        }
    }

    fn take_header(&mut self, found: Header) -> Result<(), String> {
        self.body = found.body();
        match (&mut self.state, found) {
            (State::Object, Header::Map(fields)) => {
                self.fields = fields;
                self.state = if fields == 0 { State::End } else { State::Name };
                return Ok(());
            }
            (State::Object, other) => {
                return Err(format!("an object is {}; expected a map", other.name()));
            }
            (State::End, _) => return Err("bytes follow its last field".into()),
            (State::Name, Header::Str(n)) if n <= LONGEST_NAME => self.name.clear(),
            (State::Name, other) => {
                self.name.clear();
                self.state = State::OtherName(skip(Skip::one(), &other)?);
            }
            (State::Value, Header::Bin(_)) if self.name == b"content" => {
                if self.content.is_some() {
                    return Err("duplicate field `content`".into());
                }
                self.state = State::Content(self.position);
            }
            (State::Value, other) => self.state = State::OtherValue(skip(Skip::one(), &other)?),
            (State::OtherName(left) | State::OtherValue(left), other) => {
                *left = skip(std::mem::take(left), &other)?;
            }
            (State::Content(_), _) => {}
        }
        if self.body == 0 {
            self.end_value();
        }
        Ok(())
    }

    /// The last header and its bytes have passed.
    fn end_value(&mut self) {
        match &self.state {
            State::Name => self.state = State::Value,
            State::OtherName(left) if left.done() => self.state = State::Value,
            State::OtherValue(left) if left.done() => self.end_field(),
            State::Content(begin) => {
                self.content = Some((*begin, self.position));
                self.end_field();
            }
            _ => {}
        }
    }

    fn end_field(&mut self) {
        self.fields -= 1;
        self.state = if self.fields == 0 { State::End } else { State::Name };
    }

    pub(super) fn finish(self) -> Result<(), String> {
        let Some((begin, end)) = self.content else {
            return Err("`content` is missing".into());
        };
        same_content(self.id, self.sum.finish().as_ref())?;
        match around_content(begin, end, &finish(self.around)) == self.fingerprint {
            true => Ok(()),
            false => Err("what surrounds its content has changed".into()),
        }
    }
}

fn skip(mut left: Skip, found: &Header) -> Result<Skip, String> {
    let deep = |depth| format!("values are nested {depth} deep");
    left.take(found).map(|()| left).map_err(deep)
}
