//! Reads the ids in a body, with limits on their number and their length.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};

use super::super::problem::{ApiResult, Problem};

/// Longest text that is taken for an id, in bytes. Ids have 64 or 71.
const LONGEST: usize = 128;

/// Texts that should be ids, in their order. Beyond `MOST` they are counted and not kept: a body of
/// 8 MiB may hold millions of empty ones.
#[derive(Debug, Default)]
pub(super) struct Ids<const MOST: usize> {
    kept: Vec<String>,
    given: usize,
}

impl<const MOST: usize> Ids<MOST> {
    /// All of them, if they are not too many. `what` is what the body calls them.
    pub(super) fn within(self, what: &str) -> ApiResult<Vec<String>> {
        let given = self.given;
        if given <= MOST {
            return Ok(self.kept);
        }
        Err(Problem::too_much(format!("{what}: {given} ids given; the limit is {MOST}")))
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Ids<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(All::<MOST>)
    }
}

struct All<const MOST: usize>;

impl<'de, const MOST: usize> Visitor<'de> for All<MOST> {
    type Value = Ids<MOST>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of ids")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Ids<MOST>, A::Error> {
        let mut ids = Ids::default();
        while ids.given < MOST {
            let Some(Text(id)) = all.next_element()? else { return Ok(ids) };
            ids.kept.push(id);
            ids.given += 1;
        }
        while all.next_element::<IgnoredAny>()?.is_some() {
            ids.given += 1;
        }
        Ok(ids)
    }
}

/// A text that is no longer than ids are.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Short;
        impl Visitor<'_> for Short {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                match text.len() {
                    0..=LONGEST => Ok(Text(text.to_owned())),
                    bytes => Err(E::custom(format_args!(
                        "an id has at most {LONGEST} bytes; this one has {bytes}"
                    ))),
                }
            }
        }
        deserializer.deserialize_str(Short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ids: &[&str]) -> Result<Ids<3>, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&rmp_serde::to_vec(ids).unwrap())
    }

    #[test]
    fn more_than_there_may_be_are_counted_and_not_kept() {
        assert_eq!(read(&["a", "b", "c"]).unwrap().within("have").unwrap(), ["a", "b", "c"]);
        let many = read(&[""; 1000]).unwrap();
        assert_eq!((many.kept.len(), many.given), (3, 1000));
        let problem = many.within("have").unwrap_err();
        assert!(problem.status.as_u16() == 413 && problem.detail.contains("1000"), "{problem:?}");
        let json: Ids<3> = serde_json::from_str(r#"["a", "b", "c", {"what": ["ever"]}]"#).unwrap();
        assert_eq!(json.within("have").unwrap_err().status.as_u16(), 413);
    }

    #[test]
    fn a_text_that_is_longer_than_an_id_is_not_kept() {
        assert!(read(&[&"x".repeat(128)]).is_ok());
        let error = read(&[&"x".repeat(129)]).unwrap_err().to_string();
        assert!(error.contains("129"), "{error}");
        assert!(
            serde_json::from_str::<Ids<3>>("[7]").is_err()
                && serde_json::from_str::<Ids<3>>("{}").is_err()
        );
    }
}
