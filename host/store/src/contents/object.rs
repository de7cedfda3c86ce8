//! The bytes of a record: of an object, its content.

use std::ops::Range;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use packhouse_catalog::RepoRow;
use packhouse_core::msgpack::{Cursor, Header, MsgpackError};
use packhouse_core::{EntityId, Kind};
use packhouse_model::contents::Content;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_run::{LocatedRow, damaged_pack, read_ranges};
use ring::digest::{Context, SHA256};

use super::{FOUND_BY, Inside};
use crate::Store;

/// Bytes that are read at once.
const CHUNK: u64 = 4 << 20;

/// Bytes of an object in which its content mostly begins.
const WINDOW: u64 = 256;

impl Inside {
    pub(super) async fn content(&mut self, store: Store, id: &str) -> Result<Content> {
        let (kind, id) = self.only(id, &Kind::ALL, "record").await?;
        let located = self.locate_one(kind, id).await?;
        let range = match kind {
            Kind::Object => self.content_range(&located).await?,
            _ => located.row.offset..located.row.offset + located.row.length,
        };
        let reading = Reading {
            store,
            repo: self.repo.clone(),
            key: self.locator.packs()[located.pack as usize].key,
            left: range.clone(),
            hash: (kind == Kind::Object).then(|| (id, Context::new(&SHA256))),
        };
        let bytes = range.end - range.start;
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|bytes| (bytes, reading)))
        });
        Ok(Content { bytes, stream: stream.boxed() })
    }

    /// Where the content of an object is, in its pack.
    pub(super) async fn content_range(&mut self, object: &LocatedRow) -> Result<Range<u64>> {
        let row = &object.row;
        let key = self.locator.packs()[object.pack as usize].key;
        let mut window = WINDOW;
        loop {
            let width = window.min(row.length);
            let span = row.offset..row.offset + width;
            let read = read_ranges(&self.vault, &self.repo.name, &key, &[span]).await?;
            let bytes = read.into_iter().next().unwrap_or_default();
            match content_in(&bytes) {
                Ok(found) if row.offset + found.end <= row.offset + row.length => {
                    return Ok(row.offset + found.start..row.offset + found.end);
                }
                Ok(_) => return Err(self.unreadable(object, "its content is longer than it")),
                Err(error) if width == row.length => {
                    return Err(self.unreadable(object, error.reason));
                }
                Err(_) => window *= 16,
            }
        }
    }
}

/// Where the content is in the beginning of an object.
fn content_in(bytes: &[u8]) -> Result<Range<u64>, MsgpackError> {
    let mut cursor = Cursor::new(bytes);
    for _ in 0..cursor.map("an object")? {
        let is_content = match cursor.peek()? {
            Header::Str(_) => cursor.text("a field's name")? == b"content",
            _ => cursor.skip().map(|()| false)?,
        };
        if !is_content {
            cursor.skip()?;
            continue;
        }
        let Header::Bin(length) = cursor.header()? else { break };
        let start = cursor.position() as u64;
        return Ok(start..start + u64::from(length));
    }
    cursor.error("it has no content")
}

/// A record that is being read.
struct Reading {
    store: Store,
    repo: RepoRow,
    key: MpackKey,
    /// What is left, in the pack.
    left: Range<u64>,
    /// Of an object: its ID, and the hash so far.
    hash: Option<(EntityId, Context)>,
}

impl Reading {
    /// The next bytes; none at the end. The last ones come only if the hash of all is right.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left.is_empty() && self.hash.is_none() {
            return Ok(None);
        }
        let read = self.read().await;
        self.store.remembering(self.repo.id, FOUND_BY, read).await
    }

    async fn read(&mut self) -> Result<Option<Bytes>> {
        let (vault, name) = (&self.store.vault, &self.repo.name);
        let span = self.left.start..self.left.end.min(self.left.start + CHUNK);
        let bytes = match span.is_empty() {
            true => Bytes::new(),
            false => {
                let read = read_ranges(vault, name, &self.key, std::slice::from_ref(&span)).await?;
                read.into_iter().next().unwrap_or_default()
            }
        };
        self.left.start = span.end;
        if let Some((_, sum)) = &mut self.hash {
            sum.update(&bytes);
        }
        if self.left.is_empty()
            && let Some((id, sum)) = self.hash.take()
            && sum.finish().as_ref() != id.digest()
        {
            let detail = format!("the content of object {id} has another SHA-256");
            return Err(damaged_pack(vault, name, &self.key, detail));
        }
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(fields: Vec<(rmpv::Value, rmpv::Value)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &rmpv::Value::Map(fields)).unwrap();
        bytes
    }

    #[test]
    fn content_is_found_wherever_it_stands() {
        let content = || ("content".into(), rmpv::Value::Binary(b"hello".to_vec()));
        let id = || ("object_id".into(), "ab".into());
        let other = || (7.into(), rmpv::Value::Array(vec![1.into(), "content".into()]));
        for fields in [vec![id(), content()], vec![content(), id()], vec![other(), id(), content()]]
        {
            let bytes = object(fields);
            let found = content_in(&bytes).unwrap();
            assert_eq!(&bytes[found.start as usize..found.end as usize], b"hello");
        }
        assert!(content_in(&object(vec![id()])).is_err());
        assert!(content_in(&object(vec![id(), ("content".into(), "text".into())])).is_err());
    }
}
