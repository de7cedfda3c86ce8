//! How the repos of the demo came to be what they are: who pushed when, and which consolidations
//! went well.

use jiff::{SignedDuration, Timestamp};
use packhouse_host::sample::Random;
use packhouse_host::{
    Cause, Error, GcEntry, GcRecord, GcReport, Problem, ProblemKind, RepoName, Visibility,
};

use super::cast::{self, Sort, Twist};
use super::repo::{Habit, Repo};

/// What plans in the demo.
pub(super) const COMPONENT: &str =
    "sha256:3f9a6d0c5be1742288a1c4e05d7730b6f1c29be40a8816d59c07be63fa21d4e8";

/// Where the demo would have its packs.
const PACKS: &str = "/srv/muse";

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Makes a repo, as it is `now`; and its consolidations, which have no numbers yet.
pub(super) fn make(number: usize, seed: u64, now: Timestamp) -> Option<(Repo, Vec<GcEntry>)> {
    let mut random = Random::stream(seed, number as u64);
    let (name, sort, twist) = cast::nth(number, &mut random);
    let name: RepoName = name.parse().ok()?;
    let mut between = |least: i64, most: i64| {
        least + random.below(usize::try_from(most - least).unwrap_or(0)) as i64
    };
    // Ages in seconds, of the repo and of its last push; its pushes; and what they are like.
    let (age, last, pushes, repeats) = match sort {
        Sort::Crowded => {
            (between(300, 1500) * DAY, between(600, 20 * HOUR), between(180, 640), between(52, 66))
        }
        Sort::Growing => {
            (between(40, 900) * DAY, between(120, 9 * DAY), between(3, 48), between(4, 38))
        }
        Sort::New => (between(2, 20) * DAY, between(300, 2 * DAY), between(1, 4), between(0, 20)),
        Sort::OnePack => {
            (between(90, 1200) * DAY, between(3, 90) * DAY, between(2, 40), between(5, 35))
        }
        Sort::Empty => (between(1, 30) * DAY, 0, 0, 0),
    };
    // From 100 KiB to 12 MiB, and as many small ones as large ones.
    let bytes = match sort {
        Sort::Crowded => between(2 << 20, 9 << 20),
        _ => (100 << 10) << between(0, 7),
    };
    let habit = Habit { bytes: bytes.unsigned_abs(), repeats: repeats.unsigned_abs() };
    let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);

    let mut events: Vec<(Timestamp, Cause)> =
        (1..pushes).map(|_| (ago(between(last, age)), Cause::Push)).collect();
    if pushes > 0 {
        events.push((ago(last), Cause::Push));
    }
    // Consolidations: one after the last push, or now and then before.
    match sort {
        Sort::OnePack => events.push((ago(between(HOUR, last)), Cause::Consolidation)),
        Sort::Growing => {
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
            Cause::Push => repo.push(habit, at),
            Cause::Consolidation => {
                let plan = repo.plan(COMPONENT);
                let took = Repo::estimate(plan.bytes_after);
                let report = repo.consolidate(plan, took, at);
                history.push(remembered(&mut repo, report, at));
                // What an older consolidation replaced is gone by now.
                repo.waiting.retain(|pack| {
                    pack.retired_at
                        .is_some_and(|then| now.duration_since(then).as_secs() < 30 * DAY)
                });
            }
        }
    }
    match twist {
        Twist::None => {}
        Twist::Private => repo.visibility = Visibility::Private,
        Twist::GcFailed => history.push(failed(&mut repo, &no_space(), 812, ago(2754))),
        Twist::Damaged => repo.problems = damage(&mut repo),
    }
    Some((repo, history))
}

/// A consolidation as it goes into the history. Its number is not known yet.
pub(super) fn remembered(repo: &mut Repo, report: GcReport, at: Timestamp) -> GcEntry {
    let record = GcRecord::done(&report, at);
    repo.last_gc = Some(record.clone());
    let report = (!report.skipped).then_some(report);
    GcEntry { id: 0, repo: repo.name.clone(), record, report }
}

/// A consolidation that failed, as it goes into the history.
pub(super) fn failed(repo: &mut Repo, error: &Error, elapsed_ms: u64, at: Timestamp) -> GcEntry {
    let record = GcRecord::failed(error, elapsed_ms, COMPONENT, at);
    repo.last_gc = Some(record.clone());
    GcEntry { id: 0, repo: repo.name.clone(), record, report: None }
}

fn no_space() -> Error {
    let source = std::io::Error::new(
        std::io::ErrorKind::StorageFull,
        "it needs 214958080 bytes more, and they are not free",
    );
    Error::Io { doing: "making a pack in", path: PACKS.into(), source }
}

/// Two of its packs are not what they were.
fn damage(repo: &mut Repo) -> Vec<Problem> {
    let (other, object) = (repo.key(), repo.key());
    let key = |nth: usize| repo.packs.get(nth).or(repo.packs.first()).map(|pack| pack.key);
    let place = |nth| key(nth).map(|key| place_of(&key.hex())).unwrap_or_default();
    vec![
        Problem {
            kind: ProblemKind::DamagedPack,
            entity: None,
            pack: key(1),
            detail: format!(
                "the SHA-256 of its bytes is {other}; restore {} from a backup",
                place(1)
            ),
        },
        Problem {
            kind: ProblemKind::LostEntity,
            entity: Some(format!("object {object}")),
            pack: key(2),
            detail: format!(
                "the index maps it to this pack, which does not hold it; restore {} from a backup",
                place(2)
            ),
        },
    ]
}

/// What consolidating a damaged repo ends with.
pub(super) fn refused(repo: &Repo, problem: &Problem) -> Error {
    let key = problem.pack.or(repo.packs.first().map(|pack| pack.key));
    let Some(key) = key else { return Error::UnknownRepo(repo.name.clone()) };
    let detail = problem.detail.split("; restore").next().unwrap_or_default().to_owned();
    Error::DamagedPack { key, repo: repo.name.clone(), place: place_of(&key.hex()), detail }
}

fn place_of(hex: &str) -> String {
    format!("{PACKS}/packs/{}/{hex}.mpack", hex.get(..2).unwrap_or_default())
}
