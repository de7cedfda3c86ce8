//! Calling the component, and recording the run on tape if requested.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Store, joined};
use crate::error::{Error, Result};
use crate::names::RepoName;
use crate::run::{RunHost, RunPack};
use crate::sandbox::{Host, RUNTIME, RunError, Sandbox};
use crate::tape::format::VERSION;
use crate::tape::record::{RecordingHost, Tape, TapeWriter};
use crate::tape::{EngineSettings, Header, Outcome, Question, Recorded};

/// Where runs go on tape.
#[derive(Debug)]
pub(super) struct TapeRecorder {
    path: PathBuf,
    last: Mutex<Option<Recorded>>,
}

impl Store {
    /// The same store, with its runs recorded: each is a tape at `path`, in the place of the one
    /// before.
    ///
    /// A run is recorded whatever comes of it. When the tape can't be written the verb fails, and
    /// nothing is changed.
    pub fn recording(&self, path: &Path) -> Store {
        Store {
            recorder: Some(Arc::new(TapeRecorder {
                path: path.to_owned(),
                last: Mutex::new(None),
            })),
            ..self.clone()
        }
    }

    /// The tape that the last run of this store made. `None` when no component ran, or nothing is
    /// recorded.
    pub fn recorded(&self) -> Option<Recorded> {
        let recorder = self.recorder.as_ref()?;
        recorder.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs the component on a question about packs, off the async threads.
    pub(super) async fn ask<T>(
        &self,
        verb: &str,
        repo: &RepoName,
        question: Question,
        packs: &[RunPack],
        run: RunHost,
        ask: impl FnOnce(&Sandbox, Box<dyn Host>) -> Result<T, RunError> + Send + 'static,
    ) -> Result<Result<T, RunError>>
    where
        T: Clone + Into<Outcome> + Send + 'static,
    {
        let sandbox = self.sandbox.clone();
        let Some(recorder) = self.recorder.clone() else {
            return joined(tokio::task::spawn_blocking(move || ask(&sandbox, Box::new(run)))).await;
        };
        let header = self.header(verb, repo, question, packs);
        let writer = TapeWriter::begin(&recorder.path, self.clock.random_id(), header)?;
        joined(tokio::task::spawn_blocking(move || {
            let tape = Tape::new(writer);
            let answer = ask(&sandbox, Box::new(RecordingHost::new(run, tape.clone())));
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

    fn header(&self, verb: &str, repo: &RepoName, question: Question, packs: &[RunPack]) -> Header {
        let records = packs.iter().map(|pack| pack.directory.len()).sum();
        let limits = self.sandbox.limits();
        let engine = EngineSettings {
            runtime: RUNTIME.to_owned(),
            memory: limits.memory_for(records) as u64,
            handed_over: limits.handed_over as u64,
            time_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX),
            calls: limits.calls_for(records),
        };
        Header {
            tape: VERSION,
            made_by: concat!("packhouse ", env!("CARGO_PKG_VERSION")).to_owned(),
            component: self.sandbox.digest().to_owned(),
            world: packhouse_artifact::WORLD.to_owned(),
            engine,
            verb: verb.to_owned(),
            repo: repo.to_string(),
            question,
            packs: packs.iter().map(|pack| pack.directory.key).collect(),
            records,
        }
    }
}

impl From<&RunError> for Outcome {
    fn from(error: &RunError) -> Outcome {
        match error {
            RunError::Fault(fault) => Outcome::Fault(fault.clone()),
            RunError::Host(Error::Component { reason, .. }) => Outcome::Stopped(reason.clone()),
            RunError::Host(error) => Outcome::Stopped(error.to_string()),
        }
    }
}
