//! The filter of the list of repos: words of names, and terms about numbers.
//!
//! ```text
//! album packs>10 size>=1G reclaim>30% gc>7d gc:never state:failed
//! ```
//!
//! All of them must match. A word is a part of the name; signs before it change that, as in fzf:
//!
//! | word | a name that |
//! |---|---|
//! | `album` | has this part |
//! | `~sdal` | has these letters, in this order |
//! | `^studio` | begins so |
//! | `album$` | ends so |
//! | `!demo` | does not have this part; `!^demo` does not begin so |
//! | `'^x` | has this part, even if it begins with a sign |
//!
//! Words ignore case unless they contain a capital.

mod term;

use std::fmt;

use jiff::Timestamp;
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
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

/// Reads a word; none: a sign alone, which is a word that is still being typed.
fn atom(word: &str) -> Option<Atom> {
    let (case, form) = (CaseMatching::Smart, Normalization::Smart);
    if let Some(letters) = word.strip_prefix('~') {
        let is_word = !letters.is_empty();
        return is_word.then(|| Atom::new(letters, case, form, AtomKind::Fuzzy, false));
    }
    if word.trim_start_matches(['!', '^', '\'']).trim_end_matches('$').is_empty() {
        return None;
    }
    let atom = Atom::parse(word, case, form);
    // The parser takes a word without a sign as letters.
    let is_plain = atom.kind == AtomKind::Fuzzy;
    Some(if is_plain { Atom::new(word, case, form, AtomKind::Substring, false) } else { atom })
}

impl Filter {
    /// Parses a filter. Invalid terms are ignored; returns the first of them.
    pub(in crate::console) fn read(text: &str) -> (Filter, Option<BadTerm>) {
        let (text, mut words, mut terms, mut bad) = (close_up(text), Vec::new(), Vec::new(), None);
        for word in text.split_whitespace() {
            match word.find(['<', '>', '=', ':']).map(|at| term(word, at)) {
                None => words.extend(atom(word)),
                Some(Ok(term)) => terms.push(term),
                Some(Err(error)) => bad = bad.or(Some(error)),
            }
        }
        // All fields of a pattern can't be given.
        let mut pattern = Pattern::default();
        pattern.atoms = words;
        (
            Filter {
                words: pattern,
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

    /// Whether there is a word that a name can match better or worse.
    pub(in crate::console) fn ranks(&self) -> bool {
        self.words.atoms.iter().any(|atom| !atom.negative)
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
