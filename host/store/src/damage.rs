//! Damage: its record.
//!
//! If a verb finds a missing or damaged pack, the catalog records it, with the time and the verb.
//! It is shown until the pack is found intact: by a verification, by a prune that reads it, or by
//! storing the same bytes again. A damaged local copy of a pack is not damage.

use packhouse_catalog::{DamageFindings, PackRow};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::Damage;

use super::Store;

/// Number of packs that are checked in parallel.
pub(super) const CONCURRENT_CHECKS: usize = 16;

impl Store {
    /// Passes on the result of a verb, and records damage that it has found.
    pub(super) async fn remembering<T>(
        &self,
        repo: i64,
        found_by: &str,
        done: Result<T>,
    ) -> Result<T> {
        let Err(error) = &done else { return done };
        let damage = |mpack_key, detail| Damage {
            mpack_key,
            since: self.now(),
            found_by: found_by.to_owned(),
            detail,
        };
        let found = match error {
            Error::Damage(DamageError::MissingPack { key, place, .. }) => {
                damage(Some(*key), format!("{place} is missing"))
            }
            Error::Damage(DamageError::DamagedPack { key, detail, .. }) => {
                damage(Some(*key), detail.clone())
            }
            Error::Damage(DamageError::Lost { kind, id, wanted_by, .. }) => {
                damage(None, format!("{kind} {id} is lost (wanted by {wanted_by})"))
            }
            _ => return done,
        };
        let mut findings = DamageFindings::at(found.since);
        match found.mpack_key {
            Some(_) => findings.damaged.push(found),
            None => findings.repo = Some((repo, Some(found))),
        }
        self.note_found(&findings).await;
        done
    }

    /// Records the findings of reading packs, if the catalog can be written: nothing depends on it.
    pub(super) async fn note_found(&self, findings: &DamageFindings) {
        let DamageFindings { sound, damaged, repo, .. } = findings;
        if sound.is_empty() && damaged.is_empty() && repo.is_none() {
            return;
        }
        if let Err(error) = self.catalog.note_findings(findings).await {
            tracing::warn!("damage could not be recorded: {error}");
        }
    }

    /// What is wrong with a stored pack, as far as this is visible without reading it; none if it
    /// exists, and has the right size.
    pub(super) async fn looks_wrong(&self, pack: &PackRow) -> Result<Option<String>> {
        let place = self.vault.place_of(&pack.key);
        Ok(match self.vault.size_of(&pack.key).await? {
            Some(bytes) if bytes == pack.bytes => None,
            Some(bytes) => Some(format!("{place} has {bytes} bytes; {} were stored", pack.bytes)),
            None => Some(format!("{place} is missing")),
        })
    }

    /// Fails for a pack that is missing, has the wrong size, or has known damage.
    pub(super) async fn must_be_there(
        &self,
        repo: &RepoName,
        pack: &PackRow,
        known: &[Damage],
    ) -> Result<()> {
        let key = &pack.key;
        match self.vault.size_of(key).await? {
            None => return Err(self.missing(repo, key)),
            Some(bytes) if bytes != pack.bytes => {
                let detail = format!("it has {bytes} bytes; {} were stored", pack.bytes);
                return Err(self.damaged(repo, key, detail));
            }
            Some(_) => {}
        }
        match known.iter().find(|damage| damage.mpack_key == Some(*key)) {
            None => Ok(()),
            Some(Damage { since, found_by, detail, .. }) => Err(self.damaged(
                repo,
                key,
                format!("{detail} (found by {found_by} at {since}; not verified since)"),
            )),
        }
    }
}
