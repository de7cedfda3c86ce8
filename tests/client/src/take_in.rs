//! Receiving a pack: afterwards all that it refers to is there, or nothing of it is taken.

use std::collections::BTreeSet;

use crate::error::{Error, Kind, Result};
use crate::id::Id;
use crate::local::Local;
use crate::pack::Pack;

/// The content of a pack, by id.
struct Brought<'a> {
    local: &'a Local,
    commits: BTreeSet<&'a Id>,
    snapshots: BTreeSet<&'a Id>,
    objects: BTreeSet<&'a Id>,
}

impl Local {
    /// Takes in all records of a pack, but moves no branch. What is here already stays as it is:
    /// two encodings of a record may differ.
    ///
    /// An error, and nothing taken in, where an object is not what its id says, or where a record
    /// refers to what is nowhere.
    pub fn take_in(&mut self, pack: Pack) -> Result<()> {
        pack.objects.iter().try_for_each(|object| object.check())?;
        Brought::new(self, &pack).check(&pack)?;
        for object in pack.objects {
            self.objects.entry(object.id).or_insert(object.content);
        }
        for snapshot in pack.snapshots {
            self.snapshots.entry(snapshot.id.clone()).or_insert(snapshot);
        }
        for commit in pack.commits {
            self.commits.entry(commit.id.clone()).or_insert(commit);
        }
        for tag in pack.tags {
            self.tags.entry(tag.id.clone()).or_insert(tag);
        }
        Ok(())
    }
}

impl<'a> Brought<'a> {
    fn new(local: &'a Local, pack: &'a Pack) -> Self {
        Brought {
            local,
            commits: pack.commits.iter().map(|commit| &commit.id).collect(),
            snapshots: pack.snapshots.iter().map(|snapshot| &snapshot.id).collect(),
            objects: pack.objects.iter().map(|object| &object.id).collect(),
        }
    }

    fn check(&self, pack: &Pack) -> Result<()> {
        for commit in &pack.commits {
            let needed_by = || format!("commit {}", commit.id);
            self.need(Kind::Snapshot, &commit.snapshot, needed_by)?;
            commit
                .parents
                .iter()
                .try_for_each(|parent| self.need(Kind::Commit, parent, needed_by))?;
        }
        for snapshot in &pack.snapshots {
            let needed_by = || format!("snapshot {}", snapshot.id);
            snapshot
                .parent()
                .map_or(Ok(()), |parent| self.need(Kind::Snapshot, parent, needed_by))?;
            snapshot
                .names()
                .values()
                .try_for_each(|object| self.need(Kind::Object, object, needed_by))?;
        }
        pack.tags.iter().try_for_each(|tag| {
            self.need(Kind::Commit, &tag.commit, || format!("tag {:?}", tag.name))
        })
    }

    fn need(&self, kind: Kind, id: &Id, needed_by: impl Fn() -> String) -> Result<()> {
        let there = match kind {
            Kind::Commit => self.commits.contains(id) || self.local.commits.contains_key(id),
            Kind::Snapshot => self.snapshots.contains(id) || self.local.snapshots.contains_key(id),
            Kind::Object => self.objects.contains(id) || self.local.objects.contains_key(id),
        };
        if there { Ok(()) } else { Err(Error::missing(kind, id, needed_by())) }
    }
}
