//! Reads a MessagePack body in a file: from value to value, without reading what is skipped.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::ops::Range;

use packhouse_core::msgpack::{Header, HeaderError, MAX_HEADER, Skip, header};
use packhouse_model::error::Error;

use super::super::problem::{ApiResult, Problem};

/// A place in a body.
pub(super) struct BodyReader {
    file: BufReader<File>,
    at: u64,
    end: u64,
}

impl BodyReader {
    /// The start of a body of so many bytes.
    pub(super) fn new(file: File, bytes: u64) -> ApiResult<BodyReader> {
        let mut file = BufReader::with_capacity(64 << 10, file);
        file.seek(SeekFrom::Start(0)).map_err(unread)?;
        let reader = BodyReader { file, at: 0, end: bytes };
        if bytes == 0 { reader.bad("it is empty; expected a MessagePack map") } else { Ok(reader) }
    }

    /// Whether the body ends here.
    pub(super) fn at_end(&self) -> bool {
        self.at == self.end
    }

    /// A problem here.
    pub(super) fn bad<T>(&self, what: impl std::fmt::Display) -> ApiResult<T> {
        Err(Problem::malformed(format!("malformed body: {what}, at byte {}", self.at)))
    }

    pub(super) fn header(&mut self) -> ApiResult<Header> {
        let mut ahead = [0; MAX_HEADER];
        let mut have = 0;
        loop {
            match header(&ahead[..have]) {
                Ok((header, width)) => {
                    // Bytes read ahead belong to the next value.
                    self.seek(self.at + width as u64)?;
                    if header.body() > self.end - self.at {
                        return self.bad(format_args!(
                            "{} claims {} bytes, but the body ends before",
                            header.name(),
                            header.body()
                        ));
                    }
                    return Ok(header);
                }
                Err(HeaderError::Reserved) => {
                    return self.bad("byte 0xC1 is not valid MessagePack");
                }
                Err(HeaderError::Short) => match self.file.fill_buf().map_err(unread)?.first() {
                    Some(byte) if have < MAX_HEADER => {
                        ahead[have] = *byte;
                        have += 1;
                        self.file.consume(1);
                    }
                    _ => return self.bad("it ends inside a value"),
                },
            }
        }
    }

    pub(super) fn map(&mut self, what: &str) -> ApiResult<u32> {
        match self.header()? {
            Header::Map(n) => Ok(n),
            other => self.bad(format_args!("{what} is {}; expected a map", other.name())),
        }
    }

    /// The length of an array; nil is an empty one.
    pub(super) fn array(&mut self, what: &str) -> ApiResult<u32> {
        match self.header()? {
            Header::Array(n) => Ok(n),
            Header::Nil => Ok(0),
            other => self.bad(format_args!("{what} is {}; expected an array", other.name())),
        }
    }

    /// A short text.
    pub(super) fn text(&mut self, what: &str) -> ApiResult<String> {
        match self.header()? {
            Header::Str(n) if n <= 1024 => match String::from_utf8(self.take(n.into())?) {
                Ok(text) => Ok(text),
                Err(_) => self.bad(format_args!("{what} is not UTF-8")),
            },
            Header::Str(n) => self.bad(format_args!("{what} has {n} bytes; the limit is 1024")),
            other => self.bad(format_args!("{what} is {}; expected a string", other.name())),
        }
    }

    /// Skips a value, and returns its range.
    pub(super) fn skip(&mut self) -> ApiResult<Range<u64>> {
        let (start, mut skip) = (self.at, Skip::one());
        while !skip.done() {
            let header = self.header()?;
            if let Err(depth) = skip.take(&header) {
                return self.bad(format_args!("values are nested {depth} deep"));
            }
            self.seek(self.at + header.body())?;
        }
        Ok(start..self.at)
    }

    /// Skips an unknown value.
    pub(super) fn ignore(&mut self) -> ApiResult<()> {
        self.skip().map(|_| ())
    }

    /// The bytes of a range, from anywhere; the place does not move.
    pub(super) fn bytes(&mut self, range: &Range<u64>) -> ApiResult<Vec<u8>> {
        let back = self.at;
        self.seek(range.start)?;
        let bytes = self.take(range.end - range.start)?;
        self.seek(back)?;
        Ok(bytes)
    }

    /// The next byte, without moving.
    pub(super) fn peek(&mut self) -> ApiResult<Option<u8>> {
        Ok(self.file.fill_buf().map_err(unread)?.first().copied())
    }

    fn take(&mut self, bytes: u64) -> ApiResult<Vec<u8>> {
        use std::io::Read;
        let mut taken = Vec::new();
        (&mut self.file).take(bytes).read_to_end(&mut taken).map_err(unread)?;
        if (taken.len() as u64) < bytes {
            return self.bad("it ends inside a value");
        }
        self.at += bytes;
        Ok(taken)
    }

    fn seek(&mut self, to: u64) -> ApiResult<()> {
        // The buffer usually has it already.
        let here = self.file.stream_position().map_err(unread)?;
        self.file.seek_relative(to as i64 - here as i64).map_err(unread)?;
        self.at = to;
        Ok(())
    }
}

fn unread(source: std::io::Error) -> Problem {
    Error::io("reading", "an uploaded body")(source).into()
}
