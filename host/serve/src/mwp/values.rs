//! Checks a JSON text before it is parsed or stored: its number of values, and whether MessagePack
//! can represent it.
//!
//! Parsed values can take thirty times the memory of their text. And lists of releases are returned
//! as MessagePack, too: duplicate fields, and numbers of more than 64 bits, could not be returned
//! as they were sent.

use std::collections::HashSet;
use std::fmt::{Formatter, Result as WrittenPack, Write};

use packhouse_model::text::escaped;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Parses a whole text, and returns an error if it is not JSON, has more than `most` values, or
/// can't be represented in MessagePack. Names of fields count as values.
pub(super) fn check(most: usize, text: &str) -> Result<(), String> {
    let mut reading =
        Reading { most, left: most, numbers: 0, too_long: too_long(text), place: Vec::new() };
    let mut from = serde_json::Deserializer::from_str(text);
    let read = Value(&mut reading).deserialize(&mut from).and_then(|()| from.end());
    read.map_err(|error| {
        let error = error.to_string();
        // The parser does not say which.
        let hint = match error.contains("hex escape") {
            true => " (an escape that is cut off, or half of a surrogate pair)",
            false => "",
        };
        match reading.place.is_empty() {
            true => format!("{error}{hint}"),
            false => format!("`{}`: {error}{hint}", reading.at()),
        }
    })
}

/// The first number of a text that is an integer beyond 64 bits, counted from 0.
///
/// The parser does not report it: it turns it into a float.
fn too_long(text: &str) -> Option<usize> {
    let (mut numbers, mut bytes) = (0, text.bytes().enumerate().peekable());
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let part = |b: u8| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let mut end = start + 1;
                while bytes.next_if(|(_, byte)| part(*byte)).is_some() {
                    end += 1;
                }
                let number = &text[start..end];
                let whole = number.bytes().all(|b| b == b'-' || b.is_ascii_digit());
                if whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(numbers);
                }
                numbers += 1;
            }
            _ => {}
        }
    }
    None
}

/// The progress of the parser.
struct Reading {
    most: usize,
    left: usize,
    /// Numbers so far.
    numbers: usize,
    /// The one that is too long.
    too_long: Option<usize>,
    /// The current path. After an error it stays there.
    place: Vec<Step>,
}

enum Step {
    Field(String),
    Item(usize),
}

impl Reading {
    fn value<E: Error>(&mut self) -> Result<(), E> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Err(E::custom(format!("it has more than {} values", self.most))),
        }
        Ok(())
    }

    fn number<E: Error>(&mut self) -> Result<(), E> {
        if self.too_long == Some(self.numbers) {
            return Err(E::custom("an integer has at most 64 bits; send a larger one as a string"));
        }
        self.numbers += 1;
        Ok(())
    }

    fn at(&self) -> String {
        let mut at = String::new();
        for step in &self.place {
            let _ = match step {
                Step::Field(name) if at.is_empty() => write!(at, "{}", escaped(name)),
                Step::Field(name) => write!(at, ".{}", escaped(name)),
                Step::Item(number) => write!(at, "[{number}]"),
            };
        }
        at
    }
}

struct Value<'a>(&'a mut Reading);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        self.0.value()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> WrittenPack {
        f.write_str("any JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.0.number()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.0.number()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.number()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for number in 0.. {
            self.0.place.push(Step::Item(number));
            if list.next_element_seed(Value(self.0))?.is_none() {
                self.0.place.pop();
                break;
            }
            self.0.place.pop();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let mut met = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            self.0.value()?;
            self.0.place.push(Step::Field(name.clone()));
            if !met.insert(name) {
                return Err(A::Error::custom("duplicate field"));
            }
            fields.next_value_seed(Value(self.0))?;
            self.0.place.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_and_every_name_counts_however_deep_it_lies() {
        for (text, values) in [
            ("null", 1),
            ("[]", 1),
            ("[1, -1, 1.5, true, \"a\", null]", 7),
            (r#"{"a": {"b": [1, 2]}, "c": 0}"#, 9),
        ] {
            check(values, text).unwrap();
            let refused = check(values - 1, text).unwrap_err();
            assert!(
                refused.contains(&format!("more than {} values", values - 1)),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_refused_whatever_it_counts() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in ["", "1 2", "[1e999]", "{\"a\"}", "[1,]", &deep] {
            assert!(check(1000, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_would_not_come_back_as_it_was_sent_is_refused_by_its_place() {
        for good in [
            "18446744073709551615",
            "-9223372036854775808",
            "[1e30, 123456789012345678901.5, \"123456789012345678901\"]",
            r#"{"a": {"x": 1}, "b": {"x": 1}, "\"-99999999999999999999": "\\"}"#,
            r#""\ud83d\ude00""#,
        ] {
            check(1000, good).unwrap();
        }
        for (bad, place, word) in [
            (r#"{"a": 1, "n": 18446744073709551616}"#, "`n`", "64 bits"),
            (r#"{"s": "1, 2", "a": [1.5, {"b": -9223372036854775809}]}"#, "`a[1].b`", "64 bits"),
            (r#"{"a": {"b": 1, "b": 2}}"#, "`a.b`", "duplicate field"),
            (r#"{"a": 1, "\u0061": 1}"#, "`a`", "duplicate field"),
            (r#"{"a": ["\ud800"]}"#, "`a[0]`", "surrogate"),
            (r#"{"a": {"\udc00": 1}}"#, "`a`", "surrogate"),
        ] {
            let refused = check(1000, bad).unwrap_err();
            assert!(refused.contains(place) && refused.contains(word), "{bad}: {refused}");
        }
    }
}
