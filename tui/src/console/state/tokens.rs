//! The access tokens of the store, and the question for a new one.

use packhouse_host::access::{NewToken, Reach, Scope, TokenReport};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};
use crate::text::parse_duration;

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Tokens {
    /// All tokens, the newest first.
    pub(in crate::console) entries: Vec<TokenReport>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
}

impl Tokens {
    /// Takes a result. The cursor stays on its token; on the first line, on that line.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Vec<TokenReport>>) {
        self.loading = None;
        match answer {
            Ok(mut entries) => {
                entries.reverse();
                let selected = self.current().filter(|_| self.cursor.at(self.entries.len()) > 0);
                let line = selected
                    .and_then(|token| entries.iter().position(|entry| entry.id == token.id));
                line.into_iter().for_each(|line| self.cursor.set(line));
                (self.entries, self.known, self.failure) = (entries, true, None);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The selected token.
    pub(in crate::console) fn current(&self) -> Option<&TokenReport> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}

/// Reads a token to create: a scope, repos, then perhaps a lifetime, and perhaps a name, as in
/// `push gabriel/* 90d laptop`.
///
/// # Errors
/// What is wrong, in words.
pub(in crate::console) fn read_token(text: &str) -> Result<NewToken, String> {
    let mut words = text.split_whitespace().peekable();
    let scope = words.next().ok_or("a scope comes first: read, push or admin")?;
    let scope: Scope = scope.parse().map_err(|error: packhouse_host::Error| error.to_string())?;
    let mut repos = Vec::new();
    while let Some(word) = words.next_if(|word| word.contains(['/', '*'])) {
        repos.push(word.parse::<Reach>().map_err(|error| error.to_string())?);
    }
    if repos.is_empty() {
        return Err("which repos? OWNER/SLUG, OWNER/* or *".to_owned());
    }
    let expires_in_seconds = words
        .peek()
        .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .and_then(|word| parse_duration(word).ok())
        .map(|lifetime| lifetime.as_secs());
    if expires_in_seconds.is_some() {
        words.next();
    }
    let name = words.collect::<Vec<_>>().join(" ");
    Ok(NewToken { name, scope, repos, expires_in_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_word_by_word() {
        let read = read_token(" push gabriel/* a/b  90d  laptop of ines ").unwrap();
        assert_eq!((read.scope, read.name.as_str()), (Scope::Push, "laptop of ines"));
        assert_eq!(read.expires_in_seconds, Some(90 * 24 * 3600));
        assert_eq!(read.repos, ["gabriel/*", "a/b"].map(|repos| repos.parse().unwrap()));
        let short = read_token("admin *").unwrap();
        assert_eq!((short.name.as_str(), short.expires_in_seconds), ("", None));
        assert_eq!(read_token("read a/b 4th machine").unwrap().name, "4th machine");
        for (text, expected) in [
            ("", "a scope comes first"),
            ("root *", "not a scope"),
            ("read", "which repos?"),
            ("read laptop", "which repos?"),
            ("read a/b/c", "a/b/c"),
        ] {
            let refusal = read_token(text).unwrap_err();
            assert!(refusal.contains(expected), "{text}: {refusal}");
        }
    }
}
