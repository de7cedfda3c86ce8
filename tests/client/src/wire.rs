//! MessagePack, written and read so that a record's bytes stay what they are.

use std::collections::BTreeMap;

use bytes::Bytes;
use rmpv::{Value, ValueRef};

use crate::error::{Error, Result};
use crate::id::Id;

/// A body or record that is being written. Headers take their shortest form.
#[derive(Default)]
pub(crate) struct Out(Vec<u8>);

/// Why no write here can fail.
const GROWS: &str = "a Vec takes all bytes";

impl Out {
    pub(crate) fn map(&mut self, pairs: usize) -> &mut Self {
        rmp::encode::write_map_len(&mut self.0, length(pairs)).expect(GROWS);
        self
    }

    pub(crate) fn array(&mut self, items: usize) -> &mut Self {
        rmp::encode::write_array_len(&mut self.0, length(items)).expect(GROWS);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        rmp::encode::write_str(&mut self.0, text).expect(GROWS);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        rmp::encode::write_bin(&mut self.0, bytes).expect(GROWS);
        self
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        rmp::encode::write_bool(&mut self.0, value).expect(GROWS);
        self
    }

    pub(crate) fn value(&mut self, value: &Value) -> &mut Self {
        rmpv::encode::write_value(&mut self.0, value).expect(GROWS);
        self
    }

    pub(crate) fn id_or_nil(&mut self, id: Option<&Id>) -> &mut Self {
        match id {
            Some(id) => self.text(id.as_str()),
            None => self.value(&Value::Nil),
        }
    }

    pub(crate) fn ids(&mut self, ids: &[Id]) -> &mut Self {
        self.array(ids.len());
        ids.iter().fold(self, |out, id| out.text(id.as_str()))
    }

    pub(crate) fn names(&mut self, names: &BTreeMap<String, Id>) -> &mut Self {
        self.map(names.len());
        names.iter().fold(self, |out, (name, id)| out.text(name).text(id.as_str()))
    }

    /// Bytes that are MessagePack already.
    pub(crate) fn verbatim(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.0).into()
    }
}

fn length(n: usize) -> u32 {
    u32::try_from(n).expect("a test makes no list of four thousand million")
}

/// Reads one value off the front.
pub(crate) fn value<'a>(rest: &mut &'a [u8], what: &str) -> Result<ValueRef<'a>> {
    rmpv::decode::read_value_ref(rest).map_err(|e| Error::malformed(what, e))
}

/// Reads the header of a map off the front.
pub(crate) fn map_len(rest: &mut &[u8], what: &str) -> Result<usize> {
    let n = rmp::decode::read_map_len(rest)
        .map_err(|e| Error::malformed(what, format!("not a map: {e}")))?;
    Ok(n as usize)
}

/// Reads the items of an array off the front, each as the very bytes it has in `whole`.
pub(crate) fn items(whole: &Bytes, rest: &mut &[u8], what: &str) -> Result<Vec<Bytes>> {
    let n = rmp::decode::read_array_len(rest)
        .map_err(|e| Error::malformed(what, format!("not an array: {e}")))?;
    let mut items = Vec::new();
    for _ in 0..n {
        let before = *rest;
        value(rest, what)?;
        items.push(whole.slice_ref(&before[..before.len() - rest.len()]));
    }
    Ok(items)
}

/// The fields of one record.
pub(crate) struct Fields<'a> {
    what: &'static str,
    fields: Vec<(ValueRef<'a>, ValueRef<'a>)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(record: &'a [u8], what: &'static str) -> Result<Self> {
        let mut rest = record;
        match value(&mut rest, what)? {
            ValueRef::Map(fields) if rest.is_empty() => Ok(Fields { what, fields }),
            ValueRef::Map(_) => Err(Error::malformed(what, "bytes follow it")),
            _ => Err(Error::malformed(what, "not a map")),
        }
    }

    /// A field, if it is there and not nil.
    pub(crate) fn get(&self, name: &str) -> Option<&ValueRef<'a>> {
        let found = self.fields.iter().find(|(key, _)| text_of(key) == Some(name));
        found.map(|(_, value)| value).filter(|value| !matches!(value, ValueRef::Nil))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str> {
        self.get(name).and_then(text_of).ok_or_else(|| self.wrong(name, "no text"))
    }

    pub(crate) fn id(&self, name: &str) -> Result<Id> {
        self.text(name).map(Id::from)
    }

    pub(crate) fn id_or_nil(&self, name: &str) -> Result<Option<Id>> {
        if self.get(name).is_some() { self.id(name).map(Some) } else { Ok(None) }
    }

    pub(crate) fn names(&self, name: &str) -> Result<BTreeMap<String, Id>> {
        let value = self.get(name).ok_or_else(|| self.wrong(name, "not there"))?;
        names_of(value).ok_or_else(|| self.wrong(name, "not a map of text to text"))
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let Some(ValueRef::Array(items)) = self.get(name) else {
            return Err(self.wrong(name, "no array"));
        };
        let texts =
            items.iter().map(|item| text_of(item).map(str::to_owned)).collect::<Option<Vec<_>>>();
        texts.ok_or_else(|| self.wrong(name, "not an array of text"))
    }

    pub(crate) fn wrong(&self, name: &str, why: &str) -> Error {
        Error::malformed(self.what, format!("{name}: {why}"))
    }
}

pub(crate) fn text_of<'a>(value: &'a ValueRef<'_>) -> Option<&'a str> {
    match value {
        ValueRef::String(text) => text.as_str(),
        _ => None,
    }
}

pub(crate) fn names_of(value: &ValueRef<'_>) -> Option<BTreeMap<String, Id>> {
    let ValueRef::Map(pairs) = value else { return None };
    pairs
        .iter()
        .map(|(name, id)| Some((text_of(name)?.to_owned(), Id::from(text_of(id)?))))
        .collect()
}
