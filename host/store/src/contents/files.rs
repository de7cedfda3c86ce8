//! Files of a commit: its snapshot, with the snapshots that it is a delta against.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use packhouse_core::record::Snapshot as SnapshotRecord;
use packhouse_core::{EntityId, Kind};
use packhouse_model::error::{Error, Result};
use packhouse_model::report::{CommittedFile, FilesPage, FilesQuery};

use super::Inside;
use crate::branch::named;

/// Paths, with the objects there; none for a path that was removed.
type Tree = BTreeMap<String, Option<EntityId>>;

impl Inside {
    pub(super) async fn files(&mut self, query: &FilesQuery) -> Result<FilesPage> {
        let commit = self.commit_of(&query.commit).await?;
        let edges = self.snapshot.history(&[commit], 1).await?;
        let snapshot = edges.first().and_then(|one| one.edges.snapshot);
        let (tree, missing) = self.tree(snapshot).await?;
        let path = query.path.as_deref().map(|path| path.trim_end_matches('/')).unwrap_or_default();
        let folder = format!("{path}/");
        let is_below = |file: &str| path.is_empty() || file == path || file.starts_with(&folder);
        let after = query.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut below = tree
            .range::<str, _>((after, Bound::Unbounded))
            .filter_map(|(file, object)| Some((file, (*object)?)))
            .filter(|(file, _)| is_below(file));
        let files: Vec<CommittedFile> = below
            .by_ref()
            .take(query.limit as usize)
            .map(|(file, object)| CommittedFile {
                repo: self.repo.name.clone(),
                commit: commit.to_string(),
                path: file.clone(),
                object: object.to_string(),
            })
            .collect();
        let more = below.next().is_some();
        if files.is_empty() && !path.is_empty() && query.after.is_none() && missing.is_none() {
            let repo = self.repo.name.clone();
            let path = path.to_owned();
            return Err(Error::UnknownPath { repo, commit: commit.to_string(), path });
        }
        let next = files.last().filter(|_| more).map(|last| last.path.clone());
        let missing_snapshot = missing.map(|id| id.to_string());
        Ok(FilesPage { files, next, missing_snapshot })
    }

    /// The head of a branch with this name, otherwise the commit with this ID.
    async fn commit_of(&mut self, text: &str) -> Result<EntityId> {
        let heads = self.snapshot.heads().await?;
        match named(&heads, text) {
            Some(head) => Ok(head.commit),
            None => Ok(self.only(text, &[Kind::Commit], "commit").await?.1),
        }
    }

    /// The files of a snapshot: what the newest of its chain says of a path decides. With it, a
    /// snapshot of the chain that the repo does not have.
    async fn tree(&mut self, snapshot: Option<EntityId>) -> Result<(Tree, Option<EntityId>)> {
        let mut tree = Tree::new();
        let mut next = snapshot;
        let mut seen = HashSet::new();
        while let Some(id) = next.filter(|id| seen.insert(*id)) {
            let Some(bytes) = self.read(Kind::Snapshot, &[id]).await?.pop().flatten() else {
                return Ok((tree, Some(id)));
            };
            let record = match SnapshotRecord::parse(&bytes) {
                Ok(record) => record,
                Err(error) => {
                    let found = self.locate_one(Kind::Snapshot, id).await?;
                    return Err(self.unreadable(&found, error.reason));
                }
            };
            // A path that is removed and listed at once is there.
            for (path, object) in record.entries {
                tree.entry(text(path)).or_insert(Some(object));
            }
            for path in record.removed {
                tree.entry(text(path)).or_insert(None);
            }
            next = record.parent;
        }
        Ok((tree, None))
    }
}

/// A path: records with another encoding than UTF-8 were refused.
fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
