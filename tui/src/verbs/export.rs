//! `packhouse export`: the files of a commit, as files.
//!
//! ```text
//! files of the commit ─▶ objects, each read once ─▶ a new folder beside DIR, synced ─▶ DIR
//! ```
//!
//! DIR is there with every file, or not at all. Paths come from clients: none leaves the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use packhouse_host::{Client, CommittedFile, Error, FilesQuery, Progress, RepoName, files};
use serde::Serialize;
use tempfile::TempDir;

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, plural, short_id, size};

/// Objects that are read at once: a server answers each after a while.
const READ_AT_ONCE: usize = 8;

/// `packhouse export …`
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// The folder to create; an empty one is replaced
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// ID of a commit, its first 4 digits or more, or the name of a branch [default: the default
    /// branch]
    #[arg(long, value_name = "COMMIT", allow_hyphen_values = true)]
    commit: Option<String>,
}

/// What was written.
#[derive(Debug, Serialize)]
struct ExportReport {
    repo: RepoName,
    commit: Option<String>,
    folder: PathBuf,
    files: u64,
    bytes: u64,
}

/// Writes the files of a commit.
pub(crate) async fn run(args: Export, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let folder = std::path::absolute(&args.folder)?;
    let within = check_free(&folder)?;
    let client = context.client_to_read().await?;
    let watch = context.bars.watch(BAR_DELAY);
    let report = watched(output, watch.progress(), async {
        let commit = match args.commit {
            Some(commit) => commit,
            None => client.repo(&args.repo).await?.default_branch,
        };
        let listed = list(client.as_ref(), &args.repo, commit, watch.progress()).await?;
        let staged = tempfile::Builder::new().prefix(".packhouse-export-").tempdir_in(within);
        let staged = staged.map_err(Error::io("creating a folder in", within))?;
        let bytes =
            write_all(client.as_ref(), &args.repo, &listed, staged.path(), watch.progress())
                .await?;
        publish(staged, &folder)?;
        let commit = listed.first().map(|file| file.commit.clone());
        let files = listed.len() as u64;
        let repo = args.repo;
        Ok(ExportReport { repo, commit, folder: folder.clone(), files, bytes })
    })
    .await?;
    drop(watch);
    output.result(&report, || {
        let folder = output.paint(Tone::Name, escaped(&report.folder.display().to_string()));
        let of =
            report.commit.as_deref().map_or_else(|| "a commit without files".to_owned(), short_id);
        vec![format!(
            "{} ({}) of {of} in {folder}",
            plural(report.files, "file"),
            size(report.bytes)
        )]
    })?;
    Ok(Exit::Done)
}

/// Refuses a folder that has something. Returns the folder that it will be in.
fn check_free(folder: &Path) -> Result<&Path, Error> {
    let shown = || escaped(&folder.display().to_string());
    if folder.is_symlink() {
        return Err(Error::Usage(format!("{} is a link; name a new folder", shown())));
    }
    match std::fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => {}
        Ok(false) => {
            return Err(Error::Usage(format!("{} is not empty; name a new folder", shown())));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io("opening", folder)(error)),
    }
    match folder.parent() {
        Some(within) if within.is_dir() => Ok(within),
        _ => Err(Error::Usage(format!("{}: there is no folder to create it in", shown()))),
    }
}

/// All files of a commit.
async fn list(
    client: &dyn Client,
    repo: &RepoName,
    commit: String,
    progress: &Progress,
) -> anyhow::Result<Vec<CommittedFile>> {
    let mut query = FilesQuery { commit, path: None, after: None, limit: u32::MAX };
    let mut listed = Vec::new();
    loop {
        stop_if_cancelled(progress)?;
        let page = client.files(repo, &query).await?;
        if let Some(snapshot) = page.missing_snapshot {
            anyhow::bail!(
                "the history of {repo} is shallow: files that only snapshot {snapshot} lists are not in \
                 it. Nothing was written; push or import the rest first"
            );
        }
        // The same commit on every page, even if the branch moves.
        if let Some(file) = page.files.first() {
            query.commit.clone_from(&file.commit);
        }
        listed.extend(page.files);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(listed),
        }
    }
}

/// Writes files to a new folder, and syncs them. Returns their bytes.
async fn write_all(
    client: &dyn Client,
    repo: &RepoName,
    listed: &[CommittedFile],
    folder: &Path,
    progress: &Progress,
) -> anyhow::Result<u64> {
    let mut by_object: BTreeMap<&str, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = BTreeSet::from([folder.to_owned()]);
    for file in listed {
        let relative = relative(&file.path).ok_or_else(|| {
            anyhow::anyhow!(
                "the file `{}` of commit {} would be outside of the folder; nothing was written",
                escaped(&file.path),
                file.commit
            )
        })?;
        let path = folder.join(relative);
        let above = path.ancestors().skip(1).take_while(|above| *above != folder);
        folders.extend(above.map(Path::to_owned));
        by_object.entry(&file.object).or_default().push(path);
    }
    for path in &folders {
        std::fs::create_dir_all(path).map_err(|error| clash(error, path, folder))?;
        files::folder_for_user(path);
    }
    let written = by_object.iter().map(async |(object, paths)| {
        stop_if_cancelled(progress)?;
        write_object(client, repo, object, paths, folder).await
    });
    let sizes: Vec<u64> =
        stream::iter(written).buffer_unordered(READ_AT_ONCE).try_collect().await?;
    let opened = File::open(folder).map_err(Error::io("opening", folder))?;
    rustix::fs::syncfs(&opened).map_err(|error| Error::io("writing", folder)(error.into()))?;
    Ok(sizes.iter().sum())
}

/// Writes an object to all of its paths. Returns their bytes together.
async fn write_object(
    client: &dyn Client,
    repo: &RepoName,
    object: &str,
    paths: &[PathBuf],
    folder: &Path,
) -> anyhow::Result<u64> {
    let Some((first, others)) = paths.split_first() else { return Ok(0) };
    let create = |path: &Path| {
        let file = File::create_new(path).map_err(|error| clash(error, path, folder))?;
        files::for_user(&file);
        anyhow::Ok(file)
    };
    let (mut file, mut bytes) = (create(first)?, 0);
    let mut stream = client.content(repo, object).await?.stream;
    while let Some(chunk) = stream.try_next().await? {
        file.write_all(&chunk).map_err(Error::io("writing", first))?;
        bytes += chunk.len() as u64;
    }
    for path in others {
        let mut read = File::open(first).map_err(Error::io("reading", first))?;
        std::io::copy(&mut read, &mut create(path)?).map_err(Error::io("writing", path))?;
    }
    Ok(bytes * paths.len() as u64)
}

/// A path that could not be created. Of two that exclude each other, it is the second.
fn clash(error: std::io::Error, path: &Path, folder: &Path) -> anyhow::Error {
    let shown = path.strip_prefix(folder).unwrap_or(path).display().to_string();
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            anyhow::anyhow!(
                "`{}` is a file and a folder in this commit, or two names for one on this disk; nothing was \
                 written",
                escaped(&shown)
            )
        }
        _ => Error::io("creating", path)(error).into(),
    }
}

/// The path of a file within a folder; none for one that leads out of it, or is no path at all.
fn relative(path: &str) -> Option<PathBuf> {
    let is_name = |name: &str| !name.is_empty() && name != "." && name != "..";
    (path.split('/').all(is_name) && !path.contains('\0')).then(|| PathBuf::from(path))
}

/// Moves the finished folder to its place.
fn publish(staged: TempDir, folder: &Path) -> Result<(), Error> {
    // Onto an empty folder, too; one that has got something in the meantime is left alone.
    std::fs::rename(staged.path(), folder).map_err(Error::io("creating", folder))?;
    let _moved = staged.keep();
    let within = folder.parent().unwrap_or(folder);
    File::open(within).and_then(|within| within.sync_all()).map_err(Error::io("writing", within))
}

fn stop_if_cancelled(progress: &Progress) -> Result<(), Error> {
    if progress.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in ["a", "a/b.c", ".hidden", "a/..b", "a b", "ä/\\"] {
            assert_eq!(relative(path).as_deref(), Some(Path::new(path)));
        }
        for path in ["", "/", "/etc/passwd", "..", "../a", "a/../../b", "a//b", "a/", "./a", "a\0b"]
        {
            assert_eq!(relative(path), None, "{path:?}");
        }
    }

    #[test]
    fn only_a_free_place_is_taken() {
        let there = tempfile::tempdir().unwrap();
        std::fs::create_dir(there.path().join("empty")).unwrap();
        std::fs::write(there.path().join("file"), b"x").unwrap();
        for free in ["new", "empty"] {
            assert_eq!(check_free(&there.path().join(free)).unwrap(), there.path());
        }
        assert!(check_free(there.path()).is_err(), "it has something");
        std::os::unix::fs::symlink(there.path().join("empty"), there.path().join("link")).unwrap();
        assert!(check_free(&there.path().join("link")).is_err());
        for taken in ["file", "no/new", "file/new"] {
            assert!(check_free(&there.path().join(taken)).is_err(), "{taken}");
        }
    }
}
