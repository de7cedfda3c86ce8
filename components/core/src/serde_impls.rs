//! Values as text, for hosts that write them down: ids as clients write them, and everything else
//! by the names of the WIT.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{EntityId, Form};

impl Serialize for EntityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The digest of a free text: what `Display` makes of it.
        let (text, form) = match text.strip_prefix("text:") {
            Some(digest) => (digest, Some(Form::Text)),
            None => (text.as_str(), None),
        };
        let id = EntityId::parse(text.as_bytes()).map_err(D::Error::custom)?;
        Ok(form.map_or(id, |form| EntityId::new(form, *id.digest())))
    }
}

/// Parents as a list: an absent one is left out.
pub(crate) mod parents {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        parents: &[Option<EntityId>; 2],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(parents.iter().flatten())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[Option<EntityId>; 2], D::Error> {
        let list = Vec::<EntityId>::deserialize(deserializer)?;
        match list[..] {
            [] => Ok([None, None]),
            [one] => Ok([Some(one), None]),
            [one, other] => Ok([Some(one), Some(other)]),
            _ => Err(D::Error::custom(format!(
                "a commit has {} parents where two are the most",
                list.len()
            ))),
        }
    }
}
