//! What Muse clients need besides push and fetch: branch heads, missing objects, common commits.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use packhouse_catalog::{EntityKey, RepoRow, entity_key};
use packhouse_core::{EntityId, Head, Kind};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility, unusable};
use packhouse_model::text::escaped;

use super::reach::nearest;
use super::repo::named;
use super::{Store, TRIES};

/// All heads of a repo, without those that a client can't store, because it stores branches as
/// files.
pub(super) fn handed_out(row: &RepoRow, heads: Vec<Head>) -> Vec<Head> {
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
    heads.into_iter().filter(|head| !left_out.contains(&head.branch)).collect()
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
    /// The repo with a name, and who may read it; none if there is no such repo.
    pub async fn named(&self, repo: &RepoName) -> Result<Option<(RepoId, Visibility)>> {
        Ok(self.catalog.repo(repo).await?.map(|row| (row.repo_id, row.visibility)))
    }

    /// Branch heads.
    pub async fn refs(&self, repo: &RepoName) -> Result<Refs> {
        let row = self.known_repo(repo).await?;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let heads = snapshot.heads().await?;
        let heads = handed_out(snapshot.repo(), heads);
        let row = snapshot.repo();
        let stands = |branch: &&str| heads.iter().any(|head| head.branch == **branch);
        // For an empty repo, the branch that will be the default.
        let default =
            row.default_branch.as_deref().filter(|branch| heads.is_empty() || stands(branch));
        let other =
            ["main"].into_iter().find(stands).or(heads.first().map(|head| head.branch.as_str()));
        let default_branch = default.or(other).unwrap_or("main").to_owned();
        Ok(Refs { repo_id: row.repo_id.clone(), default_branch, branch_heads: named(&heads) })
    }

    /// Those of some objects that a repo does not have, or has only in packs with known damage:
    /// pushing them again repairs the damage. A text that is not an id counts as missing. A client
    /// with push access won't send the others: they are recent from now on.
    pub async fn missing_objects(
        &self,
        repo: &RepoName,
        objects: Vec<String>,
        may_push: bool,
    ) -> Result<Vec<String>> {
        let known = self.known(repo, Kind::Object, &objects, may_push).await?;
        Ok(objects.into_iter().zip(known).filter(|(_, known)| !known).map(|(id, _)| id).collect())
    }

    /// Those of `have` that are commits of a repo; and the one among them that is the fewest steps
    /// away from `want`, if there is one.
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
}
