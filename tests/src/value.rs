//! A naive MessagePack reader that keeps the position of each value, so that records can be copied
//! verbatim.
//!
//! Written from the MessagePack specification for the model alone, which shares no code with the
//! core. It panics on malformed input: the model is only given packs.

use std::ops::Range;

/// A value and the bytes it takes, its header included.
#[derive(Clone, Debug)]
pub struct Item {
    /// Bytes of the whole value, counted from the start of the input.
    pub span: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// The type of a value, as far as packs need it.
#[derive(Clone, Debug)]
pub enum Value {
    /// `nil`.
    Nil,
    /// A number, a boolean or an extension.
    Other,
    /// `str`.
    Text(Vec<u8>),
    /// `bin`: the range of the bytes.
    Bytes(Range<usize>),
    /// `array`.
    Array(Vec<Item>),
    /// `map`.
    Map(Vec<(Item, Item)>),
}

/// Reads the one value that `bytes` is.
///
/// # Panics
/// When it is not exactly one.
pub fn read(bytes: &[u8]) -> Item {
    let item = read_at(bytes, 0);
    assert_eq!(item.span.end, bytes.len(), "bytes follow the value");
    item
}

/// Reads the value that starts at `start`.
///
/// # Panics
/// When there is none.
pub fn read_at(bytes: &[u8], start: usize) -> Item {
    let number = |at: usize, width: usize| {
        bytes[at..at + width].iter().fold(0usize, |n, b| n << 8 | usize::from(*b))
    };
    let text = |at: usize, len: usize| (at + len, Value::Text(bytes[at..at + len].to_vec()));
    let raw = |at: usize, len: usize| (at + len, Value::Bytes(at..at + len));
    let next = start + 1;
    let (end, value) = match bytes[start] {
        0x00..=0x7f | 0xe0..=0xff | 0xc2 | 0xc3 => (next, Value::Other),
        b @ 0x80..=0x8f => map(bytes, next, usize::from(b & 15)),
        b @ 0x90..=0x9f => array(bytes, next, usize::from(b & 15)),
        b @ 0xa0..=0xbf => text(next, usize::from(b & 31)),
        0xc0 => (next, Value::Nil),
        0xc1 => panic!("0xC1 at byte {start} is no MessagePack"),
        0xc4 => raw(next + 1, number(next, 1)),
        0xc5 => raw(next + 2, number(next, 2)),
        0xc6 => raw(next + 4, number(next, 4)),
        0xc7 => (next + 2 + number(next, 1), Value::Other),
        0xc8 => (next + 3 + number(next, 2), Value::Other),
        0xc9 => (next + 5 + number(next, 4), Value::Other),
        0xcc | 0xd0 => (next + 1, Value::Other),
        0xcd | 0xd1 | 0xd4 => (next + 2, Value::Other),
        0xd5 => (next + 3, Value::Other),
        0xca | 0xce | 0xd2 => (next + 4, Value::Other),
        0xd6 => (next + 5, Value::Other),
        0xcb | 0xcf | 0xd3 => (next + 8, Value::Other),
        0xd7 => (next + 9, Value::Other),
        0xd8 => (next + 17, Value::Other),
        0xd9 => text(next + 1, number(next, 1)),
        0xda => text(next + 2, number(next, 2)),
        0xdb => text(next + 4, number(next, 4)),
        0xdc => array(bytes, next + 2, number(next, 2)),
        0xdd => array(bytes, next + 4, number(next, 4)),
        0xde => map(bytes, next + 2, number(next, 2)),
        0xdf => map(bytes, next + 4, number(next, 4)),
    };
    assert!(end <= bytes.len(), "the value at byte {start} ends behind the input");
    Item { span: start..end, value }
}

fn array(bytes: &[u8], mut at: usize, len: usize) -> (usize, Value) {
    let mut items = Vec::new();
    for _ in 0..len {
        let item = read_at(bytes, at);
        at = item.span.end;
        items.push(item);
    }
    (at, Value::Array(items))
}

fn map(bytes: &[u8], mut at: usize, len: usize) -> (usize, Value) {
    let mut fields = Vec::new();
    for _ in 0..len {
        let key = read_at(bytes, at);
        let value = read_at(bytes, key.span.end);
        at = value.span.end;
        fields.push((key, value));
    }
    (at, Value::Map(fields))
}

impl Item {
    /// The text, if it is text.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(String::from_utf8(text.clone()).expect("the text is UTF-8")),
            _ => None,
        }
    }

    /// The values of an array; none for anything else.
    pub fn items(&self) -> &[Item] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The fields of a map; none for anything else.
    pub fn fields(&self) -> &[(Item, Item)] {
        match &self.value {
            Value::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The value of a field of a map, unless it is absent or nil.
    pub fn field(&self, name: &str) -> Option<&Item> {
        let found = self.fields().iter().find(|(key, _)| key.text().as_deref() == Some(name));
        found.map(|(_, value)| value).filter(|value| !matches!(value.value, Value::Nil))
    }

    /// A field that maps text to text, in the order of its keys' bytes.
    pub fn texts(&self, name: &str) -> Vec<(String, String)> {
        let fields = self.field(name).map(Item::fields).unwrap_or_default();
        let mut pairs: Vec<(String, String)> =
            fields.iter().filter_map(|(k, v)| Some((k.text()?, v.text()?))).collect();
        pairs.sort();
        pairs
    }
}
