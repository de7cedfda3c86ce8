//! What Muse clients need besides push and fetch: branch heads, missing objects, common commits;
//! and the preconditions of their pushes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::os::unix::fs::FileExt;

use packhouse_catalog::{EntityKey, Snapshot, entity_key};
use packhouse_core::record::{Commit, Snapshot as Tree};
use packhouse_core::{BranchConflict, EntityId, Head, Kind, Row};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility, unusable};
use packhouse_model::text::escaped;

use super::push::{PushPreconditions, StagedPack};
use super::reach::nearest;
use super::repo::named;
use super::{Store, TRIES, blocking};

/// Missing ids that an error names.
const MAX_NAMED: usize = 10;

/// A repo's heads, but for those that a client can't keep: it makes files of their names.
pub(super) async fn handed_out(snapshot: &mut dyn Snapshot) -> Result<Vec<Head>> {
    let heads = snapshot.heads().await?;
    let row = snapshot.repo();
    let left_out =
        unusable(heads.iter().map(|head| head.branch.as_str()), row.default_branch.as_deref());
    for (branch, fault) in &left_out {
        tracing::warn!(
            "repo {}: branch `{}` is hidden from clients: {fault}",
            row.name,
            escaped(branch)
        );
    }
    let left_out: BTreeSet<String> = left_out.into_keys().map(str::to_owned).collect();
    Ok(heads.into_iter().filter(|head| !left_out.contains(&head.branch)).collect())
}

/// A repo's branch heads.
#[derive(Clone, Debug)]
pub struct Refs {
    /// Its public id.
    pub repo_id: RepoId,
    /// The branch that a clone checks out.
    pub default_branch: String,
    /// Commit ids by branch.
    pub branch_heads: BTreeMap<String, String>,
}

impl Store {
    /// Which repo has a name, and who may read it; none where there is no such repo.
    pub async fn named(&self, repo: &RepoName) -> Result<Option<(RepoId, Visibility)>> {
        Ok(self.catalog.repo(repo).await?.map(|row| (row.repo_id, row.visibility)))
    }

    /// Branch heads.
    pub async fn refs(&self, repo: &RepoName) -> Result<Refs> {
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let heads = handed_out(snapshot.as_mut()).await?;
        let row = snapshot.repo();
        let stands = |branch: &&str| heads.iter().any(|head| head.branch == **branch);
        // Of an empty repo, the one that is the default by then.
        let default =
            row.default_branch.as_deref().filter(|branch| heads.is_empty() || stands(branch));
        let other =
            ["main"].into_iter().find(stands).or(heads.first().map(|head| head.branch.as_str()));
        let default_branch = default.or(other).unwrap_or("main").to_owned();
        Ok(Refs { repo_id: row.repo_id.clone(), default_branch, branch_heads: named(&heads) })
    }

    /// Those of some objects that a repo does not hold, or holds in packs that are known to be
    /// damaged only: sent again, they heal. A text that is no id is held nowhere. When the client
    /// may push, it won't send the others: they are recent from now on.
    pub async fn missing_objects(
        &self,
        repo: &RepoName,
        objects: Vec<String>,
        may_push: bool,
    ) -> Result<Vec<String>> {
        let known = self.known(repo, Kind::Object, &objects, may_push).await?;
        Ok(objects.into_iter().zip(known).filter(|(_, known)| !known).map(|(id, _)| id).collect())
    }

    /// Those commits of `have` that a repo knows; and of them the one that `want` leads to in the
    /// fewest steps, if there is one.
    pub async fn common(
        &self,
        repo: &RepoName,
        want: &[String],
        have: Vec<String>,
        may_push: bool,
    ) -> Result<(Vec<String>, Option<String>)> {
        let known = self.known(repo, Kind::Commit, &have, may_push).await?;
        let ack: Vec<String> =
            have.into_iter().zip(known).filter(|(_, known)| *known).map(|(id, _)| id).collect();
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let ids = |texts: &[String]| -> Vec<EntityId> {
            texts.iter().filter_map(|id| EntityId::parse(id.as_bytes()).ok()).collect()
        };
        let targets: HashSet<EntityId> = ids(&ack).into_iter().collect();
        let base = nearest(snapshot.as_mut(), &ids(want), &targets).await?;
        Ok((ack, base.map(|id| id.to_string())))
    }

    /// Which ids a repo has. For a client that may push they are marked as recent first: it will
    /// rely on them. A client that only reads changes nothing.
    async fn known(
        &self,
        repo: &RepoName,
        kind: Kind,
        ids: &[String],
        may_push: bool,
    ) -> Result<Vec<bool>> {
        let parsed: Vec<Option<EntityId>> =
            ids.iter().map(|id| EntityId::parse(id.as_bytes()).ok()).collect();
        let keys: Vec<EntityKey> =
            parsed.iter().flatten().map(|id| entity_key(kind, *id)).collect();
        for _ in 0..TRIES {
            let row = self.known_repo(repo).await?;
            let mut snapshot = self.catalog.snapshot(row.id).await?;
            let looked_up = snapshot.repo().clone();
            let mut found = snapshot.lookup(&keys).await?;
            let damaged: BTreeSet<MpackKey> = snapshot
                .damage()
                .await?
                .into_iter()
                .filter_map(|damage| damage.mpack_key)
                .collect();
            if kind == Kind::Object && !damaged.is_empty() {
                let shelves: BTreeSet<ShelfId> =
                    found.iter().flatten().map(|(shelf, _)| *shelf).collect();
                let packs = snapshot.packs_on(&shelves.into_iter().collect::<Vec<_>>()).await?;
                let is_damaged = |shelf: &ShelfId| {
                    packs.get(shelf).is_none_or(|pack| damaged.contains(&pack.key))
                };
                found
                    .iter_mut()
                    .for_each(|place| *place = place.filter(|(shelf, _)| !is_damaged(shelf)));
            }
            drop(snapshot);
            let reported: BTreeSet<EntityKey> = keys
                .iter()
                .zip(&found)
                .filter(|(_, found)| found.is_some())
                .map(|(key, _)| *key)
                .collect();
            let reported: Vec<EntityKey> = reported.into_iter().collect();
            if !may_push
                || reported.is_empty()
                || self.catalog.freshen(&looked_up, &reported, self.time().await?).await?
            {
                let mut found = found.into_iter();
                return Ok(parsed
                    .iter()
                    .map(|id| id.is_some() && found.next().flatten().is_some())
                    .collect());
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "its entities were looked up" })
    }

    /// Fails when the branch, or any record of the push, would reach what is neither in the push
    /// nor in the repo. What the repo has was checked when it was pushed.
    pub(super) async fn is_whole(
        &self,
        snapshot: &mut dyn Snapshot,
        received: &[StagedPack],
        preconditions: &PushPreconditions,
    ) -> Result<()> {
        let mut open = BTreeMap::new();
        let mut start =
            vec![(Kind::Commit, preconditions.head, format!("branch {}", preconditions.branch))];
        for one in received {
            // All records of the push, also those beside the head: they are known from now on, and
            // not checked again.
            let brought = one
                .written
                .scanned
                .rows
                .iter()
                .filter(|row| matches!(row.kind, Kind::Commit | Kind::Snapshot));
            start.extend(brought.map(|row| (row.kind, row.id, "the push".to_owned())));
            let file = one.bytes.try_clone().map_err(Error::io("opening", &one.file))?;
            let (rows, path) = (one.written.scanned.rows.clone(), one.file.clone());
            let from = std::mem::take(&mut start);
            let ends = blocking(move || {
                let read = |row: &Row| {
                    let mut bytes = vec![0; row.length as usize];
                    file.read_exact_at(&mut bytes, row.offset).map(|()| bytes)
                };
                reached_outside(&rows, from, read).map_err(Error::io("reading", &path))
            })
            .await?;
            open.extend(ends);
        }
        let keys: Vec<_> = open.keys().map(|(kind, id)| entity_key(*kind, *id)).collect();
        let known = snapshot.lookup(&keys).await?;
        let missing: Vec<String> = open
            .iter()
            .zip(known)
            .filter(|(_, known)| known.is_none())
            .map(|(((kind, id), by), _)| format!("{kind} {id} (wanted by {by})"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let repo = snapshot.repo().name.clone();
        let left_out = missing.len().saturating_sub(MAX_NAMED);
        Err(Error::Incomplete {
            repo,
            branch: preconditions.branch.clone(),
            packhouse: "packhouse".to_owned(),
            missing: missing.into_iter().take(MAX_NAMED).collect(),
            left_out,
        })
    }
}

impl PushPreconditions {
    /// Whether the branch is at its new head, or at a commit that descends from it.
    pub(super) fn check(&self, heads: &[Head]) -> Result<()> {
        let stands = heads.iter().find(|head| head.branch == self.branch).map(|head| head.commit);
        if stands == Some(self.head) {
            return Ok(());
        }
        let (branch, given) = (self.branch.clone(), vec![self.head]);
        Err(Error::HeadConflict(vec![BranchConflict { branch, given, stored: stands }]))
    }
}

/// What some records reach through those of a pack and that is not in it, each with what reaches
/// it.
fn reached_outside(
    rows: &[Row],
    from: Vec<(Kind, EntityId, String)>,
    read: impl Fn(&Row) -> std::io::Result<Vec<u8>>,
) -> std::io::Result<BTreeMap<(Kind, EntityId), String>> {
    let held: HashMap<(Kind, EntityId), &Row> =
        rows.iter().map(|row| ((row.kind, row.id), row)).collect();
    let mut next: VecDeque<(Kind, EntityId, String)> = from.into();
    let (mut seen, mut open) = (BTreeSet::new(), BTreeMap::new());
    while let Some((kind, id, by)) = next.pop_front() {
        if !seen.insert((kind, id)) {
            continue;
        }
        let Some(row) = held.get(&(kind, id)) else {
            open.insert((kind, id), by);
            continue;
        };
        let by = format!("{kind} {id}");
        // What can't be read was refused when it was read back.
        match kind {
            Kind::Commit => {
                let Ok(commit) = Commit::parse(&read(row)?) else { continue };
                next.extend(
                    commit.parents.into_iter().flatten().map(|id| (Kind::Commit, id, by.clone())),
                );
                next.extend(commit.snapshot.map(|id| (Kind::Snapshot, id, by)));
            }
            Kind::Snapshot => {
                let bytes = read(row)?;
                let Ok(tree) = Tree::parse(&bytes) else { continue };
                next.extend(tree.parent.map(|id| (Kind::Snapshot, id, by.clone())));
                next.extend(tree.entries.iter().map(|(_, id)| (Kind::Object, *id, by.clone())));
            }
            Kind::Object | Kind::Tag => {}
        }
    }
    Ok(open)
}
