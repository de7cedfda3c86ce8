//! The condition of a repo: what the catalog remembers of it, in a word.

use std::fmt;

use packhouse_host::{Policy, RepoSummary};

/// A repo of which a consolidation would save so many percent wants attention.
const MUCH_TO_RECLAIM: u64 = 50;

/// The condition of a repo; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum Condition {
    /// No pack.
    Empty,
    /// One pack.
    Ok,
    /// So many packs.
    Fragmented(u64),
    /// Its last consolidation failed, for a reason that may stand.
    Failed,
    /// Known damage.
    Damaged,
}

impl Condition {
    /// All of them, with any number.
    pub(in crate::console) const ALL: [Condition; 5] = [
        Condition::Empty,
        Condition::Ok,
        Condition::Fragmented(0),
        Condition::Failed,
        Condition::Damaged,
    ];

    /// The condition of a repo.
    pub(in crate::console) fn of(repo: &RepoSummary) -> Condition {
        match repo.packs {
            _ if repo.damaged > 0 => Condition::Damaged,
            _ if repo.gc_failed() => Condition::Failed,
            0 => Condition::Empty,
            1 => Condition::Ok,
            packs => Condition::Fragmented(packs),
        }
    }

    /// Its word, without a number.
    pub(in crate::console) const fn word(self) -> &'static str {
        match self {
            Condition::Empty => "empty",
            Condition::Ok => "ok",
            Condition::Fragmented(_) => "fragmented",
            Condition::Failed => "failed",
            Condition::Damaged => "damaged",
        }
    }

    /// Whether something is wrong: the operator has to do something about it.
    pub(in crate::console) const fn is_wrong(self) -> bool {
        matches!(self, Condition::Failed | Condition::Damaged)
    }
}

/// Its word, and how fragmented it is: `fragmented (12)`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Condition::Fragmented(packs @ 0..1000) => write!(f, "fragmented ({packs})"),
            Condition::Fragmented(_) => f.write_str("fragmented (999+)"),
            condition => f.write_str(condition.word()),
        }
    }
}

/// Whether a repo is fragmented so much that it wants attention: more packs than the default policy
/// leaves, or much to reclaim.
pub(in crate::console) fn is_worn(repo: &RepoSummary) -> bool {
    let many = Policy::default().max_packs.is_some_and(|most| repo.packs > most);
    let part = u128::from(repo.reclaimable()) * 100;
    many || (repo.packs > 1 && part >= u128::from(repo.bytes) * u128::from(MUCH_TO_RECLAIM))
}

#[cfg(test)]
mod tests {
    use packhouse_host::Error;

    use super::*;
    use crate::console::tests::fake::{last_gc, summary};

    #[test]
    fn damage_is_worse_than_a_failure_and_that_is_worse_than_many_packs() {
        let fragmented = summary("a/b", 12);
        let failed = RepoSummary {
            last_gc: Some(last_gc("failed", "2026-07-01T09:30:00Z")),
            ..fragmented.clone()
        };
        let damaged = RepoSummary { damaged: 1, ..failed.clone() };
        let all = [summary("a/b", 0), summary("a/b", 1), fragmented, failed, damaged];
        let all = all.map(|repo| Condition::of(&repo));
        assert!(all.is_sorted_by(|a, b| a < b));
        assert_eq!(
            all.map(|condition| condition.to_string()),
            ["empty", "ok", "fragmented (12)", "failed", "damaged"]
        );
        assert_eq!(all.map(Condition::is_wrong), [false, false, false, true, true]);
        assert_eq!(Condition::Fragmented(31_415).to_string(), "fragmented (999+)");
    }

    #[test]
    fn a_failure_because_of_damage_is_over_when_the_damage_is() {
        let mut last = last_gc("failed", "2026-07-01T09:30:00Z");
        last.error_code = Some(Error::DAMAGE_CODE.to_owned());
        let healed = RepoSummary { last_gc: Some(last), ..summary("a/b", 12) };
        assert_eq!(Condition::of(&healed), Condition::Fragmented(12));
        assert_eq!(Condition::of(&RepoSummary { damaged: 1, ..healed }), Condition::Damaged);
    }

    #[test]
    fn two_packs_want_no_attention() {
        let half = |packs| RepoSummary {
            duplicate_bytes: summary("a/b", packs).bytes / 2,
            ..summary("a/b", packs)
        };
        assert!(![summary("a/b", 2), summary("a/b", 50), half(1), half(0)].iter().any(is_worn));
        assert!([summary("a/b", 51), half(2)].iter().all(is_worn));
    }
}
