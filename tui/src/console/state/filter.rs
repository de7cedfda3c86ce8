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
//! A word that is a state, as in `damaged`, also finds the repos in this state.
//!
//! Words ignore case unless they contain a capital.

mod term;

use std::fmt;

use jiff::Timestamp;
use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use packhouse_host::RepoSummary;

use self::term::{BadTerm, Term, state, term};

/// A parsed filter.
#[derive(Default)]
pub(in crate::console) struct Filter {
    words: Pattern,
    /// Words that are states, too.
    states: Vec<(Atom, Term)>,
    terms: Vec<Term>,
    matcher: Matcher,
    letters: Vec<char>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter")
            .field("words", &self.words)
            .field("states", &self.states)
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
        let mut states = Vec::new();
        for word in text.split_whitespace() {
            match word.find(['<', '>', '=', ':']).map(|at| term(word, at)) {
                None => match (atom(word), state(word)) {
                    (Some(atom), Some(state)) => states.push((atom, state)),
                    (atom, _) => words.extend(atom),
                },
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
                states,
                terms,
                matcher: Matcher::new(Config::DEFAULT.match_paths()),
                letters: Vec::new(),
            },
            bad,
        )
    }

    /// Whether every repo matches.
    pub(in crate::console) fn is_empty(&self) -> bool {
        self.words.atoms.is_empty() && self.states.is_empty() && self.terms.is_empty()
    }

    /// Whether there is a word that a name can match better or worse.
    pub(in crate::console) fn ranks(&self) -> bool {
        !self.states.is_empty() || self.words.atoms.iter().any(|atom| !atom.negative)
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
        if self.words.atoms.is_empty() && self.states.is_empty() {
            return Some(0);
        }
        let name = Utf32Str::new(name, &mut self.letters);
        let mut score = self.words.score(name, &mut self.matcher)?;
        for (word, state) in &self.states {
            let in_name = word.score(name, &mut self.matcher).map(u32::from);
            score += in_name.or_else(|| state.holds(repo, now).then_some(0))?;
        }
        Some(score)
    }
}

#[cfg(test)]
mod tests;
