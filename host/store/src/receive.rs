//! Files of a push: taken into staging, hashed, read back and scanned.
//!
//! A file is read once, and never trusted; what is in staging becomes a pack of the vault only when
//! all of the push is known to be sound.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_catalog::{EntityKey, entity_key};
use packhouse_model::error::{Error, PushError, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::span::TARGET;
use packhouse_pack::pipeline::{CHUNK, Produce, WriteError};
use packhouse_pack::{BadPack, Directory, WrittenPack, write_and_read_back};
use packhouse_vault::StagedFile;

use super::{Store, blocking};

/// Files of a push from the disk whose storing starts as soon as they are received; that of others when
/// all of the push is known to be sound. Each takes a thread. Uploads are bounded elsewhere.
const STARTED_EARLY: usize = 32;

/// A file of a push, in staging or stored already.
#[derive(Debug)]
pub struct StagedPack {
    pub(super) file: PathBuf,
    pub(crate) written: Arc<WrittenPack>,
    pub(super) staged: Option<StagedFile>,
    /// Open for the component's reads, wherever the staged file has been moved.
    pub(super) bytes: File,
}

/// The bytes of a push before a file of it, and in total (0 when unknown): for progress.
#[derive(Clone, Copy, Debug, Default)]
pub struct UploadProgress {
    /// Bytes of the files before.
    pub before: u64,
    /// Bytes of all files; 0 when unknown.
    pub total: u64,
}

/// Reads a file front to back.
pub(super) struct FileSource {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl FileSource {
    fn open(path: PathBuf) -> Result<FileSource> {
        let file = File::open(&path).map_err(Error::io("opening", &path))?;
        if file.metadata().map_err(Error::io("opening", &path))?.is_dir() {
            return Err(Error::Usage(format!("{} is a folder; push takes files", path.display())));
        }
        Ok(FileSource { file, path })
    }
}

impl Produce for FileSource {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        use std::io::Read;
        let room = CHUNK as u64;
        (&self.file).take(room).read_to_end(chunk).map_err(Error::io("reading", &self.path))?;
        Ok(())
    }
}

impl Store {
    /// Takes files into staging and reads them back.
    pub(super) async fn receive_all(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        progress: &Progress,
    ) -> Result<Vec<StagedPack>> {
        if files.is_empty() {
            return Err(Error::Usage("a push needs at least one file".into()));
        }
        let total: u64 =
            files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum();
        // How long the directories will be is known when the records are: a guess.
        self.need_space(total.saturating_add(total / 16))?;
        let mut received = Vec::with_capacity(files.len());
        let mut done = 0;
        for file in files {
            let path = file.clone();
            let source = blocking(move || FileSource::open(path)).await?;
            let upload = UploadProgress { before: done, total };
            let mut one =
                self.receive(repo, file.clone(), Box::new(source), upload, progress).await?;
            done += one.written.bytes;
            if received.len() < STARTED_EARLY {
                self.start_store(&mut one);
            }
            received.push(one);
        }
        Ok(received)
    }

    fn start_store(&self, received: &mut StagedPack) {
        if let Some(staged) = &mut received.staged {
            self.vault.start_store(staged);
        }
    }

    /// Takes a pack into staging and reads it back, wherever its bytes come from. `name` is what it
    /// is called in reports and errors.
    ///
    /// # Errors
    /// [`PushError::BadPack`]; whatever the source fails with.
    pub async fn receive_from(
        &self,
        repo: &RepoName,
        name: PathBuf,
        source: Box<dyn Produce>,
        upload: UploadProgress,
        progress: &Progress,
    ) -> Result<StagedPack> {
        let mut received = self.receive(repo, name, source, upload, progress).await?;
        self.start_store(&mut received);
        Ok(received)
    }

    #[tracing::instrument(target = TARGET, name = "receive pack", skip_all)]
    async fn receive(
        &self,
        repo: &RepoName,
        name: PathBuf,
        mut source: Box<dyn Produce>,
        upload: UploadProgress,
        progress: &Progress,
    ) -> Result<StagedPack> {
        let staged = self.stage().await?;
        let (repo, progress) = (repo.to_string(), progress.clone());
        let (staged, written) = blocking(move || {
            let mut tick =
                |done| progress.at(&repo, Phase::Receive, upload.before + done, upload.total);
            let written =
                write_and_read_back(&staged.file, staged.path(), source.as_mut(), &mut tick);
            Ok((staged, written))
        })
        .await?;
        match written {
            Ok(written) => {
                let bytes = staged.file.try_clone().map_err(Error::io("opening", staged.path()))?;
                Ok(StagedPack {
                    file: name,
                    written: Arc::new(written),
                    staged: Some(staged),
                    bytes,
                })
            }
            Err(WriteError::Failed(error)) => Err(error),
            Err(WriteError::Bad(BadPack { offset, record, reason })) => {
                Err(Error::Push(PushError::BadPack { file: name, offset, record, reason }))
            }
        }
    }

    /// Stores some of the received files as packs, if they are not yet stored: a second try finds
    /// them stored by the first.
    #[tracing::instrument(target = TARGET, name = "store packs", skip_all)]
    pub(super) async fn store_received(
        &self,
        repo: &RepoName,
        received: &mut [StagedPack],
        files: &[usize],
        progress: &Progress,
    ) -> Result<()> {
        let (mut staged, mut written) = (Vec::new(), Vec::new());
        for file in files {
            let one = &mut received[*file];
            if let Some(file) = one.staged.take() {
                staged.push((file, one.written.key));
                written.push(one.written.clone());
            }
        }
        let bytes = written.iter().map(|one| one.bytes).sum();
        self.store_with_progress(&repo.to_string(), staged, bytes, progress).await?;
        for one in written {
            self.keep_directory(Directory::of(one.key, one.bytes, &one.scanned)).await;
        }
        Ok(())
    }
}

/// Refuses a push that would do something and names a branch as none may be named. What a repo has
/// under such a name stays.
pub(super) fn refuse_bad_branches(received: &[StagedPack]) -> Result<()> {
    let bad =
        received.iter().find_map(|one| Some((&one.file, one.written.scanned.bad_branch.clone()?)));
    match bad {
        None => Ok(()),
        Some((file, BadPack { offset, record, reason })) => {
            Err(Error::Push(PushError::BadPack { file: file.clone(), offset, record, reason }))
        }
    }
}

/// All entities of files, in order, each once.
pub(super) fn entities_of<'a>(
    received: impl IntoIterator<Item = &'a StagedPack>,
) -> Vec<EntityKey> {
    let rows = received.into_iter().flat_map(|one| &one.written.scanned.rows);
    let mut entities: Vec<EntityKey> = rows.map(|row| entity_key(row.kind, row.id)).collect();
    entities.sort_unstable();
    entities.dedup();
    entities
}
