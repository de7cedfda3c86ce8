//! How objects are named, in a folder and in a bucket alike.

use jiff::Timestamp;
use object_store::ObjectMeta;
use object_store::path::Path as Key;
use ring::digest::{SHA256, digest};

use super::ListedPack;
use crate::names::{MpackKey, RepoId};

/// A pack (`mpack`) or its directory (`dir`).
pub(super) fn pack_key(key: &MpackKey, ending: &str) -> Key {
    let hex = key.hex();
    Key::from_iter(["packs", &hex[..2], &format!("{hex}.{ending}")])
}

/// An assembled answer.
pub(super) fn answer_key(repo: &RepoId, key: &MpackKey) -> Key {
    Key::from_iter(["answers", &repo.0, &format!("{}.mpack", key.hex())])
}

/// The note that says where a catalog is.
pub(super) fn note_key(place: &str) -> Key {
    Key::from_iter(["catalogs", &hex::encode(&digest(&SHA256, place.as_bytes()).as_ref()[..8])])
}

/// An object under `packs/` as a pack; none for directories, and for what has another name: that is not ours.
pub(super) fn listed(object: &ObjectMeta) -> Option<ListedPack> {
    let hex = object.location.filename()?.strip_suffix(".mpack")?;
    let folder = object.location.parts().rev().nth(1)?;
    let key: MpackKey = format!("sha256:{hex}").parse().ok()?;
    let modified = Timestamp::from_millisecond(object.last_modified.timestamp_millis()).unwrap_or(Timestamp::MAX);
    hex.starts_with(folder.as_ref()).then_some(ListedPack { key, bytes: object.size, modified })
}
