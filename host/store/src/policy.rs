//! Policies: when repos are consolidated automatically.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{Pressure, RepoRow};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::{GcOptions, Operation};
use packhouse_model::report::{Policy, PolicyCheck, PolicyReport};

use super::Store;

/// Repos that one page of the catalog lists.
const PAGE: u32 = 1000;

impl Store {
    /// The policy of a repo: its own, that of all, or the default; or, of none, that of all.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        let id = self.policy_of(repo).await?;
        let policies: BTreeMap<i64, Policy> = self.catalog.policies().await?.into_iter().collect();
        let own = policies.get(&id);
        Ok(PolicyReport { repo: repo.cloned(), set: own.is_some(), policy: chosen(&policies, id) })
    }

    /// Sets the policy of a repo, or of all that have none of their own; with none, takes it back.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`]; [`Error::Usage`] for one that would never rest.
    pub async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        if let Some(policy) = &policy {
            check(policy)?;
            super::scrub::check_scrub_age(policy, repo.is_none())?;
        }
        let id = self.policy_of(repo).await?;
        self.catalog.set_policy(id, policy.as_ref()).await?;
        self.policy(repo).await
    }

    async fn policy_of(&self, repo: Option<&RepoName>) -> Result<i64> {
        Ok(self.number_of(repo).await?.unwrap_or(0))
    }

    /// Checks a repo, or all with more than one pack, against their policies. With `queue`, queues
    /// the consolidations that are due.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        let policies: BTreeMap<i64, Policy> = self.catalog.policies().await?.into_iter().collect();
        let rows = match repo {
            Some(repo) => vec![self.known_repo(repo).await?],
            None => self.all_rows().await?,
        };
        let only = repo.and(rows.first()).map(|row| row.id);
        let pressures: BTreeMap<i64, Pressure> = self
            .catalog
            .pressures(only)
            .await?
            .into_iter()
            .map(|pressure| (pressure.repo, pressure))
            .collect();
        let now = self.time().await?;
        let mut checks = Vec::new();
        for row in rows {
            let pressure = pressures.get(&row.id);
            if pressure.is_none() && repo.is_none() {
                continue;
            }
            let mut check = judge(&row, pressure, &chosen(&policies, row.id), now);
            if check.due && queue {
                check.job = Some(
                    self.queue(Some(&row.name), Operation::Gc(GcOptions::default())).await?.job,
                );
            }
            checks.push(check);
        }
        Ok(checks)
    }

    async fn all_rows(&self) -> Result<Vec<RepoRow>> {
        let mut rows: Vec<RepoRow> = Vec::new();
        loop {
            let page = self.catalog.repos(rows.last().map(|row| &row.name), PAGE).await?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }
}

/// The policy that counts for a repo.
fn chosen(policies: &BTreeMap<i64, Policy>, repo: i64) -> Policy {
    policies.get(&repo).or_else(|| policies.get(&0)).copied().unwrap_or_default()
}

fn check(policy: &Policy) -> Result<()> {
    if policy.max_packs == Some(0) {
        return Err(Error::Usage(
            "with max packs 0 a repo would always be due; the minimum is 1".into(),
        ));
    }
    match policy.growth {
        Some(growth) if !(growth.is_finite() && growth > 0.0) => Err(Error::Usage(format!(
            "the growth {growth} is not a number above 0; 1 means: as many bytes pushed as consolidated"
        ))),
        _ => Ok(()),
    }
}

/// Whether a repo is due, and why.
fn judge(
    row: &RepoRow,
    pressure: Option<&Pressure>,
    policy: &Policy,
    now: Timestamp,
) -> PolicyCheck {
    let (packs, bytes) = (row.sums.packs, row.sums.bytes);
    let consolidated_bytes = pressure.map_or(0, |pressure| pressure.consolidated_bytes);
    let oldest_unconsolidated = pressure.and_then(|pressure| pressure.oldest_unconsolidated);
    let mut reasons = Vec::new();
    if packs > 1 {
        if let Some(max) = policy.max_packs.filter(|max| packs > *max) {
            reasons.push(format!("it has {packs} packs, more than {max}"));
        }
        let pushed = bytes.saturating_sub(consolidated_bytes);
        // Before the first consolidation there is nothing to grow from: the number of packs speaks.
        if let Some(growth) = policy.growth.filter(|growth| {
            consolidated_bytes > 0 && pushed as f64 > growth * consolidated_bytes as f64
        }) {
            reasons.push(format!(
                "{pushed} bytes were pushed since {consolidated_bytes} bytes were consolidated: more than {growth} times as many"
            ));
        }
        let age = |max: u64| {
            oldest_unconsolidated.is_some_and(|oldest| {
                now.duration_since(oldest) > SignedDuration::from_secs(max as i64)
            })
        };
        if let (Some(max), Some(oldest)) =
            (policy.max_age_seconds.filter(|max| age(*max)), oldest_unconsolidated)
        {
            reasons.push(format!(
                "its oldest unconsolidated pack is from {oldest}: more than {max} seconds ago"
            ));
        }
    }
    PolicyCheck {
        repo: row.name.clone(),
        packs,
        bytes,
        consolidated_bytes,
        oldest_unconsolidated,
        due: !reasons.is_empty(),
        reasons,
        job: None,
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::Counts;

    use super::*;
    use packhouse_catalog::Sums;
    use packhouse_model::names::{RepoId, Visibility};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn reasons(packs: u64, bytes: u64, consolidated_bytes: u64, policy: Policy) -> usize {
        let sums = Sums {
            packs,
            mapped: Counts::default(),
            bytes,
            needed_bytes: None,
            stored_bytes: bytes,
        };
        let row = RepoRow {
            id: 1,
            repo_id: RepoId("r".into()),
            name: "a/b".parse().unwrap(),
            visibility: Visibility::Public,
            default_branch: None,
            created_at: at("2026-01-01T00:00:00Z"),
            revision: 0,
            drops: 0,
            freshenings: 0,
            sums,
        };
        let pressure = Pressure {
            repo: 1,
            consolidated_bytes,
            oldest_unconsolidated: Some(at("2026-01-01T00:00:00Z")),
        };
        let check = judge(&row, Some(&pressure), &policy, at("2026-01-02T00:00:00Z"));
        assert_eq!(check.due, !check.reasons.is_empty());
        check.reasons.len()
    }

    #[test]
    fn each_part_of_a_policy_speaks_for_itself() {
        let packs = Policy { max_packs: Some(5), ..Policy::OFF };
        assert_eq!([reasons(5, 10, 0, packs), reasons(6, 10, 0, packs)], [0, 1]);
        let growth = Policy { growth: Some(0.5), ..Policy::OFF };
        assert_eq!([reasons(2, 150, 100, growth), reasons(2, 151, 100, growth)], [0, 1]);
        let age = |seconds| Policy { max_age_seconds: Some(seconds), ..Policy::OFF };
        assert_eq!([reasons(2, 1, 0, age(86_400)), reasons(2, 1, 0, age(86_399))], [0, 1]);
        assert_eq!(reasons(1, 1, 0, age(1)), 0, "one pack is never due");
        assert_eq!(reasons(1000, 1 << 40, 1, Policy::OFF), 0);
        assert_eq!(reasons(51, 300, 100, Policy::default()), 2);
    }

    #[test]
    fn a_policy_that_would_never_rest_is_refused() {
        assert!(check(&Policy { max_packs: Some(0), ..Policy::OFF }).is_err());
        for growth in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(check(&Policy { growth: Some(growth), ..Policy::OFF }).is_err(), "{growth}");
        }
        assert!(check(&Policy::default()).is_ok() && check(&Policy::OFF).is_ok());
    }
}
