//! The filter of the list of repos: words of names, and terms about numbers.
//!
//! ```text
//! album packs>10 size>=1G reclaim>30% gc>7d gc:never state:failed
//! ```
//!
//! All of them must match. Words match fuzzily, and ignore case unless they contain a capital.

use std::fmt;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use packhouse_host::RepoSummary;

/// A parsed filter.
#[derive(Default)]
pub(in crate::console) struct Filter {
    words: Pattern,
    terms: Vec<Term>,
    matcher: Matcher,
    letters: Vec<char>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("words", &self.words)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    Number(Measure, Is, u64),
    /// The reclaimable share of the size, in percent.
    Share(Is, f64),
    /// The age of the last consolidation in seconds; never is older than any age.
    Age(Is, u64),
    State(State),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    Packs,
    Objects,
    Commits,
    Size,
    Reclaim,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
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
enum State {
    Empty,
    OnePack,
    Fragmented,
    Failed,
    Never,
}

/// Why a term is invalid, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct BadTerm(String);

impl fmt::Display for BadTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Removes blanks around comparison signs: `packs > 10` means `packs>10`.
fn close_up(text: &str) -> String {
    let is_sign = |c| matches!(c, '<' | '>' | '=');
    let mut closed = String::with_capacity(text.len());
    for c in text.chars() {
        let ends_with_sign = closed.trim_end().ends_with(is_sign);
        if is_sign(c) || (c.is_ascii_digit() && ends_with_sign) {
            closed.truncate(closed.trim_end().len());
        }
        closed.push(c);
    }
    closed
}

fn term(word: &str, at: usize) -> Result<Term, BadTerm> {
    let (name, rest) = word.split_at(at);
    let bad = |words: &str| BadTerm(format!("`{word}`: {words}"));
    if let Some(state) = rest.strip_prefix(':') {
        let state = match (name, state) {
            ("state", "empty") => State::Empty,
            ("state", "ok" | "order") => State::OnePack,
            ("state", "fragmented" | "merge") => State::Fragmented,
            ("state" | "gc", "failed") => State::Failed,
            ("gc", "never") => State::Never,
            ("state", _) => return Err(bad("state: takes empty, ok, fragmented or failed")),
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

impl Filter {
    /// Parses a filter. Invalid terms are ignored; returns the first of them.
    pub(in crate::console) fn read(text: &str) -> (Filter, Option<BadTerm>) {
        let (text, mut words, mut terms, mut bad) = (close_up(text), Vec::new(), Vec::new(), None);
        for word in text.split_whitespace() {
            match word.find(['<', '>', '=', ':']).map(|at| term(word, at)) {
                None => words.push(word),
                Some(Ok(term)) => terms.push(term),
                Some(Err(error)) => bad = bad.or(Some(error)),
            }
        }
        let words = Pattern::parse(&words.join(" "), CaseMatching::Smart, Normalization::Smart);
        (
            Filter {
                words,
                terms,
                matcher: Matcher::new(Config::DEFAULT.match_paths()),
                letters: Vec::new(),
            },
            bad,
        )
    }

    /// Whether every repo matches.
    pub(in crate::console) fn is_empty(&self) -> bool {
        self.words.atoms.is_empty() && self.terms.is_empty()
    }

    /// How well a repo matches, higher is better; `None` if it does not match.
    pub(in crate::console) fn score(
        &mut self,
        name: &str,
        repo: &RepoSummary,
        now: Timestamp,
    ) -> Option<u32> {
        if !self.terms.iter().all(|term| term.holds(repo, now)) {
            return None;
        }
        if self.words.atoms.is_empty() {
            return Some(0);
        }
        self.words.score(Utf32Str::new(name, &mut self.letters), &mut self.matcher)
    }
}

impl Term {
    fn holds(&self, repo: &RepoSummary, now: Timestamp) -> bool {
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
                State::Empty => repo.packs == 0,
                State::OnePack => repo.packs == 1,
                State::Fragmented => repo.packs > 1,
                State::Failed => repo.last_gc.as_ref().is_some_and(|last| last.outcome == "failed"),
                State::Never => repo.last_gc.is_none(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::fake::{now, summary};

    fn passes(text: &str, repo: &RepoSummary) -> bool {
        let name = repo.repo.to_string();
        let (mut filter, bad) = Filter::read(text);
        assert_eq!(bad, None);
        filter.score(&name, repo, now()).is_some()
    }

    #[test]
    fn words_are_fuzzy_and_terms_are_exact() {
        let repo = RepoSummary {
            bytes: 3 << 30,
            duplicate_bytes: 1 << 30,
            stored_bytes: 3 << 30,
            ..summary("studio/album", 12)
        };
        for yes in [
            "",
            "alb",
            "sdal",
            "album studio",
            "packs>11",
            "packs=12",
            "packs<=12",
            "packs > 11  alb",
            "packs >= 12",
            "size> 2.9G",
            "size>2.9G",
            "size<3.5GiB",
            "reclaim>30%",
            "reclaim>=1G",
            "alb packs>10 size>1G reclaim>30%",
            "gc:never",
            "gc>7d",
            "state:merge",
            "state:fragmented",
            "objects<1k",
        ] {
            assert!(passes(yes, &repo), "{yes}");
        }
        for no in [
            "xyz",
            "Album",
            "packs>12",
            "packs<12",
            "size>3G",
            "reclaim>34%",
            "alb packs>12",
            "gc:failed",
            "state:ok",
            "gc<7d",
        ] {
            assert!(!passes(no, &repo), "{no}");
        }
    }

    #[test]
    fn ages_are_those_of_the_last_consolidation() {
        let mut repo = summary("a/b", 1);
        repo.last_gc = Some(crate::console::tests::fake::last_gc("failed", "2026-06-24T12:00:00Z"));
        assert!(
            passes("gc>6d", &repo)
                && !passes("gc>2w", &repo)
                && passes("gc:failed", &repo)
                && !passes("gc:never", &repo)
        );
    }

    #[test]
    fn a_bad_term_is_named_with_what_is_expected() {
        for (bad, words) in [
            ("packs>x", "a number such as"),
            ("packs>", "a number such as"),
            ("size>1Q", "a size such as"),
            ("size>-1", "a size such as"),
            ("reclaim>x%", "percent"),
            ("gc>7", "an age such as"),
            ("gc:maybe", "never or failed"),
            ("state:fine", "empty, ok, fragmented or failed"),
            ("colour:red", "only state: and gc:"),
            ("stars>5", "can be compared"),
        ] {
            let (filter, error) = Filter::read(&format!("alb {bad} gc:never"));
            assert_eq!(
                (filter.words.atoms.len(), filter.terms),
                (1, vec![Term::State(State::Never)]),
                "the rest holds"
            );
            let error = error.unwrap().to_string();
            assert!(error.starts_with(&format!("`{bad}`: ")) && error.contains(words), "{error}");
        }
    }
}
