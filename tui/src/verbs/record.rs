//! `--record`: records the planning to a tape.

use std::path::{Path, PathBuf};

use packhouse_host::files::folder_for_user;
use packhouse_host::{Error, RepoName};

use crate::client::Client;
use crate::output::Output;
use crate::text::{escaped, plural, size};

/// The store, recording to `tape` if there is one.
pub(super) fn onto(client: &Client, tape: Option<&Path>) -> anyhow::Result<Client> {
    match (client, tape) {
        (client, None) => Ok(client.clone()),
        (Client::Local(store), Some(tape)) => Ok(Client::Local(store.recording(tape))),
        (Client::Remote(remote), Some(_)) => {
            let message = format!(
                "--record needs the store itself, which is on {}; run it there, without --remote",
                remote.place()
            );
            Err(Error::Usage(message).into())
        }
    }
}

/// The file for the tape of a repo: `record` itself, or a file in it if there are several repos or
/// it is a folder.
///
/// Repo names have no `+`, so two repos never share a file.
pub(super) fn of_repo(record: &Path, repo: &RepoName, several: bool) -> anyhow::Result<PathBuf> {
    if !several && !record.is_dir() {
        return Ok(record.to_owned());
    }
    let is_new = !record.exists();
    std::fs::create_dir_all(record).map_err(|source| Error::Io {
        doing: "creating",
        path: record.to_owned(),
        source,
    })?;
    if is_new {
        folder_for_user(record);
    }
    Ok(record.join(format!("{}.tape", repo.to_string().replace('/', "+"))))
}

/// Prints where the tape is, or that there is none.
pub(super) fn print_tape(client: &Client, tape: Option<&Path>, output: &Output) {
    let (Some(tape), Client::Local(store)) = (tape, client) else { return };
    let file = escaped(&tape.display().to_string());
    match store.recorded() {
        Some(recorded) => {
            output.note(format!(
                "Recorded {} ({}) to {file}",
                plural(recorded.calls, "call"),
                size(recorded.bytes)
            ));
        }
        None => output.note(format!("Nothing was planned, so no tape was written to {file}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_repo_has_the_file_and_several_have_one_each() {
        let folder = tempfile::tempdir().unwrap();
        let repo = |name: &str| name.parse::<RepoName>().unwrap();
        let (file, tapes) = (folder.path().join("t"), folder.path().join("tapes"));
        assert_eq!(of_repo(&file, &repo("a/b"), false).unwrap(), file);
        assert!(!file.exists());
        assert_eq!(of_repo(&tapes, &repo("a/b"), true).unwrap(), tapes.join("a+b.tape"));
        assert_eq!(
            of_repo(&tapes, &repo("a/b"), false).unwrap(),
            tapes.join("a+b.tape"),
            "it is a folder by now"
        );
        assert_ne!(
            of_repo(&tapes, &repo("a--b/c"), true).unwrap(),
            of_repo(&tapes, &repo("a/b--c"), true).unwrap()
        );
    }
}
