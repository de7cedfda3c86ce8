//! Generates the history of the demo repos: their pushes and consolidations.

use jiff::{SignedDuration, Timestamp};
use packhouse_host::sample::Random;
use packhouse_host::{
    Cause, DamageError, Error, GcEntry, GcRecord, GcReport, Problem, ProblemKind, RepoName,
    Visibility,
};

use super::names::{self, Kind, Property};
use super::repo::{PushProfile, Repo};

/// The component of the demo.
pub(super) const COMPONENT: &str =
    "sha256:3f9a6d0c5be1742288a1c4e05d7730b6f1c29be40a8816d59c07be63fa21d4e8";

/// The folder of the packs in the demo.
const PACKS: &str = "/srv/muse";

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Creates a repo at the time `now`, and its consolidations, which have no IDs yet.
pub(super) fn generate(number: usize, seed: u64, now: Timestamp) -> Option<(Repo, Vec<GcEntry>)> {
    let mut random = Random::stream(seed, number as u64);
    let (name, kind, property) = names::nth(number, &mut random);
    let name: RepoName = name.parse().ok()?;
    let mut between = |least: i64, most: i64| {
        least + random.below(usize::try_from(most - least).unwrap_or(0)) as i64
    };
    // Age of the repo and of its last push in seconds, number of pushes, and percent of duplicates.
    let (age, last, pushes, repeats) = match kind {
        Kind::ManyPacks => {
            (between(300, 1500) * DAY, between(600, 20 * HOUR), between(180, 640), between(52, 66))
        }
        Kind::Growing => {
            (between(40, 900) * DAY, between(120, 9 * DAY), between(3, 48), between(4, 38))
        }
        Kind::New => (between(2, 20) * DAY, between(300, 2 * DAY), between(1, 4), between(0, 20)),
        Kind::OnePack => {
            (between(90, 1200) * DAY, between(3, 90) * DAY, between(2, 40), between(5, 35))
        }
        Kind::Empty => (between(1, 30) * DAY, 0, 0, 0),
    };
    // From 100 KiB to 12 MiB, evenly on a logarithmic scale.
    let bytes = match kind {
        Kind::ManyPacks => between(2 << 20, 9 << 20),
        _ => (100 << 10) << between(0, 7),
    };
    let profile = PushProfile { bytes: bytes.unsigned_abs(), repeats: repeats.unsigned_abs() };
    let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);

    let mut events: Vec<(Timestamp, Cause)> =
        (1..pushes).map(|_| (ago(between(last, age)), Cause::Push)).collect();
    if pushes > 0 {
        events.push((ago(last), Cause::Push));
    }
    // One consolidation after the last push, or some before it.
    match kind {
        Kind::OnePack => events.push((ago(between(HOUR, last)), Cause::Consolidation)),
        Kind::Growing => {
            let some = between(0, 3);
            events
                .extend((0..some).map(|_| (ago(between(last + HOUR, age)), Cause::Consolidation)));
        }
        _ => {}
    }
    events.sort_by_key(|(at, _)| *at);

    let mut repo = Repo::new(name, ago(age + 600), random);
    let mut history = Vec::new();
    for (at, cause) in events {
        match cause {
            Cause::Push => repo.push(profile, at),
            Cause::Consolidation => {
                let plan = repo.plan(COMPONENT);
                let took = Repo::estimate(plan.bytes_after);
                let report = repo.consolidate(plan, took, at);
                history.push(consolidated(&mut repo, report, at));
                // Packs that an older consolidation replaced were pruned.
                repo.waiting.retain(|pack| {
                    pack.retired_at
                        .is_some_and(|then| now.duration_since(then).as_secs() < 30 * DAY)
                });
            }
        }
    }
    match property {
        Property::None => {}
        Property::Private => repo.visibility = Visibility::Private,
        Property::GcFailed => history.push(failed(&mut repo, &no_space(), 812, ago(2754))),
        Property::Damaged => repo.problems = damage(&mut repo),
    }
    Some((repo, history))
}

/// The history entry of a consolidation, without an ID.
pub(super) fn consolidated(repo: &mut Repo, report: GcReport, at: Timestamp) -> GcEntry {
    let record = GcRecord::done(&report, at);
    repo.last_gc = Some(record.clone());
    let report = (!report.skipped).then_some(report);
    GcEntry { id: 0, repo: repo.name.clone(), record, report }
}

/// The history entry of a failed consolidation, without an ID.
pub(super) fn failed(repo: &mut Repo, error: &Error, elapsed_ms: u64, at: Timestamp) -> GcEntry {
    let record = GcRecord::failed(error, elapsed_ms, COMPONENT, at);
    repo.last_gc = Some(record.clone());
    GcEntry { id: 0, repo: repo.name.clone(), record, report: None }
}

fn no_space() -> Error {
    let source = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "not enough disk space: 205.0 MiB needed, 64.0 MiB free",
    );
    Error::Io { doing: "writing a pack in", path: PACKS.into(), source }
}

/// Damages two packs.
fn damage(repo: &mut Repo) -> Vec<Problem> {
    let (other, object) = (repo.key(), repo.key());
    let key = |nth: usize| repo.packs.get(nth).or(repo.packs.first()).map(|pack| pack.key);
    let place = |nth| key(nth).map(|key| place_of(&key.hex())).unwrap_or_default();
    vec![
        Problem {
            kind: ProblemKind::DamagedPack,
            entity: None,
            pack: key(1),
            detail: format!("hash mismatch: got {other}; restore {} from a backup", place(1)),
        },
        Problem {
            kind: ProblemKind::LostEntity,
            entity: Some(format!("object {object}")),
            pack: key(2),
            detail: format!(
                "the index refers to this pack, which does not contain it; restore {} from a backup",
                place(2)
            ),
        },
    ]
}

/// The error of consolidating a damaged repo.
pub(super) fn refused(repo: &Repo, problem: &Problem) -> Error {
    let key = problem.pack.or(repo.packs.first().map(|pack| pack.key));
    let Some(key) = key else { return Error::UnknownRepo(repo.name.clone()) };
    let detail = problem.detail.split("; restore").next().unwrap_or_default().to_owned();
    Error::Damage(DamageError::DamagedPack {
        key,
        repo: repo.name.clone(),
        place: place_of(&key.hex()),
        detail,
    })
}

fn place_of(hex: &str) -> String {
    format!("{PACKS}/packs/{}/{hex}.mpack", hex.get(..2).unwrap_or_default())
}
