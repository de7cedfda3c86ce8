//! `--record`: records the planning to a tape.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use packhouse_host::files::folder_for_user;
use packhouse_host::{Client, Error, RepoName, Store};

use crate::context::Context;
use crate::output::Output;
use crate::text::{escaped, plural, size};

/// A client whose planning is recorded, if it is to be.
pub(super) struct Recorder {
    client: Arc<dyn Client>,
    /// The same store, and its tape.
    recording: Option<(Store, PathBuf)>,
}

impl Recorder {
    /// The client that the context has opened, recording to `tape` if there is one.
    pub(super) fn new(
        client: &Arc<dyn Client>,
        tape: Option<PathBuf>,
        context: &Context,
    ) -> anyhow::Result<Recorder> {
        let Some(tape) = tape else {
            return Ok(Recorder { client: client.clone(), recording: None });
        };
        let Some(store) = context.opened_store() else {
            let message = format!(
                "--record needs the store itself, which is on {}; run it there, without --remote",
                client.place()
            );
            return Err(Error::Usage(message).into());
        };
        let store = store.recording(&tape);
        Ok(Recorder { client: Arc::new(store.clone()), recording: Some((store, tape)) })
    }

    /// The client.
    pub(super) fn client(&self) -> &dyn Client {
        self.client.as_ref()
    }

    /// Prints where the tape is, or that there is none.
    pub(super) fn print_tape(&self, output: &Output) {
        let Some((store, tape)) = &self.recording else { return };
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
