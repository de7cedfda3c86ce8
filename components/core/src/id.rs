//! Names of entities: the kinds, and ids as the Muse client writes them.

use std::fmt;

/// What a record of a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[repr(u8)]
pub enum Kind {
    /// A point in history: parents, and the snapshot it stands for.
    Commit = 0,
    /// The tree of a commit, whole or against another snapshot.
    Snapshot = 1,
    /// Content, named by its SHA-256.
    Object = 2,
    /// A name for a commit.
    Tag = 3,
}

impl Kind {
    /// All kinds, in the order in which a pack lists them.
    pub const ALL: [Kind; 4] = [Kind::Commit, Kind::Snapshot, Kind::Object, Kind::Tag];

    /// The kind that a directory row's byte stands for.
    pub const fn from_byte(byte: u8) -> Option<Kind> {
        match byte {
            0 => Some(Kind::Commit),
            1 => Some(Kind::Snapshot),
            2 => Some(Kind::Object),
            3 => Some(Kind::Tag),
            _ => None,
        }
    }

    /// The field of a record of this kind that holds its id.
    pub const fn id_field(self) -> &'static str {
        match self {
            Kind::Commit => "commit_id",
            Kind::Snapshot => "snapshot_id",
            Kind::Object => "object_id",
            Kind::Tag => "tag_id",
        }
    }

    /// The name of the array of a pack that holds records of this kind.
    pub const fn section(self) -> &'static str {
        match self {
            Kind::Commit => "commits",
            Kind::Snapshot => "snapshots",
            Kind::Object => "objects",
            Kind::Tag => "tags",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Commit => "commit",
            Kind::Snapshot => "snapshot",
            Kind::Object => "object",
            Kind::Tag => "tag",
        })
    }
}

/// How an id is written. Two forms of one digest are two ids.
///
/// The order of the variants is the byte order of the strings: a digit or a letter up to `f` comes
/// before the `s` of `sha256:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Form {
    /// 64 hexadecimal digits.
    Bare = 0,
    /// `sha256:` and 64 hexadecimal digits.
    Prefixed = 1,
    /// Free text, known by the SHA-256 of its bytes. Tags only.
    Text = 2,
}

impl Form {
    /// All forms, in their order.
    pub const ALL: [Form; 3] = [Form::Bare, Form::Prefixed, Form::Text];
}

/// The id of an entity, in fixed width: how it is written, and the digest it stands for.
///
/// Orders like the strings it stands for, except for [`Form::Text`], which orders by digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId {
    form: Form,
    digest: [u8; 32],
}

/// Why a string is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not 64 digits after the optional prefix.
    #[error(
        "it has {0} characters where 64 hexadecimal digits, with or without `sha256:`, are expected"
    )]
    Length(usize),
    /// A digit in upper case.
    #[error("it has upper-case digits; ids are lower-case hexadecimal")]
    UpperCase,
    /// Some other character.
    #[error("it has characters that are not hexadecimal digits")]
    NotHex,
}

const PREFIX: &[u8] = b"sha256:";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Value of a lower-case hexadecimal digit, or 255.
const NIBBLE: [u8; 256] = {
    let mut table = [255u8; 256];
    let mut i = 0;
    while i < 16 {
        table[DIGITS[i] as usize] = i as u8;
        i += 1;
    }
    table
};

impl EntityId {
    /// Width of [`EntityId::to_bytes`].
    pub const BYTES: usize = 33;

    /// An id from its parts.
    pub const fn new(form: Form, digest: [u8; 32]) -> Self {
        EntityId { form, digest }
    }

    /// Reads an id as a client wrote it.
    ///
    /// # Errors
    /// [`IdError`] when it is neither of the two hexadecimal forms.
    pub fn parse(text: &[u8]) -> Result<Self, IdError> {
        let (form, hex) = match text.strip_prefix(PREFIX) {
            Some(hex) => (Form::Prefixed, hex),
            None => (Form::Bare, text),
        };
        if hex.len() != 64 {
            return Err(IdError::Length(text.len()));
        }
        let mut digest = [0u8; 32];
        let mut bad = 0u8;
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (NIBBLE[pair[0] as usize], NIBBLE[pair[1] as usize]);
            bad |= high | low;
            *byte = (high << 4) | (low & 15);
        }
        if bad > 15 {
            let upper = hex.iter().all(u8::is_ascii_hexdigit);
            return Err(if upper { IdError::UpperCase } else { IdError::NotHex });
        }
        Ok(EntityId { form, digest })
    }

    /// How the id is written.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The digest that the id stands for.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The form's byte, then the digest.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.form as u8;
        bytes[1..].copy_from_slice(&self.digest);
        bytes
    }

    /// The inverse of [`EntityId::to_bytes`]; `None` for bytes that it never makes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&form, digest) = bytes.split_first()?;
        let form = match form {
            0 => Form::Bare,
            1 => Form::Prefixed,
            2 => Form::Text,
            _ => return None,
        };
        Some(EntityId { form, digest: digest.try_into().ok()? })
    }
}

impl fmt::Display for EntityId {
    /// The id as the client wrote it. Free text is not kept here: its digest stands for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.digest) {
            pair[0] = DIGITS[(byte >> 4) as usize];
            pair[1] = DIGITS[(byte & 15) as usize];
        }
        f.write_str(match self.form {
            Form::Bare => "",
            Form::Prefixed => "sha256:",
            Form::Text => "text:",
        })?;
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8a97be52d487cbc4c31a0c9c4137a0d1dde97f419ac2a710bca709afd51c60cc";

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        for text in [HEX.to_string(), format!("sha256:{HEX}")] {
            let id = EntityId::parse(text.as_bytes()).unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(EntityId::from_bytes(&id.to_bytes()), Some(id));
        }
    }

    #[test]
    fn ids_order_like_their_strings() {
        let mut texts =
            vec![HEX.to_string(), format!("sha256:{HEX}"), "f".repeat(64), "0".repeat(64)];
        texts.push(format!("sha256:{}", "0".repeat(64)));
        let mut ids: Vec<EntityId> =
            texts.iter().map(|t| EntityId::parse(t.as_bytes()).unwrap()).collect();
        texts.sort();
        ids.sort();
        assert_eq!(ids.iter().map(EntityId::to_string).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn what_is_not_an_id_says_why() {
        assert_eq!(EntityId::parse(b"abc"), Err(IdError::Length(3)));
        assert_eq!(EntityId::parse(HEX.to_uppercase().as_bytes()), Err(IdError::UpperCase));
        assert_eq!(EntityId::parse("g".repeat(64).as_bytes()), Err(IdError::NotHex));
        assert_eq!(EntityId::parse(b""), Err(IdError::Length(0)));
    }
}
