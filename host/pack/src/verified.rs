//! Checks the bytes of records while they pass, in memory that does not grow with them.
//!
//! What a record must be is known from its row: the content of an object hashes to its ID, another
//! record to its fingerprint. So the bytes before the end of a record can be passed on before it is
//! checked; its end only if it is right.

mod object;

use packhouse_core::{EntityId, Kind, Row};
use ring::digest::{Context, SHA256, digest};

use self::object::{StandardObject, UnusualObject};
use crate::frame::FramePart;
use crate::scan::{BadPack, leading};

/// What the next bytes must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// So many bytes that are known to be right.
    Trusted(u64),
    /// A part of a pack's frame.
    Frame(FramePart),
    /// A record.
    Record(Row),
}

impl Expected {
    /// How many bytes there are.
    pub const fn length(&self) -> u64 {
        match self {
            Expected::Trusted(length) => *length,
            Expected::Frame(part) => part.length,
            Expected::Record(row) => row.length,
        }
    }

    /// Where it is in its pack; 0 for trusted bytes, which are in none.
    pub const fn offset(&self) -> u64 {
        match self {
            Expected::Trusted(_) => 0,
            Expected::Frame(part) => part.offset,
            Expected::Record(row) => row.offset,
        }
    }

    fn bad(&self, reason: String) -> BadPack {
        let record = match self {
            Expected::Record(row) => Some(name(row.kind, row.id)),
            Expected::Trusted(_) | Expected::Frame(_) => None,
        };
        BadPack { offset: self.offset(), record, reason }
    }
}

fn name(kind: Kind, id: EntityId) -> String {
    format!("{kind} {id}")
}

/// Bytes that are not what they must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bad}")]
pub struct WrongRecord {
    /// How many of the bytes that were pushed last lie before it, and are right.
    pub before: usize,
    /// What the bytes must be.
    pub expected: Expected,
    /// What is wrong, and where in its pack.
    pub bad: BadPack,
}

/// Checks bytes that are pushed in order.
#[derive(Debug, Default)]
pub struct Verifier {
    /// The record whose end has not been pushed yet.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    expected: Expected,
    left: u64,
    check: Check,
}

enum Check {
    Trusted,
    /// The first half of the SHA-256 of all bytes.
    Sum(Context),
    Standard(StandardObject),
    Unusual(Box<UnusualObject>),
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Check")
    }
}

impl Verifier {
    /// Checks the next bytes. Those of one record may come in several pushes. `expected` gives what
    /// begins in these bytes, in order.
    ///
    /// If this succeeds, all bytes can be passed on: every record that ends in them is right.
    ///
    /// # Errors
    /// The first record that is wrong. Nothing may be pushed after that.
    pub fn push(
        &mut self,
        bytes: &[u8],
        expected: &mut impl Iterator<Item = Expected>,
    ) -> Result<(), WrongRecord> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = bytes.len() - rest.len();
            let mut open =
                match self.open.take() {
                    Some(open) => open,
                    None => match expected.next() {
                        Some(expected)
                            if check_at_once(&expected, rest).map_err(|reason| {
                                WrongRecord { before, expected, bad: expected.bad(reason) }
                            })? =>
                        {
                            rest = &rest[expected.length() as usize..];
                            continue;
                        }
                        Some(expected) => Open::new(expected),
                        None => {
                            let expected = Expected::Trusted(0);
                            let bad = expected.bad(format!("{} bytes are left over", rest.len()));
                            return Err(WrongRecord { before, expected, bad });
                        }
                    },
                };
            let n = rest.len().min(usize::try_from(open.left).unwrap_or(usize::MAX));
            let (pushed, after) = rest.split_at(n);
            let expected = open.expected;
            let wrong = |reason| WrongRecord { before, expected, bad: expected.bad(reason) };
            open.push(pushed).map_err(wrong)?;
            rest = after;
            if open.left > 0 {
                self.open = Some(open);
            } else {
                open.finish().map_err(wrong)?;
            }
        }
        Ok(())
    }
}

/// Checks a record that is whole at the start of `bytes`; whether it is. Most records are small.
fn check_at_once(expected: &Expected, bytes: &[u8]) -> Result<bool, String> {
    let Some(bytes) = usize::try_from(expected.length()).ok().and_then(|n| bytes.get(..n)) else {
        return Ok(false);
    };
    match expected {
        Expected::Trusted(_) => Ok(true),
        Expected::Frame(part) => {
            same_sum(&part.fingerprint, digest(&SHA256, bytes).as_ref()).map(|()| true)
        }
        Expected::Record(row) if row.kind != Kind::Object => {
            same_sum(&row.fingerprint, digest(&SHA256, bytes).as_ref()).map(|()| true)
        }
        Expected::Record(row) => match StandardObject::of(row) {
            Some(object) => object.check(bytes).map(|()| true),
            None => Ok(false),
        },
    }
}

impl Open {
    fn new(expected: Expected) -> Open {
        let check = match &expected {
            Expected::Trusted(_) => Check::Trusted,
            Expected::Record(row) if row.kind == Kind::Object => match StandardObject::of(row) {
                Some(object) => Check::Standard(object),
                None => Check::Unusual(Box::new(UnusualObject::new(row))),
            },
            Expected::Frame(_) | Expected::Record(_) => Check::Sum(Context::new(&SHA256)),
        };
        Open { left: expected.length(), expected, check }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.left -= bytes.len() as u64;
        match &mut self.check {
            Check::Trusted => Ok(()),
            Check::Sum(sum) => {
                sum.update(bytes);
                Ok(())
            }
            Check::Standard(object) => object.push(bytes),
            Check::Unusual(object) => object.push(bytes),
        }
    }

    fn finish(self) -> Result<(), String> {
        match (self.check, &self.expected) {
            (Check::Trusted, _) | (Check::Sum(_), Expected::Trusted(_)) => Ok(()),
            (Check::Sum(sum), Expected::Frame(part)) => {
                same_sum(&part.fingerprint, sum.finish().as_ref())
            }
            (Check::Sum(sum), Expected::Record(row)) => {
                same_sum(&row.fingerprint, sum.finish().as_ref())
            }
            (Check::Standard(object), _) => object.finish(),
            (Check::Unusual(object), _) => object.finish(),
        }
    }
}

fn same_sum(expected: &[u8; 16], sum: &[u8]) -> Result<(), String> {
    if leading(sum) == *expected {
        return Ok(());
    }
    let (expected, found) = (hex::encode(expected), hex::encode(leading(sum)));
    Err(format!("hash mismatch: its SHA-256 begins with {found}, not with {expected}"))
}

#[cfg(test)]
mod tests;
