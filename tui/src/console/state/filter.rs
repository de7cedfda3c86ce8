//! The filter of the list of repos: words of names, and terms about numbers.
//!
//! ```text
//! album packs>10 size>=1G reclaim>30% gc>7d gc:never state:failed
//! ```
//!
//! All of them must match. Words match fuzzily, and ignore case unless they contain a capital.

mod term;

use std::fmt;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use packhouse_host::RepoSummary;

use self::term::{BadTerm, Term, term};

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

#[cfg(test)]
mod tests;
