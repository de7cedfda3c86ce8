//! The repos of the demo: five kinds of histories. Seeds are fixed, so that every demo is the same.

use packhouse_host::sample::{HistoryOptions, SnapshotForm};

/// One repo of the demo.
pub(super) struct Scenario {
    /// `OWNER/SLUG`.
    pub(super) repo: &'static str,
    /// Describes the history, after "60 pushes".
    pub(super) about: &'static str,
    /// The history.
    pub(super) history: HistoryOptions,
}

/// All scenarios.
pub(super) fn scenarios() -> Vec<Scenario> {
    let plain = HistoryOptions {
        merges: false,
        tags: false,
        overlap: false,
        form: SnapshotForm::Whole,
        ..HistoryOptions::default()
    };
    vec![
        Scenario {
            repo: "demo/small-pushes",
            about: "of a few small files",
            history: HistoryOptions {
                seed: 11,
                pushes: 60,
                commits_per_push: 1,
                objects_per_commit: 4,
                object_bytes: 200..6_000,
                form: SnapshotForm::Delta,
                ..plain.clone()
            },
        },
        Scenario {
            repo: "demo/merges",
            about: "with branches, merges, tags",
            history: HistoryOptions {
                seed: 22,
                pushes: 24,
                commits_per_push: 4,
                objects_per_commit: 6,
                object_bytes: 1_000..20_000,
                merges: true,
                tags: true,
                form: SnapshotForm::Mixed,
                ..plain.clone()
            },
        },
        Scenario {
            repo: "demo/repeats",
            about: "that repeat the one before",
            history: HistoryOptions {
                seed: 33,
                pushes: 32,
                commits_per_push: 3,
                objects_per_commit: 12,
                object_bytes: 2_000..24_000,
                overlap: true,
                tags: true,
                ..plain.clone()
            },
        },
        Scenario {
            repo: "demo/wide-trees",
            about: "of many files",
            history: HistoryOptions {
                seed: 44,
                pushes: 10,
                commits_per_push: 2,
                objects_per_commit: 200,
                object_bytes: 100..4_000,
                prefixed_ids: true,
                form: SnapshotForm::Mixed,
                ..plain.clone()
            },
        },
        Scenario {
            repo: "demo/large-object",
            about: "with one object of 48 MiB",
            history: HistoryOptions {
                seed: 55,
                pushes: 6,
                commits_per_push: 2,
                objects_per_commit: 5,
                object_bytes: 4_000..400_000,
                large_object: Some(48 << 20),
                overlap: true,
                ..plain
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenarios_show_what_the_demo_promises() {
        let scenarios = scenarios();
        let any = |what: fn(&HistoryOptions) -> bool| {
            scenarios.iter().any(|scenario| what(&scenario.history))
        };
        assert!(
            any(|h| h.merges)
                && any(|h| h.tags)
                && any(|h| h.overlap)
                && any(|h| h.large_object.is_some())
        );
        assert!(
            any(|h| h.prefixed_ids)
                && any(|h| h.form == SnapshotForm::Whole)
                && any(|h| h.form == SnapshotForm::Delta)
        );
        assert!(
            scenarios
                .iter()
                .all(|scenario| scenario.repo.parse::<packhouse_host::RepoName>().is_ok())
        );
    }
}
