//! The terms of a filter: conditions about the numbers and the state of a repo.

use std::fmt;

use jiff::Timestamp;
use packhouse_host::RepoSummary;

use crate::console::state::condition::Condition;

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    Number(Measure, Is, u64),
    /// The reclaimable share of the size, in percent.
    Share(Is, f64),
    /// The age of the last consolidation in seconds; never is older than any age.
    Age(Is, u64),
    State(State),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Packs,
    Objects,
    Commits,
    Size,
    Reclaim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Is {
    fn holds<T: PartialOrd>(self, left: T, right: T) -> bool {
        match self {
            Is::Less => left < right,
            Is::AtMost => left <= right,
            Is::Equal => left == right,
            Is::AtLeast => left >= right,
            Is::More => left > right,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The column of that name says this word.
    Is(&'static str),
    /// The last consolidation failed.
    GcFailed,
    GcNever,
}

/// Why a term is invalid, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct BadTerm(String);

impl fmt::Display for BadTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses a term; its name ends at `at`.
pub(super) fn term(word: &str, at: usize) -> Result<Term, BadTerm> {
    let (name, rest) = word.split_at(at);
    let bad = |words: &str| BadTerm(format!("`{word}`: {words}"));
    if let Some(state) = rest.strip_prefix(':') {
        let state = match (name, state) {
            ("state", "ok" | "order") => State::Is(Condition::Ok.word()),
            ("state", "fragmented" | "merge") => State::Is(Condition::Fragmented(0).word()),
            ("state", "empty") => State::Is(Condition::Empty.word()),
            ("state", "failed") => State::Is(Condition::Failed.word()),
            ("state", "damaged") => State::Is(Condition::Damaged.word()),
            ("gc", "failed") => State::GcFailed,
            ("gc", "never") => State::GcNever,
            ("state", _) => {
                return Err(bad("state: takes damaged, failed, fragmented, ok or empty"));
            }
            ("gc", _) => return Err(bad("gc: takes never or failed")),
            _ => return Err(bad("only state: and gc: are known")),
        };
        return Ok(Term::State(state));
    }
    let signs = [
        (">=", Is::AtLeast),
        ("<=", Is::AtMost),
        (">", Is::More),
        ("<", Is::Less),
        ("=", Is::Equal),
    ];
    let found = signs.into_iter().find_map(|(sign, is)| Some((is, rest.strip_prefix(sign)?)));
    let Some((is, value)) = found else {
        return Err(bad("expected a comparison such as packs>10"));
    };
    let measure = match name {
        "packs" => Measure::Packs,
        "objects" => Measure::Objects,
        "commits" => Measure::Commits,
        "size" => Measure::Size,
        "reclaim" => Measure::Reclaim,
        "gc" => {
            return Ok(Term::Age(
                is,
                scaled(value, &AGES).ok_or_else(|| bad("expected an age such as 12h, 7d or 2w"))?,
            ));
        }
        _ => return Err(bad("packs, objects, commits, size, reclaim and gc can be compared")),
    };
    if let (Measure::Reclaim, Some(percent)) = (measure, value.strip_suffix('%')) {
        let percent: f64 = percent.parse().map_err(|_| bad("expected a number of percent"))?;
        return Ok(Term::Share(is, percent));
    }
    let number = match measure {
        Measure::Size | Measure::Reclaim => {
            scaled(value, &SIZES).ok_or_else(|| bad("expected a size such as 500K, 1.5G or 20M"))
        }
        _ => scaled(value, &COUNTS).ok_or_else(|| bad("expected a number such as 10 or 2k")),
    };
    Ok(Term::Number(measure, is, number?))
}

/// The state that a word without signs names, as the column of the list says it.
pub(super) fn state(word: &str) -> Option<Term> {
    let named = |condition: &Condition| condition.word() == word;
    Condition::ALL.iter().find(|it| named(it)).map(|it| Term::State(State::Is(it.word())))
}

type Units = [(&'static str, u64)];

/// Sizes are powers of two, as they are displayed.
const SIZES: [(&str, u64); 6] =
    [("", 1), ("k", 1 << 10), ("m", 1 << 20), ("g", 1 << 30), ("t", 1 << 40), ("p", 1 << 50)];
const COUNTS: [(&str, u64); 3] = [("", 1), ("k", 1000), ("m", 1_000_000)];
const AGES: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400), ("w", 7 * 86_400)];

fn scaled(value: &str, units: &Units) -> Option<u64> {
    let lower = value.to_ascii_lowercase();
    let lower = lower.trim_end_matches("ib").trim_end_matches('b');
    let at = lower.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(at);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let number: f64 =
        number.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
    Some((number * *scale as f64).round() as u64)
}

impl Term {
    /// Whether a repo fulfils the condition.
    pub(super) fn holds(&self, repo: &RepoSummary, now: Timestamp) -> bool {
        match *self {
            Term::Number(measure, is, number) => is.holds(measure.of(repo), number),
            Term::Share(is, percent) => {
                let all = repo.bytes.max(1) as f64;
                is.holds(repo.reclaimable() as f64 * 100.0 / all, percent)
            }
            Term::Age(is, seconds) => {
                let age = |then: Timestamp| {
                    now.as_second().saturating_sub(then.as_second()).max(0).unsigned_abs()
                };
                is.holds(
                    repo.last_gc.as_ref().map_or(u64::MAX, |last| age(last.finished_at)),
                    seconds,
                )
            }
            Term::State(state) => match state {
                State::Is(word) => Condition::of(repo).word() == word,
                State::GcFailed => repo.gc_failed(),
                State::GcNever => repo.last_gc.is_none(),
            },
        }
    }
}

impl Measure {
    fn of(self, repo: &RepoSummary) -> u64 {
        match self {
            Measure::Packs => repo.packs,
            Measure::Objects => repo.objects,
            Measure::Commits => repo.commits,
            Measure::Size => repo.bytes,
            Measure::Reclaim => repo.reclaimable(),
        }
    }
}
