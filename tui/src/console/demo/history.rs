//! What has happened in the demo store: when its repos were created, pushed to and consolidated.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};
use packhouse_host::sample::{HistoryOptions, Random};
use packhouse_host::{RepoName, Visibility};

use super::names::{Kind, NAMES, Property};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A repo of the demo store.
#[derive(Clone, Debug)]
pub(super) struct Repo {
    pub(super) name: RepoName,
    pub(super) visibility: Visibility,
    /// Whether it gets pushes while the demo runs.
    pub(super) grows: bool,
    /// The packs that are pushed to it.
    pub(super) packs: HistoryOptions,
}

/// What happens to a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Create,
    /// So many packs are pushed at once.
    Push(usize),
    Consolidate,
    /// A worker's consolidation fails: the disk is full.
    FailJob,
    /// A worker begins to consolidate it.
    RunJob,
    /// A consolidation is queued.
    QueueJob,
    /// One of its packs is changed and another one removed; a verification finds that.
    Damage,
    /// A worker deletes packs of all repos that were replaced long ago.
    Prune,
}

/// Something that happens to a repo, by its position.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) repo: usize,
    pub(super) action: Action,
}

/// The past of one repo: how old it is, and how it was used.
struct Past {
    /// Seconds since it was created.
    age: i64,
    /// Seconds since the last push.
    last: i64,
    pushes: i64,
    packs_per_push: Range<i64>,
    consolidations: Vec<i64>,
}

/// The first repos of the demo store, and all that has happened to them, oldest first.
pub(super) fn past(repos: usize, seed: u64, now: Timestamp) -> (Vec<Repo>, Vec<Step>) {
    let (mut all, mut steps) = (Vec::new(), Vec::new());
    for (name, kind, property) in NAMES.into_iter().take(repos) {
        let Ok(name) = name.parse::<RepoName>() else { continue };
        let mut random = Random::stream(seed, all.len() as u64);
        let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);
        let past = Past::of(kind, &mut random);
        let mut step = |seconds, action| {
            steps.push(Step { at: ago(seconds), repo: all.len(), action });
        };
        step(past.age + 10 * 60, Action::Create);
        for push in 0..past.pushes {
            let at = if push == 0 { past.last } else { between(&mut random, past.last..past.age) };
            step(at, Action::Push(between(&mut random, past.packs_per_push.clone()) as usize));
        }
        past.consolidations.iter().for_each(|at| step(*at, Action::Consolidate));
        match property {
            Property::None | Property::Private => {}
            Property::GcFailed => step(2754, Action::FailJob),
            Property::Damaged => step(1903, Action::Damage),
            Property::JobRuns => step(41, Action::RunJob),
            Property::JobWaits => step(12, Action::QueueJob),
        }
        let private = property == Property::Private;
        all.push(Repo {
            name,
            visibility: if private { Visibility::Private } else { Visibility::Public },
            grows: matches!(kind, Kind::Growing | Kind::New) && property != Property::Damaged,
            packs: packs(kind, property, seed, &mut random),
        });
    }
    steps.push(Step {
        at: now - SignedDuration::from_secs(30 * DAY),
        repo: 0,
        action: Action::Prune,
    });
    steps.sort_by_key(|step| step.at);
    (all, steps)
}

impl Past {
    fn of(kind: Kind, random: &mut Random) -> Past {
        let mut between = |range| between(random, range);
        let (age, last, pushes, packs_per_push) = match kind {
            Kind::ManyPacks => {
                (between(300..1500) * DAY, between(600..20 * HOUR), between(9..11), 12..15)
            }
            Kind::Growing => (between(40..900) * DAY, between(120..9 * DAY), between(3..8), 1..4),
            Kind::New => (between(2..20) * DAY, between(300..2 * DAY), between(1..4), 1..2),
            Kind::OnePack => (between(90..1200) * DAY, between(3..90) * DAY, between(2..6), 1..3),
            Kind::Empty => (between(1..30) * DAY, 0, 0, 1..2),
        };
        // One consolidation after the last push, or some before it.
        let consolidations = match kind {
            Kind::OnePack => vec![between(HOUR..last)],
            Kind::Growing => {
                let many = between(0..3);
                (0..many).map(|_| between(last + HOUR..age)).collect()
            }
            Kind::ManyPacks | Kind::New | Kind::Empty => Vec::new(),
        };
        Past { age, last, pushes, packs_per_push, consolidations }
    }
}

/// The packs of a repo: small, because they are made when the demo starts.
fn packs(kind: Kind, property: Property, seed: u64, random: &mut Random) -> HistoryOptions {
    let many = kind == Kind::ManyPacks;
    let is_small = many || property == Property::Damaged;
    // From 500 bytes to 8 KiB, evenly on a logarithmic scale.
    let bytes = if is_small { 600 } else { 500 << random.below(5) };
    HistoryOptions {
        seed: seed ^ random.next(),
        pushes: usize::MAX,
        commits_per_push: 1 + if many { 0 } else { random.below(3) },
        objects_per_commit: 2 + random.below(3),
        object_bytes: bytes / 2..2 * bytes,
        overlap: many || random.below(3) > 0,
        tags: random.below(4) == 0,
        ..HistoryOptions::default()
    }
}

/// A number in a range.
fn between(random: &mut Random, range: Range<i64>) -> i64 {
    let size = usize::try_from(range.end - range.start).unwrap_or_default();
    range.start + random.below(size) as i64
}
