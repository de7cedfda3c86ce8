//! MessagePack, as far as packhouse reads it: headers, and values that are stepped over.
//!
//! Source: the MessagePack specification. Nothing here allocates by a size that the input claims.

use rmp::Marker;

/// Nesting that a record may have. Decoders of the field stop at about this depth
/// (msgpack-python 1024, rmp-serde 1024), so a deeper record could be stored and never be read.
pub const MAX_DEPTH: usize = 1024;

/// The start of a value: what it is, and how many values or bytes belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `nil`.
    Nil,
    /// A boolean, an integer or a float; complete with its header.
    Scalar,
    /// Text of so many bytes.
    Str(u32),
    /// So many bytes.
    Bin(u32),
    /// So many values.
    Array(u32),
    /// So many keys, each with a value.
    Map(u32),
    /// An extension of so many bytes, its type included.
    Ext(u64),
}

impl Header {
    /// A word for messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Header::Nil => "nil",
            Header::Scalar => "a number or boolean",
            Header::Str(_) => "a string",
            Header::Bin(_) => "bytes",
            Header::Array(_) => "an array",
            Header::Map(_) => "a map",
            Header::Ext(_) => "an extension",
        }
    }

    /// Bytes that follow the header and belong to this value alone.
    pub const fn body(&self) -> u64 {
        match *self {
            Header::Str(n) | Header::Bin(n) => n as u64,
            Header::Ext(n) => n,
            _ => 0,
        }
    }

    /// Values that follow the header and belong to this one.
    pub const fn children(&self) -> u64 {
        match *self {
            Header::Array(n) => n as u64,
            Header::Map(n) => 2 * n as u64,
            _ => 0,
        }
    }
}

/// Longest header, in bytes: a 64-bit number.
pub const MAX_HEADER: usize = 9;

/// Why a header can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The bytes end inside the header.
    Short,
    /// The byte 0xC1, which MessagePack never uses.
    Reserved,
}

/// Reads a header and its width in bytes from the start of `bytes`.
pub fn header(bytes: &[u8]) -> Result<(Header, usize), HeaderError> {
    let (&first, rest) = bytes.split_first().ok_or(HeaderError::Short)?;
    let size = |width: usize| -> Result<u32, HeaderError> {
        let bytes = rest.get(..width).ok_or(HeaderError::Short)?;
        Ok(bytes.iter().fold(0, |n, b| (n << 8) | u32::from(*b)))
    };
    let scalar = |width: usize| {
        if rest.len() < width { Err(HeaderError::Short) } else { Ok((Header::Scalar, 1 + width)) }
    };
    Ok(match Marker::from_u8(first) {
        Marker::Null => (Header::Nil, 1),
        Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (Header::Scalar, 1),
        Marker::U8 | Marker::I8 => scalar(1)?,
        Marker::U16 | Marker::I16 => scalar(2)?,
        Marker::U32 | Marker::I32 | Marker::F32 => scalar(4)?,
        Marker::U64 | Marker::I64 | Marker::F64 => scalar(8)?,
        Marker::FixStr(n) => (Header::Str(u32::from(n)), 1),
        Marker::Str8 => (Header::Str(size(1)?), 2),
        Marker::Str16 => (Header::Str(size(2)?), 3),
        Marker::Str32 => (Header::Str(size(4)?), 5),
        Marker::Bin8 => (Header::Bin(size(1)?), 2),
        Marker::Bin16 => (Header::Bin(size(2)?), 3),
        Marker::Bin32 => (Header::Bin(size(4)?), 5),
        Marker::FixArray(n) => (Header::Array(u32::from(n)), 1),
        Marker::Array16 => (Header::Array(size(2)?), 3),
        Marker::Array32 => (Header::Array(size(4)?), 5),
        Marker::FixMap(n) => (Header::Map(u32::from(n)), 1),
        Marker::Map16 => (Header::Map(size(2)?), 3),
        Marker::Map32 => (Header::Map(size(4)?), 5),
        Marker::FixExt1 => (Header::Ext(2), 1),
        Marker::FixExt2 => (Header::Ext(3), 1),
        Marker::FixExt4 => (Header::Ext(5), 1),
        Marker::FixExt8 => (Header::Ext(9), 1),
        Marker::FixExt16 => (Header::Ext(17), 1),
        Marker::Ext8 => (Header::Ext(u64::from(size(1)?) + 1), 2),
        Marker::Ext16 => (Header::Ext(u64::from(size(2)?) + 1), 3),
        Marker::Ext32 => (Header::Ext(u64::from(size(4)?) + 1), 5),
        Marker::Reserved => return Err(HeaderError::Reserved),
    })
}

/// Steps over a value of any shape, header by header, in memory bounded by [`MAX_DEPTH`].
#[derive(Debug, Default)]
pub struct Skip {
    /// Values still to come on each level that is open.
    open: Vec<u64>,
}

impl Skip {
    /// A skip of one value.
    pub fn one() -> Self {
        Skip { open: vec![1] }
    }

    /// Whether the value has been stepped over.
    pub fn done(&self) -> bool {
        self.open.is_empty()
    }

    /// Takes the next header; the caller steps over its [`Header::body`].
    ///
    /// # Errors
    /// The depth, when it exceeds [`MAX_DEPTH`].
    pub fn take(&mut self, header: &Header) -> Result<(), usize> {
        if let Some(left) = self.open.last_mut() {
            *left -= 1;
        }
        if header.children() > 0 {
            self.open.push(header.children());
            if self.open.len() > MAX_DEPTH + 1 {
                return Err(self.open.len() - 1);
            }
        }
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
        Ok(())
    }
}

/// What is wrong with bytes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsgpackError {
    /// The byte, counted from the start of what was read.
    pub offset: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Reads values from a record that is whole in memory.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// An error at the cursor.
    pub fn error<T>(&self, reason: impl Into<String>) -> Result<T, MsgpackError> {
        Err(MsgpackError { offset: self.at, reason: reason.into() })
    }

    /// The next header, without moving.
    pub fn peek(&self) -> Result<Header, MsgpackError> {
        self.read_header().map(|(h, _)| h)
    }

    fn read_header(&self) -> Result<(Header, usize), MsgpackError> {
        match header(&self.bytes[self.at..]) {
            Ok(found) => Ok(found),
            Err(HeaderError::Short) => self.error("the record ends inside a value"),
            Err(HeaderError::Reserved) => self.error("byte 0xC1 is no MessagePack"),
        }
    }

    /// Reads a header and moves behind it.
    pub fn header(&mut self) -> Result<Header, MsgpackError> {
        let (header, width) = self.read_header()?;
        self.at += width;
        Ok(header)
    }

    /// Reads a map's header.
    pub fn map(&mut self, what: &str) -> Result<u32, MsgpackError> {
        match self.peek()? {
            Header::Map(n) => self.header().map(|_| n),
            other => self.error(format!("{what} is {} where a map is expected", other.name())),
        }
    }

    /// Reads an array's header.
    pub fn array(&mut self, what: &str) -> Result<u32, MsgpackError> {
        match self.peek()? {
            Header::Array(n) => self.header().map(|_| n),
            other => self.error(format!("{what} is {} where an array is expected", other.name())),
        }
    }

    /// Reads a string's bytes.
    pub fn text(&mut self, what: &str) -> Result<&'a [u8], MsgpackError> {
        match self.peek()? {
            Header::Str(n) => {
                let start = self.at;
                self.header()?;
                match self.bytes[self.at..].get(..n as usize) {
                    Some(text) => {
                        self.at += text.len();
                        Ok(text)
                    }
                    None => {
                        self.at = start;
                        self.error(format!("{what} claims {n} bytes and the record ends before"))
                    }
                }
            }
            other => self.error(format!("{what} is {} where a string is expected", other.name())),
        }
    }

    /// Moves over `nil`, if that comes next.
    pub fn nil(&mut self) -> Result<bool, MsgpackError> {
        let nil = self.peek()? == Header::Nil;
        if nil {
            self.at += 1;
        }
        Ok(nil)
    }

    /// Steps over one value.
    pub fn skip(&mut self) -> Result<(), MsgpackError> {
        let mut skip = Skip::one();
        while !skip.done() {
            let header = self.header()?;
            if let Err(depth) = skip.take(&header) {
                return self
                    .error(format!("values nest {depth} deep; {MAX_DEPTH} is the limit that decoders of the field share"));
            }
            let body = header.body();
            if body > (self.bytes.len() - self.at) as u64 {
                return self
                    .error(format!("a value claims {body} bytes and the record ends before"));
            }
            self.at += body as usize;
        }
        Ok(())
    }
}

/// Writes an array header in its shortest form.
pub fn put_array(out: &mut Vec<u8>, len: u32) {
    put(rmp::encode::write_array_len(out, len).map(|_| ()));
}

/// Writes a map header in its shortest form.
pub fn put_map(out: &mut Vec<u8>, len: u32) {
    put(rmp::encode::write_map_len(out, len).map(|_| ()));
}

/// Writes a string in its shortest form.
pub fn put_str(out: &mut Vec<u8>, text: &str) {
    put(rmp::encode::write_str(out, text));
}

fn put<E: std::fmt::Debug>(written: Result<(), E>) {
    written.expect("writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_stepped_over_whole() {
        // {"a": [1, nil, {"b": bin(3)}], "c": ext}
        let mut bytes = vec![
            0x82, 0xa1, b'a', 0x93, 0x01, 0xc0, 0x81, 0xa1, b'b', 0xc4, 3, 1, 2, 3, 0xa1, b'c',
            0xd4, 5, 9,
        ];
        let whole = bytes.len();
        bytes.push(0x07);
        let mut cursor = Cursor::new(&bytes);
        cursor.skip().unwrap();
        assert_eq!(cursor.position(), whole);
        for cut in 0..whole {
            assert!(Cursor::new(&bytes[..cut]).skip().is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let deep = |n: usize| {
            let mut bytes = vec![0x91; n];
            bytes.push(0xc0);
            bytes
        };
        assert!(Cursor::new(&deep(MAX_DEPTH)).skip().is_ok());
        let error = Cursor::new(&deep(MAX_DEPTH + 1)).skip().unwrap_err();
        assert!(error.reason.contains("deep"), "{}", error.reason);
        assert!(Cursor::new(&deep(100_000)).skip().is_err());
    }

    #[test]
    fn headers_are_written_shortest() {
        let mut out = Vec::new();
        put_array(&mut out, 15);
        put_array(&mut out, 16);
        put_map(&mut out, 5);
        put_str(&mut out, &"x".repeat(31));
        put_str(&mut out, &"x".repeat(32));
        assert_eq!(out[0], 0x9f);
        assert_eq!(out[1..4], [0xdc, 0, 16]);
        assert_eq!(out[4], 0x85);
        assert_eq!(out[5], 0xbf);
        assert_eq!(out[37..39], [0xd9, 32]);
    }

    #[test]
    fn the_reserved_byte_is_refused() {
        assert_eq!(header(&[0xc1]), Err(HeaderError::Reserved));
        assert_eq!(header(&[]), Err(HeaderError::Short));
        assert_eq!(header(&[0xdd, 0xff, 0xff, 0xff, 0xff]), Ok((Header::Array(u32::MAX), 5)));
    }
}
