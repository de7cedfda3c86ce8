//! Diagnosis: whether the component or a stored pack is to blame for a run or a proof that failed.

use packhouse_catalog::entity_key;
use packhouse_core::{EntityId, Kind, PlanError, Span};
use packhouse_model::error::{DamageError, Error, PushError, Result};
use packhouse_model::names::RepoName;
use packhouse_run::{RunError, RunPack};

use super::prove::ProofError;
use super::receive::StagedPack;
use super::{Store, blocking};

impl Store {
    /// The error for a proof that failed. A source is blamed only when its bytes are not what its
    /// key names: else it was the component that put a record where it does not belong.
    pub(super) async fn unproven(
        &self,
        repo: &RepoName,
        packs: &[RunPack],
        failed: ProofError,
    ) -> Error {
        let reason = match failed {
            ProofError::Component(reason) => reason,
            ProofError::Unchecked(error) => return error,
            ProofError::Source { pack, detail } => {
                match self.blame(repo, packs, pack, detail).await {
                    Ok(detail) => detail,
                    Err(damage) => return damage,
                }
            }
        };
        Error::Unproven { digest: self.planner.digest().to_owned(), repo: repo.clone(), reason }
    }

    /// The error for a plan that does not copy what the index maps. Of two encodings of a record the
    /// component chooses by their bytes: if these are damaged, so is its choice. So all packs are
    /// hashed before it is blamed.
    pub(super) async fn misplanned(
        &self,
        repo: &RepoName,
        packs: &[RunPack],
        failed: ProofError,
    ) -> Error {
        if let ProofError::Component(reason) = &failed {
            for pack in 0..packs.len() as u32 {
                if let Err(damage) = self.blame(repo, packs, pack, reason.clone()).await {
                    return damage;
                }
            }
        }
        self.unproven(repo, packs, failed).await
    }

    /// The error for a pack that is damaged, or the detail back for one that is intact.
    async fn blame(
        &self,
        repo: &RepoName,
        packs: &[RunPack],
        pack: u32,
        detail: String,
    ) -> Result<String> {
        let Some(pack) = packs.get(pack as usize) else { return Ok(detail) };
        let key = pack.directory.key;
        let stored = self.open_cached(repo, &key).await?;
        if blocking(move || super::load::hash(&stored)).await? == key {
            return Ok(detail);
        }
        Err(self.damaged(repo, &key, detail))
    }

    /// Whether an entity is one that the index knows and no pack of a run gives.
    async fn is_lost(
        &self,
        repo: &RepoName,
        packs: &[RunPack],
        kind: Kind,
        id: EntityId,
    ) -> Result<bool> {
        let row = self.known_repo(repo).await?;
        let known = self.catalog.snapshot(row.id).await?.lookup(&[entity_key(kind, id)]).await?;
        let given = || {
            packs
                .iter()
                .flat_map(|pack| pack.directory.rows())
                .any(|row| (row.kind, row.id) == (kind, id))
        };
        Ok(known.iter().any(Option::is_some) && !given())
    }

    /// A fault that a component found in stored records is damage if the pack is damaged: they were
    /// intact when they were pushed.
    pub(super) async fn run_error(
        &self,
        repo: &RepoName,
        packs: &[RunPack],
        error: RunError,
    ) -> Error {
        match error {
            RunError::Host(error) => error,
            RunError::NoPlan(PlanError::Malformed { kind, id, at, offset, reason }) => {
                let detail = format!("{kind} {id}: {reason}, at byte {offset}");
                self.unproven(repo, packs, ProofError::Source { pack: at.pack, detail }).await
            }
            RunError::NoPlan(PlanError::Lost { kind, id, wanted_by }) => {
                match self.is_lost(repo, packs, kind, id).await {
                    Ok(true) => {
                        Error::Damage(DamageError::Lost { repo: repo.clone(), kind, id, wanted_by })
                    }
                    Ok(false) => {
                        let reason = format!("it reports that {kind} {id} is lost, but it is not");
                        self.unproven(repo, packs, ProofError::Component(reason)).await
                    }
                    Err(error) => error,
                }
            }
            RunError::NoPlan(PlanError::UnknownWant(ids)) => Error::UnknownWant {
                repo: repo.clone(),
                ids: ids.iter().map(ToString::to_string).collect(),
            },
            RunError::NoPlan(PlanError::HeadConflict(conflicts)) => {
                Error::Push(PushError::HeadConflict(conflicts))
            }
            RunError::NoPlan(error) => Error::Component {
                digest: self.planner.digest().to_owned(),
                doing: "planning",
                reason: error.to_string(),
            },
        }
    }

    /// A fault that a component found in a push, as an error about the files: the first packs of
    /// the run are these.
    pub(super) async fn push_error(
        &self,
        repo: &RepoName,
        files: &[&StagedPack],
        packs: &[RunPack],
        error: RunError,
    ) -> Error {
        let place = |pack: u32| match (files.get(pack as usize), packs.get(pack as usize)) {
            (Some(one), _) => one.file.display().to_string(),
            (None, Some(pack)) => format!("pack {}", pack.directory.key),
            (None, None) => String::new(),
        };
        let malformed = match &error {
            RunError::NoPlan(PlanError::Malformed { at, .. }) => files.get(at.pack as usize),
            _ => None,
        };
        match (error, malformed) {
            (
                RunError::NoPlan(PlanError::Malformed { kind, id, offset, reason, .. }),
                Some(one),
            ) => {
                let (file, record) = (one.file.clone(), Some(format!("{kind} {id}")));
                Error::Push(PushError::BadPack { file, offset, record, reason })
            }
            (RunError::NoPlan(PlanError::Conflicting { kind, id, first, second, detail }), _) => {
                let at = |span: Span| format!("{} (byte {})", place(span.pack), span.offset);
                // A tag's text is in the detail: here there is only its digest.
                let entity =
                    if kind == Kind::Tag { "a tag".into() } else { format!("{kind} {id}") };
                Error::Push(PushError::Disagreement {
                    entity,
                    first: at(first),
                    second: at(second),
                    detail,
                })
            }
            (other, _) => self.run_error(repo, packs, other).await,
        }
    }
}
