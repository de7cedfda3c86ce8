//! `--record`: the planning goes on tape.

use std::path::{Path, PathBuf};

use packhouse_host::files::folder_for_user;
use packhouse_host::{Error, RepoName};

use crate::client::Client;
use crate::output::Output;
use crate::text::{escaped, plural, size};

/// The store, recording to `tape` if there is to be one.
pub(super) fn onto(client: &Client, tape: Option<&Path>) -> anyhow::Result<Client> {
    match (client, tape) {
        (client, None) => Ok(client.clone()),
        (Client::Local(store), Some(tape)) => Ok(Client::Local(store.recording(tape))),
        (Client::Remote(remote), Some(_)) => {
            let words = format!(
                "--record writes down a run where it runs, and that is {}; record there, without --remote",
                remote.place()
            );
            Err(Error::Usage(words).into())
        }
    }
}

/// Where the tape of a repo goes: `record` itself, or a file in it, when there are several or it is
/// a folder.
///
/// A `+` is in no repo's name: two repos never have one file.
pub(super) fn of_repo(record: &Path, repo: &RepoName, several: bool) -> anyhow::Result<PathBuf> {
    if !several && !record.is_dir() {
        return Ok(record.to_owned());
    }
    let is_new = !record.exists();
    std::fs::create_dir_all(record).map_err(|source| Error::Io {
        doing: "making",
        path: record.to_owned(),
        source,
    })?;
    if is_new {
        folder_for_user(record);
    }
    Ok(record.join(format!("{}.tape", repo.to_string().replace('/', "+"))))
}

/// Tells of the tape, or that there is none.
pub(super) fn print_tape(client: &Client, tape: Option<&Path>, output: &Output) {
    let (Some(tape), Client::Local(store)) = (tape, client) else { return };
    let file = escaped(&tape.display().to_string());
    match store.recorded() {
        Some(recorded) => {
            output.note(format!(
                "on tape: {} in {}, {file}",
                plural(recorded.calls, "call"),
                size(recorded.bytes)
            ));
        }
        None => output.note(format!("there was nothing to plan, and no tape was made at {file}")),
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
