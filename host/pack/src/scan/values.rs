//! MessagePack values of a pack: strings, ids, names of fields; and stepping over the rest.

use std::io;

use packhouse_core::msgpack::{Header, HeaderError, Skip};
use packhouse_core::record::bad_id;
use packhouse_core::{EntityId, Kind, msgpack};
use packhouse_sha256::Sha256;

use super::{Result, Scan, Source};

impl<S: Source, T: FnMut(u64) -> io::Result<()>> Scan<S, T> {
    pub(super) fn header(&mut self) -> Result<(Header, usize)> {
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
    pub(super) fn text(&mut self, what: &str, most: usize) -> Result<Vec<u8>> {
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

    pub(super) fn id(&mut self, what: &str) -> Result<EntityId> {
        let at = self.bytes.position();
        let text = self.text(what, 1024)?;
        match EntityId::parse(&text) {
            Ok(id) => Ok(id),
            Err(why) => self.bad_at(at, bad_id(what, &text, why)),
        }
    }

    pub(super) fn fields(&mut self, kind: Kind) -> Result<u32> {
        let at = self.bytes.position();
        match self.header()? {
            (Header::Map(n), _) => Ok(n),
            (other, _) => self.bad_at(at, format!("a {kind} is {}; expected a map", other.name())),
        }
    }

    /// Reads a field's name. A name that is not a short string is none of ours.
    pub(super) fn field(&mut self) -> Result<FieldName> {
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
    pub(super) fn skip(&mut self) -> Result<()> {
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
            self.body(at, &header, None)?;
        }
        Ok(())
    }

    /// Steps over the bytes that belong to a header, and adds them to a sum.
    pub(super) fn body(
        &mut self,
        at: u64,
        header: &Header,
        mut sum: Option<&mut Sha256>,
    ) -> Result<()> {
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
            self.bytes.pass(n, sum.as_deref_mut());
            left -= n as u64;
        }
        Ok(())
    }
}

/// The name of a field, as far as it could be one of ours.
#[derive(Default)]
pub(super) struct FieldName {
    bytes: [u8; 24],
    length: usize,
}

impl FieldName {
    pub(super) fn is(&self, name: &str) -> bool {
        &self.bytes[..self.length] == name.as_bytes()
    }
}
