//! Parts of messages.

use packhouse_core::{BranchConflict, EntityId};

use super::Error;
use crate::names::{RepoName, TOKEN_ID_DIGITS};
use crate::report::repo::DeletedRepo;
use crate::text::escaped;

/// An error's text, without the claim that nothing was changed and without its full stop.
pub(super) fn without_claim(error: &Error) -> String {
    let text = error.to_string();
    let text = text.replace("; nothing was changed", "").replace(". Nothing was changed", "");
    text.trim_end_matches('.').to_owned()
}

/// An error with its causes.
pub(super) fn chain(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    let error: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// What to do about the most frequent errors of the system.
pub(super) fn way_out(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            ". Free some space and run it again; nothing was changed"
        }
        Kind::ReadOnlyFilesystem => ". Mount it writable, or use another --data folder",
        // A file in the place of a folder.
        Kind::AlreadyExists | Kind::NotADirectory => {
            ". Something else is in its place: move it away and run it again"
        }
        Kind::PermissionDenied => ". Check who owns it, or use another --data folder",
        _ => "",
    }
}

/// Deleted repos of a name, to choose one from.
pub(super) fn candidates(repo: &RepoName, deleted: &[DeletedRepo]) -> String {
    const SHOWN: usize = 5;
    let describe = |one: &DeletedRepo| {
        let packs = if one.packs == 1 { "1 pack".into() } else { format!("{} packs", one.packs) };
        format!("{} (deleted at {}, {packs})", one.repo_id, one.deleted_at)
    };
    let shown: Vec<String> = deleted.iter().take(SHOWN).map(describe).collect();
    let left_out = more(deleted.len().saturating_sub(SHOWN));
    format!("Deleted repos `{repo}`, for --id: {}{left_out}", shown.join(", "))
}

/// A name, escaped so that names that look alike can be distinguished.
pub(super) fn in_characters(name: &str) -> String {
    let shown = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.escape_unicode().to_string(),
    };
    escaped(&name.chars().map(shown).collect::<String>()).to_string()
}

pub(super) fn more(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!(" and {left_out} more") }
}

/// At most as much as a token's id has, so that a secret is never repeated.
pub(super) fn token_id(text: &str) -> String {
    text.chars().take(TOKEN_ID_DIGITS).collect()
}

pub(super) fn describe_conflicts(conflicts: &[BranchConflict]) -> String {
    let describe = |conflict: &BranchConflict| {
        let mut given: Vec<String> = conflict.given.iter().map(EntityId::to_string).collect();
        given.dedup();
        match conflict.stored {
            Some(stored) => format!(
                "branch `{}` is at {stored}, and the pushed {} does not descend from it",
                escaped(&conflict.branch),
                given.join(" or ")
            ),
            None => {
                format!(
                    "branch `{}`: the pushed heads don't descend from each other: {}",
                    escaped(&conflict.branch),
                    given.join(", ")
                )
            }
        }
    };
    conflicts.iter().map(describe).collect::<Vec<_>>().join("; ")
}
