//! A pack: one MessagePack map with records of every kind.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::{Error, Result};
use crate::id::Id;
use crate::record::{Commit, Object, Snapshot, Tag};
use crate::wire::{Out, items, map_len, names_of, text_of, value};

/// Records that travel together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pack {
    /// Newest first, where this client wrote them.
    pub commits: Vec<Commit>,
    /// Whole trees and deltas.
    pub snapshots: Vec<Snapshot>,
    /// By id, where this client wrote them.
    pub objects: Vec<Object>,
    /// Names for commits.
    pub tags: Vec<Tag>,
    /// Branch to commit.
    pub branch_heads: BTreeMap<String, Id>,
}

impl Pack {
    /// Reads a pack. Objects are not checked against their ids: that is done where they are taken
    /// in.
    pub fn decode(bytes: &Bytes) -> Result<Self> {
        const WHAT: &str = "pack";
        if bytes.starts_with(b"MUSE") {
            return Err(Error::malformed(WHAT, "framed, a variant whose layout is not public"));
        }
        let (mut rest, mut pack) = (&bytes[..], Pack::default());
        for _ in 0..map_len(&mut rest, WHAT)? {
            let key = value(&mut rest, WHAT)?;
            match text_of(&key) {
                Some("commits") => pack.commits = each(bytes, &mut rest, "commits", Commit::read)?,
                Some("snapshots") => {
                    pack.snapshots = each(bytes, &mut rest, "snapshots", Snapshot::read)?
                }
                Some("objects") => pack.objects = each(bytes, &mut rest, "objects", Object::read)?,
                Some("tags") => pack.tags = each(bytes, &mut rest, "tags", Tag::read)?,
                Some("branch_heads") => {
                    let heads = value(&mut rest, "branch_heads")?;
                    pack.branch_heads = names_of(&heads)
                        .ok_or_else(|| Error::malformed("branch_heads", "no map of text"))?;
                }
                Some(other) => {
                    return Err(Error::malformed(
                        WHAT,
                        format!("a key that the format does not have: {other:?}"),
                    ));
                }
                None => return Err(Error::malformed(WHAT, "a key that is no text")),
            }
        }
        if rest.is_empty() {
            Ok(pack)
        } else {
            Err(Error::malformed(WHAT, format!("{} bytes follow it", rest.len())))
        }
    }

    /// Writes it, records verbatim. `tags` and `branch_heads` are left out when empty.
    pub fn encode(&self) -> Bytes {
        let mut out = Out::default();
        out.map(
            3 + usize::from(!self.tags.is_empty()) + usize::from(!self.branch_heads.is_empty()),
        );
        out.text("commits").array(self.commits.len());
        self.commits.iter().for_each(|commit| _ = out.verbatim(&commit.record));
        out.text("snapshots").array(self.snapshots.len());
        self.snapshots.iter().for_each(|snapshot| _ = out.verbatim(&snapshot.record));
        out.text("objects").array(self.objects.len());
        for object in &self.objects {
            out.map(2)
                .text("object_id")
                .text(object.id.as_str())
                .text("content")
                .bytes(&object.content);
        }
        if !self.tags.is_empty() {
            out.text("tags").array(self.tags.len());
            self.tags.iter().for_each(|tag| _ = out.verbatim(&tag.record));
        }
        if !self.branch_heads.is_empty() {
            out.text("branch_heads").names(&self.branch_heads);
        }
        out.take()
    }
}

fn each<T>(
    whole: &Bytes,
    rest: &mut &[u8],
    what: &str,
    read: fn(Bytes) -> Result<T>,
) -> Result<Vec<T>> {
    items(whole, rest, what)?.into_iter().map(read).collect()
}
