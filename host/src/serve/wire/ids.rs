//! Lists of ids in bodies: kept up to a bound, counted beyond it, so that no body makes more memory of itself than an honest one.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::problem::{Answer, Problem};

/// A list of ids, of which at most `MOST` are kept.
#[derive(Debug, Default)]
pub(super) struct Ids<const MOST: usize> {
    kept: Vec<String>,
    given: usize,
}

impl<const MOST: usize> Ids<MOST> {
    /// The ids; 413 when more were given than are kept. `what` is the list's name.
    pub(super) fn within(self, what: &str) -> Answer<Vec<String>> {
        match self.given {
            given if given <= MOST => Ok(self.kept),
            given => Err(Problem::too_much(format!("{what}: {given} ids are given, and {MOST} are the limit"))),
        }
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Ids<MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counted<const MOST: usize>;
        impl<'de, const MOST: usize> Visitor<'de> for Counted<MOST> {
            type Value = Ids<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of ids")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut ids = Ids::default();
                while ids.kept.len() < MOST
                    && let Some(id) = list.next_element()?
                {
                    ids.kept.push(id);
                }
                ids.given = ids.kept.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    ids.given += 1;
                }
                Ok(ids)
            }
        }
        deserializer.deserialize_seq(Counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_counted_and_not_kept() {
        let read = |count: usize| {
            let body = rmp_serde::to_vec_named(&vec!["id"; count]).unwrap();
            rmp_serde::from_slice::<Ids<3>>(&body).unwrap()
        };
        assert_eq!(read(0).within("want").unwrap().len(), 0);
        assert_eq!(read(3).within("want").unwrap().len(), 3);
        let ids = read(5);
        assert_eq!((ids.kept.len(), ids.given), (3, 5));
        let refused = ids.within("want").unwrap_err();
        assert_eq!(refused.status.as_u16(), 413);
        assert_eq!(refused.detail, "want: 5 ids are given, and 3 are the limit");
    }
}
