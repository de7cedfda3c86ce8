//! Policies: when repos are consolidated automatically.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{Pressure, RepoRow, Shelf};
use packhouse_model::error::{Error, JobError, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::{GcOptions, Operation};
use packhouse_model::report::{JudgedPacks, Policy, PolicyCheck, PolicyReport};

use super::Store;
use super::gc::left_by_geometric;

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
        let checked = self.check_repos(repo, queue).await?;
        Ok(checked.into_iter().map(|checked| checked.check).collect())
    }

    /// The same, with the times when they become due.
    pub(super) async fn check_repos(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<CheckedRepo>> {
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
            let policy = chosen(&policies, row.id);
            let mut check = judge(&row, pressure, &policy, now);
            check.own_policy = policies.contains_key(&row.id);
            if check.due {
                let shelves = match self.catalog.snapshot(row.id).await {
                    Err(Error::DeletedMeanwhile) => continue,
                    snapshot => snapshot?.shelves().await?,
                };
                check.gc = Some(consolidation(&shelves, &policy, now));
            }
            if queue {
                check.job = self.queue_due(&check).await?;
            }
            let due_at = match check.due {
                true => Some(now),
                false => due_at(&check, &policy),
            };
            checks.push(CheckedRepo { check, due_at });
        }
        Ok(checks)
    }

    /// Queues the consolidation that a check found due, if any. Returns its job; if another
    /// consolidation of the repo waits, that one.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn queue_due(&self, check: &PolicyCheck) -> Result<Option<i64>> {
        let Some(options) = check.gc else { return Ok(None) };
        match self.queue(Some(&check.repo), Operation::Gc(options)).await {
            Ok(queued) => Ok(Some(queued.job)),
            // The repo is checked again when that one has ended.
            Err(Error::Job(JobError::AlreadyQueued(job))) => Ok(Some(job)),
            Err(error) => Err(error),
        }
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

/// A repo that was checked.
pub(super) struct CheckedRepo {
    pub(super) check: PolicyCheck,
    /// When it is due, as long as nothing is published to it.
    pub(super) due_at: Option<Timestamp>,
}

/// When a repo becomes due by its age.
fn due_at(check: &PolicyCheck, policy: &Policy) -> Option<Timestamp> {
    let oldest = check.oldest_unconsolidated.filter(|_| check.packs > 1)?;
    oldest.checked_add(SignedDuration::from_secs(policy.max_age_seconds? as i64)).ok()
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
    let packs = JudgedPacks {
        count: row.sums.packs,
        bytes: row.sums.bytes,
        consolidated_bytes: pressure.map_or(0, |pressure| pressure.consolidated_bytes),
        oldest_unconsolidated: pressure.and_then(|pressure| pressure.oldest_unconsolidated),
    };
    let reasons = packs.reasons(policy, now);
    PolicyCheck {
        repo: row.name.clone(),
        packs: packs.count,
        bytes: packs.bytes,
        consolidated_bytes: packs.consolidated_bytes,
        oldest_unconsolidated: packs.oldest_unconsolidated,
        policy: *policy,
        own_policy: false,
        due: !reasons.is_empty(),
        reasons,
        gc: None,
        job: None,
    }
}

/// The share of the bytes of packs that is garbage, above which a due repo is consolidated fully:
/// records that the index maps to other packs.
const MAX_GARBAGE: f64 = 0.5;

/// The consolidation of a repo that is due: a geometric one, if after that the repo is not due any
/// more, and not more than half of its packs is garbage.
fn consolidation(shelves: &[Shelf], policy: &Policy, now: Timestamp) -> GcOptions {
    let Some(left) = left_by_geometric(shelves, GcOptions::FACTOR) else { return GcOptions::FULL };
    // The new pack has what the index maps to the packs that it replaces.
    let is_left = |shelf: &&Shelf| left.iter().any(|pack| pack.id == shelf.pack.id);
    let needed: u64 = shelves.iter().map(Shelf::needed_bytes).sum();
    let needed_of_left: u64 = shelves.iter().filter(is_left).map(Shelf::needed_bytes).sum();
    let new = needed - needed_of_left;
    let bytes = new + left.iter().map(|pack| pack.bytes).sum::<u64>();
    let pushed = left.iter().filter(|pack| !pack.consolidated);
    let after = JudgedPacks {
        count: left.len() as u64 + 1,
        bytes,
        consolidated_bytes: bytes - pushed.clone().map(|pack| pack.bytes).sum::<u64>(),
        oldest_unconsolidated: pushed.map(|pack| pack.stored_at).min(),
    };
    let garbage = bytes.saturating_sub(needed) as f64;
    match after.reasons(policy, now).is_empty() && garbage <= MAX_GARBAGE * bytes as f64 {
        true => GcOptions::GEOMETRIC,
        false => GcOptions::FULL,
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::Counts;

    use super::*;
    use packhouse_catalog::{PackRow, Sums};
    use packhouse_model::names::{MpackKey, RepoId, ShelfId, Visibility};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn reasons(packs: u64, bytes: u64, consolidated_bytes: u64, policy: Policy) -> usize {
        reasons_of(packs, bytes, consolidated_bytes, policy).len()
    }

    fn reasons_of(packs: u64, bytes: u64, consolidated_bytes: u64, policy: Policy) -> Vec<String> {
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
            accepts_shallow: false,
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
        check.reasons
    }

    #[test]
    fn a_reason_has_the_time_as_it_is_set() {
        let age = Policy { max_age_seconds: Some(12 * 3600), ..Policy::OFF };
        let reasons = reasons_of(2, 1, 0, age).join("; ");
        assert!(reasons.ends_with("2026-01-01T00:00:00Z: more than 12h ago"), "{reasons}");
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

    /// Shelves of packs of these sizes, each with as many needed bytes, and whether a consolidation
    /// created them.
    fn shelves(packs: &[(u64, u64, bool)]) -> Vec<Shelf> {
        let shelf = |(n, (bytes, needed, consolidated)): (i64, &(u64, u64, bool))| Shelf {
            id: ShelfId(n),
            generation: 0,
            pack: PackRow {
                id: n,
                key: MpackKey::new([n as u8; 32]),
                bytes: *bytes,
                records: 1,
                consolidated: *consolidated,
                stored_at: at("2026-01-01T00:00:00Z"),
                verified_at: None,
            },
            mapped: Counts { objects: 1, ..Counts::default() },
            mapped_bytes: Some(*needed),
            made_at: None,
        };
        (0..).zip(packs).map(shelf).collect()
    }

    #[test]
    fn a_geometric_consolidation_is_chosen_if_the_repo_is_not_due_after_it() {
        let kind = |packs: &[(u64, u64, bool)], policy: Policy| {
            consolidation(&shelves(packs), &policy, at("2026-01-02T00:00:00Z")).geometric
        };
        let max_packs = |max| Policy { max_packs: Some(max), ..Policy::OFF };
        let small = [(100, 100, true), (10, 10, false), (10, 10, false)];
        assert_eq!(kind(&small, max_packs(2)), Some(2));
        assert_eq!(kind(&small, max_packs(1)), None, "it leaves two packs");
        let growing = [(10, 10, true), (100, 100, false)];
        let growth = Policy { growth: Some(1.0), ..Policy::OFF };
        assert_eq!(kind(&growing, growth), None, "it has nothing to do");
        assert_eq!(kind(&[(10, 10, true), (9, 9, false), (9, 9, false)], growth), Some(2));
        let age = Policy { max_age_seconds: Some(1), ..Policy::OFF };
        assert_eq!(kind(&small, age), Some(2), "all old packs are small");
        let waiting = [(100, 100, false), (10, 10, false), (10, 10, false)];
        assert_eq!(kind(&waiting, age), None, "an old pack would stay");
        let garbage = |needed| [(100, needed, true), (10, 10, false), (10, 10, false)];
        assert_eq!(kind(&garbage(40), max_packs(2)), Some(2));
        assert_eq!(kind(&garbage(39), max_packs(2)), None, "more than half is garbage");
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
