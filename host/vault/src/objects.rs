//! How objects are named, in a folder and in a bucket alike.

use std::fmt;

use packhouse_model::names::{MpackKey, RepoId};
use ring::digest::{SHA256, digest};

/// An object in a pack store. [`ToString`] gives its path there, with `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectName {
    /// A pack: `packs/ab/abcd….mpack`.
    Pack(MpackKey),
    /// Its directory: `packs/ab/abcd….dir`.
    Directory(MpackKey),
    /// An assembled answer to a fetch of a repo: `answers/REPO/abcd….mpack`.
    Answer(RepoId, MpackKey),
    /// The note of a catalog that has packs here, by the hash of what it says: `catalogs/abcd…`.
    Note(String),
    /// Which vault it is, in hexadecimal digits: `storage-id`.
    Identity,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beside = |f: &mut fmt::Formatter<'_>, key: &MpackKey, ending: &str| {
            let hex = key.hex();
            write!(f, "packs/{}/{hex}.{ending}", &hex[..2])
        };
        match self {
            ObjectName::Pack(key) => beside(f, key, "mpack"),
            ObjectName::Directory(key) => beside(f, key, "dir"),
            ObjectName::Answer(repo, key) => write!(f, "answers/{repo}/{}.mpack", key.hex()),
            ObjectName::Note(hash) => write!(f, "catalogs/{hash}"),
            ObjectName::Identity => f.write_str("storage-id"),
        }
    }
}

impl ObjectName {
    /// The note that says where a catalog is.
    pub fn note(place: &str) -> ObjectName {
        ObjectName::Note(hex::encode(&digest(&SHA256, place.as_bytes()).as_ref()[..8]))
    }

    /// The note of a name in `catalogs`; none for other names: those are not ours.
    pub fn note_of(name: &str) -> Option<ObjectName> {
        is_hex(name, 16).then(|| ObjectName::Note(name.to_owned()))
    }
}

/// The identity in the object of that name; none if its content is not ours.
pub(crate) fn identity_of(text: &[u8]) -> Option<[u8; 32]> {
    let mut identity = [0; 32];
    hex::decode_to_slice(text.trim_ascii(), &mut identity).ok().map(|()| identity)
}

/// The key of the pack of a name in one of the folders of `packs`; none for directories, and for
/// other names: those are not ours.
pub fn pack_of(folder: &str, name: &str) -> Option<MpackKey> {
    let hex = name.strip_suffix(".mpack")?;
    let key = format!("sha256:{hex}").parse().ok()?;
    (is_pack_folder(folder) && hex.starts_with(folder)).then_some(key)
}

/// Whether it is a name of a folder in `packs`: the first two digits of keys.
pub(crate) fn is_pack_folder(name: &str) -> bool {
    is_hex(name, 2)
}

/// Whether a name is so many hexadecimal digits, as packhouse writes them.
pub(crate) fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
