//! The work of a run.

use std::sync::Arc;
use std::time::Duration;

use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::options::PruneOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{GcReport, RunFailed, RunRequest, RunState, Step};
use packhouse_store::Store;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::revocation::{check_token, token_revoked};
use super::log::RunEnd;
use super::run::Run;

/// Does the work of a run, and records its end, also when it panics.
pub(super) async fn do_it(room: &Arc<Semaphore>, run: &Arc<Run>) {
    let working = {
        let (room, run) = (room.clone(), run.clone());
        tokio::spawn(async move { work(room, &run).await })
    };
    let mut ended = std::pin::pin!(working);
    let revoked = token_revoked(&run.store, &run.caller);
    let ended = tokio::select! {
        ended = &mut ended => ended,
        () = revoked => {
            run.stop();
            ended.await
        }
    };
    // Others may have noticed first.
    let revoked = matches!(&ended, Ok(Err(error)) if error.is_cancelled())
        && check_token(&run.store, &run.caller).await.is_err();
    let outcome = match ended {
        Ok(Err(_)) if revoked => {
            Err(RunFailed { state: RunState::Cancelled, ..refused(TOKEN_GONE) })
        }
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(refused("internal error; see the server's log. Nothing was changed")),
    };
    run.events.end(RunEnd { at: run.store.now(), outcome });
}

/// Why a run stops whose token is no longer valid.
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
    // It may have waited for long.
    if let Err(problem) = check_token(&run.store, &run.caller).await {
        return Err(Error::TokenEnded { reason: problem.detail });
    }
    let (store, progress) = (&run.store, &run.progress);
    let age = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    match &run.asked {
        RunRequest::Plan { repo, expire_unreachable_seconds } => answer(
            &store.plan_gc_expiring(repo, age(*expire_unreachable_seconds), progress).await?.report,
        ),
        RunRequest::Gc { repo, plan_digest: None, expire_unreachable_seconds } => {
            answer(&store.gc_expiring(repo, age(*expire_unreachable_seconds), progress).await?)
        }
        RunRequest::Gc { repo, plan_digest: Some(digest), expire_unreachable_seconds } => answer(
            &as_planned(store, repo, digest, age(*expire_unreachable_seconds), progress).await?,
        ),
        RunRequest::Verify { repo, repair: false } => answer(&store.verify(repo, progress).await?),
        RunRequest::Verify { repo, repair: true } => answer(&store.repair(repo, progress).await?),
        RunRequest::Prune { grace_seconds, orphans, dry_run, trust_verified_seconds } => {
            let (grace, trust_verified) =
                (Duration::from_secs(*grace_seconds), Duration::from_secs(*trust_verified_seconds));
            let options = PruneOptions {
                grace,
                orphans: *orphans,
                newer: false,
                dry_run: *dry_run,
                trust_verified,
            };
            answer(&store.prune(options, progress).await?)
        }
    }
}

/// Waits until there is room for one more.
async fn wait_for_room(room: Arc<Semaphore>, run: &Run) -> Result<OwnedSemaphorePermit> {
    if let Ok(room) = room.clone().try_acquire_owned() {
        return Ok(room);
    }
    let repo = run.asked.repo().map_or_else(|| "the store".to_owned(), RepoName::to_string);
    run.events.add(Step { repo, phase: "queued".into(), done: 0, total: 0 });
    tokio::select! {
        // The semaphore is never closed.
        room = room.acquire_owned() => room.map_err(|_| Error::Cancelled),
        () = run.stopped() => Err(Error::Cancelled),
    }
}

/// Plans again, and applies the plan if it is the one that was shown. Plans are not kept: they may
/// be large, and the client may never come back.
async fn as_planned(
    store: &Store,
    repo: &RepoName,
    digest: &str,
    age: Option<Duration>,
    progress: &Progress,
) -> Result<GcReport> {
    let plan = store.plan_gc_expiring(repo, age, progress).await?;
    let same = plan.report.plan_digest.as_deref().unwrap_or(RunRequest::NOTHING) == digest;
    // A push that came since would stay beside the new pack, which was not what the plan showed.
    if !same || !store.is_current(&plan).await? {
        // A client that starts a run again after a restart of the server may have had it done
        // before: then that is the result.
        if let Some(done) = store.done_as_planned(repo, digest).await? {
            return Ok(done);
        }
        return Err(Error::PlanChanged(repo.clone()));
    }
    store.apply_gc(plan, progress).await
}

fn answer(report: &impl Serialize) -> Result<Box<RawValue>> {
    // Reports are plain data, whose maps have strings as keys.
    to_raw_value(report).map_err(Error::Serialization)
}
