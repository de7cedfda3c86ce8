//! Calls the component, and records the run to a tape if requested.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use packhouse_catalog::PackRow;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_run::{Host, Planner, RunError, RunPack};
use packhouse_tape::format::VERSION;
use packhouse_tape::record::{RecordingHost, Tape, TapeWriter};
use packhouse_tape::{EngineSettings, Header, Outcome, Question, Recorded};

use super::{Store, joined};

/// The tape to which runs are recorded.
#[derive(Debug)]
pub(super) struct TapeRecorder {
    path: PathBuf,
    last: Mutex<Option<Recorded>>,
}

/// The packs of a run, as its tape names them.
#[derive(Debug)]
pub(super) struct PacksOfRun {
    pub(super) keys: Vec<MpackKey>,
    /// Records of all of them.
    pub(super) records: u64,
}

impl From<&[RunPack]> for PacksOfRun {
    fn from(packs: &[RunPack]) -> PacksOfRun {
        PacksOfRun {
            keys: packs.iter().map(|pack| pack.directory.key).collect(),
            records: packs.iter().map(|pack| pack.directory.len()).sum(),
        }
    }
}

impl From<&[PackRow]> for PacksOfRun {
    fn from(packs: &[PackRow]) -> PacksOfRun {
        PacksOfRun {
            keys: packs.iter().map(|pack| pack.key).collect(),
            records: packs.iter().map(|pack| pack.records).sum(),
        }
    }
}

impl Store {
    /// The same store, with its runs recorded: each writes a tape to `path`, and replaces the
    /// previous one.
    ///
    /// A run is recorded whether it succeeds or fails. If the tape can't be written, the verb
    /// fails, and nothing is changed.
    pub fn recording(&self, path: &Path) -> Store {
        Store {
            recorder: Some(Arc::new(TapeRecorder {
                path: path.to_owned(),
                last: Mutex::new(None),
            })),
            ..self.clone()
        }
    }

    /// The tape of the last run of this store. `None` if no component ran, or nothing is recorded.
    pub fn recorded(&self) -> Option<Recorded> {
        let recorder = self.recorder.as_ref()?;
        recorder.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls the component, off the async threads.
    pub(super) async fn ask<T>(
        &self,
        verb: &str,
        repo: &RepoName,
        question: Question,
        packs: PacksOfRun,
        run: impl Host,
        ask: impl FnOnce(&dyn Planner, Box<dyn Host>) -> Result<T, RunError> + Send + 'static,
    ) -> Result<Result<T, RunError>>
    where
        T: Clone + Into<Outcome> + Send + 'static,
    {
        let planner = self.planner.clone();
        let Some(recorder) = self.recorder.clone() else {
            return joined(tokio::task::spawn_blocking(move || {
                ask(planner.as_ref(), Box::new(run))
            }))
            .await;
        };
        let header = self.header(verb, repo, question, packs);
        let writer = TapeWriter::begin(&recorder.path, self.clock.random_id(), header)?;
        joined(tokio::task::spawn_blocking(move || {
            let tape = Tape::new(writer);
            let answer = ask(planner.as_ref(), Box::new(RecordingHost::new(run, tape.clone())));
            let outcome = match &answer {
                Ok(answer) => answer.clone().into(),
                Err(error) => error.into(),
            };
            let recorded = tape.finish(&outcome)?;
            *recorder.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(recorded);
            Ok(answer)
        }))
        .await?
    }

    fn header(&self, verb: &str, repo: &RepoName, question: Question, packs: PacksOfRun) -> Header {
        let PacksOfRun { keys, records } = packs;
        let limits = self.planner.limits();
        let engine = EngineSettings {
            runtime: self.planner.runtime().to_owned(),
            memory: limits.memory_for(records) as u64,
            handed_over: limits.handed_over as u64,
            time_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            calls: limits.calls_for(records),
        };
        Header {
            tape: VERSION,
            made_by: concat!("packhouse ", env!("CARGO_PKG_VERSION")).to_owned(),
            component: self.planner.digest().to_owned(),
            world: self.planner.world().to_owned(),
            engine,
            verb: verb.to_owned(),
            repo: repo.to_string(),
            question,
            packs: keys,
            records,
        }
    }
}
