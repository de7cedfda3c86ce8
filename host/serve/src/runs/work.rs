//! The work of a run.

use std::sync::Arc;

use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::{GcOptions, Operation, RunRequest};
use packhouse_model::progress::Progress;
use packhouse_model::report::{GcReport, Report, RunFailed, RunState, Step};
use packhouse_store::Store;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Instrument;

use super::super::revocation::{check_bearer, token_revoked};
use super::log::RunEnd;
use super::run::Run;

/// Does the work of a run, and records its end, also when it panics.
pub(super) async fn do_it(room: &Arc<Semaphore>, run: &Arc<Run>) {
    let working = {
        let (room, run) = (room.clone(), run.clone());
        tokio::spawn(async move { work(room, &run).await }.in_current_span())
    };
    let mut ended = std::pin::pin!(working);
    let revoked = token_revoked(&run.bearers, &run.caller);
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = revoked => {
            run.stop();
            ended.await
        }
    };
    // Another task may have noticed first.
    let revoked = matches!(&ended, Ok(Err(error)) if error.is_cancelled())
        && check_bearer(&run.bearers, &run.caller).await.is_err();
    let outcome = match ended {
        Ok(Err(_)) if revoked => {
            Err(RunFailed { state: RunState::Cancelled, ..refused(TOKEN_GONE) })
        }
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(refused("internal error; see the server's log. Nothing was changed")),
    };
    run.events.end(RunEnd { at: run.store.now(), outcome });
}

/// The error of a run whose token is no longer valid.
const TOKEN_GONE: &str =
    "the token that started it has expired or was revoked; nothing more was published";

fn refused(detail: &str) -> RunFailed {
    RunFailed {
        state: RunState::Failed,
        detail: detail.into(),
        class: Class::Refused.as_str().into(),
    }
}

fn failed(error: &Error) -> RunFailed {
    let state = if error.is_cancelled() { RunState::Cancelled } else { RunState::Failed };
    RunFailed { state, detail: error.to_string(), class: error.class().as_str().to_owned() }
}

async fn work(room: Arc<Semaphore>, run: &Run) -> Result<Box<RawValue>> {
    let _room = wait_for_room(room, run).await?;
    // The wait may have been long.
    if let Err(problem) = check_bearer(&run.bearers, &run.caller).await {
        return Err(Error::TokenEnded { reason: problem.detail });
    }
    let (store, progress, asked) = (&run.store, &run.progress, &run.asked);
    let report = match (&asked.repo, &asked.operation, &asked.plan_digest) {
        (Some(repo), Operation::Gc(options), Some(digest)) => {
            Report::Gc(Box::new(as_planned(store, repo, *options, digest, progress).await?))
        }
        (repo, operation, _) => store.run(repo.as_ref(), operation, progress).await?,
    };
    // Reports are plain data, whose maps have strings as keys.
    to_raw_value(&report).map_err(Error::Serialization)
}

/// Waits for a slot.
async fn wait_for_room(room: Arc<Semaphore>, run: &Run) -> Result<OwnedSemaphorePermit> {
    if let Ok(room) = room.clone().try_acquire_owned() {
        return Ok(room);
    }
    let repo = run.asked.repo.as_ref().map_or_else(|| "the store".to_owned(), RepoName::to_string);
    run.events.add(Step { repo, phase: "queued".into(), done: 0, total: 0 });
    tokio::select! {
        // The semaphore is never closed.
        room = room.acquire_owned() => room.map_err(|_| Error::Cancelled),
        () = run.progress.cancelled() => Err(Error::Cancelled),
    }
}

/// Plans again, and applies the plan if it is the one that was shown. Plans are not kept: they may
/// be large, and the client may never come back.
async fn as_planned(
    store: &Store,
    repo: &RepoName,
    options: GcOptions,
    digest: &str,
    progress: &Progress,
) -> Result<GcReport> {
    let plan = store.plan_gc(repo, options, progress).await?;
    let same = plan.report.phase.plan_digest.as_deref().unwrap_or(RunRequest::NOTHING) == digest;
    // A push since then would leave a second pack, which is not what the plan showed.
    if !same || !store.is_current(&plan).await? {
        // After a restart of the server, a client may start a run again that was already done: then
        // that is the result.
        if let Some(done) = store.done_as_planned(repo, digest).await? {
            return Ok(done);
        }
        return Err(Error::PlanChanged(repo.clone()));
    }
    store.apply_gc(plan, progress).await
}
