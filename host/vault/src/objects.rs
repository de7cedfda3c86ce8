//! How objects are named, in a folder and in a bucket alike.

use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path as Key;
use packhouse_model::names::{MpackKey, RepoId};
use packhouse_vault::ListedPack;
use ring::digest::{SHA256, digest};

/// A pack (`mpack`) or its directory (`dir`).
pub(super) fn pack_key(key: &MpackKey, ending: &str) -> Key {
    let hex = key.hex();
    Key::from_iter(["packs", &hex[..2], &format!("{hex}.{ending}")])
}

/// An assembled answer.
pub(super) fn answer_key(repo: &RepoId, key: &MpackKey) -> Key {
    Key::from_iter(["answers", &repo.0, &format!("{}.mpack", key.hex())])
}

/// The name of the object that says which vault it is, in hexadecimal digits.
pub(super) const IDENTITY: &str = "storage-id";

/// The identity in that object; none if its content is not ours.
pub(super) fn identity_of(text: &[u8]) -> Option<[u8; 32]> {
    let mut identity = [0; 32];
    hex::decode_to_slice(text.trim_ascii(), &mut identity).ok().map(|()| identity)
}

/// The note that says where a catalog is.
pub(super) fn note_key(place: &str) -> Key {
    Key::from_iter(["catalogs", &hex::encode(&digest(&SHA256, place.as_bytes()).as_ref()[..8])])
}

/// An object under `packs/` as a pack; none for directories, and for other names: those are not
/// ours.
pub(super) fn listed(object: &ObjectMeta) -> Option<ListedPack> {
    let folder = object.location.parts().rev().nth(1)?;
    let key = pack_of(folder.as_ref(), object.location.filename()?)?;
    let modified = Timestamp::from_millisecond(object.last_modified.timestamp_millis())
        .unwrap_or(Timestamp::MAX);
    Some(ListedPack { key, bytes: object.size, modified })
}

/// The key of the pack of a name in one of the folders of `packs`.
pub(super) fn pack_of(folder: &str, name: &str) -> Option<MpackKey> {
    let hex = name.strip_suffix(".mpack")?;
    let key = format!("sha256:{hex}").parse().ok()?;
    (is_pack_folder(folder) && hex.starts_with(folder)).then_some(key)
}

/// Whether it is a name of a folder in `packs`: the first two digits of keys.
pub(super) fn is_pack_folder(name: &str) -> bool {
    is_hex(name, 2)
}

/// Whether it is a name of a note of a catalog.
pub(super) fn is_note(name: &str) -> bool {
    is_hex(name, 16)
}

/// Whether a name is so many hexadecimal digits, as packhouse writes them.
pub(super) fn is_hex(name: &str, digits: usize) -> bool {
    name.len() == digits && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
