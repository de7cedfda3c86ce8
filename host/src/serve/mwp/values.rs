//! How many values a JSON text has, before any of them takes memory: written as short as they can
//! be, they take thirty times their text.

use std::fmt::{Formatter, Result as WrittenPack};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Reads a text whole, and fails if it is no JSON or has more than `most` values. Names of fields
/// count as values.
pub(super) fn at_most(most: usize, text: &str) -> serde_json::Result<()> {
    let mut left = most;
    let mut from = serde_json::Deserializer::from_str(text);
    Counting { most, left: &mut left }.deserialize(&mut from)?;
    from.end()
}

struct Counting<'a> {
    most: usize,
    left: &'a mut usize,
}

impl Counting<'_> {
    fn again(&mut self) -> Counting<'_> {
        Counting { most: self.most, left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Counting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self.left.checked_sub(1) {
            Some(left) => *self.left = left,
            None => return Err(D::Error::custom(format!("it has more than {} values", self.most))),
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Counting<'_> {
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
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key_seed(self.again())?.is_some() {
            fields.next_value_seed(self.again())?;
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
            at_most(values, text).unwrap();
            let refused = at_most(values - 1, text).unwrap_err();
            assert!(
                refused.to_string().contains(&format!("more than {} values", values - 1)),
                "{text}: {refused}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_refused_whatever_it_counts() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in ["", "1 2", "[1e999]", "{\"a\"}", "[1,]", &deep] {
            assert!(at_most(1000, bad).is_err(), "{bad}");
        }
    }
}
