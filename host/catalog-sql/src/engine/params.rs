//! Parameters of statements.

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Int(i64),
    MaybeInt(Option<i64>),
    Text(&'a str),
    MaybeText(Option<&'a str>),
    Bytes(&'a [u8]),
}

/// Parameters, from values that can become one.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::engine::Arg::from($value)),*] };
}
pub(crate) use args;

/// Width of a number in [`numbers`].
const DIGITS: usize = 20;

/// Numbers as one parameter that statements unpack (`number!` of each engine): twenty digits each.
/// They are bytes, because a database finds the characters of a text by reading it from its
/// beginning: each number of a text would cost as much as all numbers before it.
pub(crate) fn numbers(all: impl IntoIterator<Item = i64>) -> Vec<u8> {
    use std::io::Write as _;
    let all = all.into_iter();
    let mut digits = Vec::with_capacity(DIGITS * all.size_hint().0);
    for number in all {
        // Writing to memory does not fail.
        let _ = write!(digits, "{number:0DIGITS$}");
    }
    digits
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {
        $(impl<'a> From<$from> for Arg<'a> {
            fn from(value: $from) -> Self {
                Arg::$variant(value)
            }
        })*
    };
}
from!(i64 => Int, Option<i64> => MaybeInt, &'a str => Text, Option<&'a str> => MaybeText, &'a [u8] => Bytes);

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Arg::Text(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Arg<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Arg::Bytes(value)
    }
}

impl From<u64> for Arg<'_> {
    /// Sizes and counts are far below `i64::MAX`.
    fn from(value: u64) -> Self {
        Arg::Int(value as i64)
    }
}

impl From<u32> for Arg<'_> {
    fn from(value: u32) -> Self {
        Arg::Int(value.into())
    }
}

impl From<usize> for Arg<'_> {
    fn from(value: usize) -> Self {
        Arg::Int(value as i64)
    }
}
