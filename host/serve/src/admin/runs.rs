//! Routes of runs: start, show, cancel, follow.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::{Extension, Json};
use futures::{Stream, StreamExt, stream};
use packhouse_model::access::Caller;
use packhouse_model::operation::RunRequest;
use packhouse_model::report::{RunEvent, RunReport};
use packhouse_model::text::escaped;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::administers_some;
use super::super::problem::{ApiResult, Problem};
use super::super::revocation::token_revoked;
use super::super::runs::Run;
use super::super::state::{AppState, SharedState};
use super::extract::{JsonBody, PathParams};
use super::repo::store_to_change;

/// Minimum interval of progress events: people don't read faster.
const PACE: Duration = Duration::from_millis(50);

/// Interval of keep-alive events: a client that misses some of them knows that the connection is
/// broken.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(begin, show, stop))
        .routes(routes!(events))
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path; axum reads that as it is")]
struct RunPath {
    /// The id that the client chose: 32 random hexadecimal digits.
    #[param(pattern = "^[0-9a-f]{32}$")]
    id: String,
}

/// Lists runs, newest first: the queued and active ones, and the last finished ones.
#[utoipa::path(get, path = "/runs", tag = "runs", responses((status = 200, description = "Runs", body = Vec<RunReport>)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Json<Vec<RunReport>>> {
    administers_some(&caller)?;
    // Without results: they may be long, and `GET /runs/ID` returns them.
    let brief = |run: &Arc<Run>| RunReport { result: None, ..run.report() };
    Ok(Json(state.runs.seen_by(&caller).iter().map(brief).collect()))
}

/// Starts a run. Repeating the request returns the same run; another request with the same id is a
/// conflict.
#[utoipa::path(put, path = "/runs/{id}", tag = "runs", params(RunPath), request_body = RunRequest,
    responses((status = 202, description = "The run", body = RunReport)))]
async fn begin(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
    JsonBody(asked): JsonBody<RunRequest>,
) -> ApiResult<(StatusCode, Json<RunReport>)> {
    let store = store_to_change(&state, &caller, asked.repo.as_ref()).await?;
    if !(id.len() == 32 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))) {
        return Err(Problem::malformed("a run id has 32 lower-case hexadecimal digits"));
    }
    asked.check()?;
    let run = state.runs.begin(&id, asked, caller, store)?;
    Ok((StatusCode::ACCEPTED, Json(run.report())))
}

/// A run, if the caller may see it. Others don't learn whether it exists.
fn run_of(state: &AppState, caller: &Caller, id: &str) -> ApiResult<Arc<Run>> {
    administers_some(caller)?;
    let unknown = || {
        let words =
            format!("there is no run {}; the server may have been restarted since", escaped(id));
        Problem::new(StatusCode::NOT_FOUND, words)
    };
    state.runs.find(id).filter(|run| run.is_seen_by(caller)).ok_or_else(unknown)
}

/// Returns a run, with its result.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(RunPath),
    responses((status = 200, description = "The run", body = RunReport)))]
async fn show(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> ApiResult<Json<RunReport>> {
    Ok(Json(run_of(&state, &caller, &id)?.report()))
}

/// Cancels a run at its next safe point. A finished run stays unchanged.
#[utoipa::path(delete, path = "/runs/{id}", tag = "runs", params(RunPath),
    responses((status = 202, description = "The state of the run", body = RunReport)))]
async fn stop(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> ApiResult<(StatusCode, Json<RunReport>)> {
    let run = run_of(&state, &caller, &id)?;
    run.stop();
    Ok((StatusCode::ACCEPTED, Json(run.report())))
}

/// Streams the events of a run, as server-sent events: `progress` (a Step), then `done` or
/// `failed`, which is the last. Resumes after `Last-Event-ID`.
#[utoipa::path(get, path = "/runs/{id}/events", tag = "runs",
    params(RunPath, ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event received")),
    responses((status = 200, description = "Events, each with the JSON of a RunEvent", body = String, content_type = "text/event-stream")))]
async fn events(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
    headers: HeaderMap,
) -> ApiResult<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let run = run_of(&state, &caller, &id)?;
    // A malformed id gets all events.
    let last = headers
        .get("last-event-id")
        .and_then(|last| last.to_str().ok())
        .and_then(|last| last.parse().ok());
    let events =
        stream::unfold(EventStream::new(run.clone(), last.unwrap_or(0)), EventStream::next);
    // The stream ends when the token is revoked.
    let closed = Box::pin(async move {
        tokio::select! {
            () = state.tasks.closed() => {}
            () = token_revoked(&state.bearers, &caller) => {
                // A client may conclude from the end of the events that the run has stopped.
                if run.caller == caller {
                    run.stop();
                }
            }
        }
    });
    let keep_alive = KeepAlive::new().interval(HEARTBEAT).text("still here");
    Ok(Sse::new(events.take_until(closed)).keep_alive(keep_alive))
}

/// A client that follows a run.
struct EventStream {
    run: Arc<Run>,
    bell: watch::Receiver<()>,
    last: u64,
    waiting: VecDeque<(u64, RunEvent)>,
    heard_the_end: bool,
}

impl EventStream {
    fn new(run: Arc<Run>, last: u64) -> EventStream {
        EventStream { bell: run.bell(), run, last, waiting: VecDeque::new(), heard_the_end: false }
    }

    async fn next(mut self) -> Option<(Result<Event, Infallible>, EventStream)> {
        loop {
            if let Some((seq, event)) = self.waiting.pop_front() {
                self.last = seq;
                return Some((Ok(written(seq, &event)), self));
            }
            if self.heard_the_end {
                return None;
            }
            self.bell.mark_unchanged();
            self.waiting = self.news();
            if self.waiting.is_empty() && !self.heard_the_end {
                // This holds the run, and with it the sender.
                let _ = self.bell.changed().await;
                // Events in quick succession are sent at once: only the last of each phase counts.
                if !self.run.has_ended() {
                    tokio::time::sleep(PACE).await;
                }
            }
        }
    }

    fn news(&mut self) -> VecDeque<(u64, RunEvent)> {
        let (events, has_ended) = self.run.events_since(self.last);
        self.heard_the_end = has_ended;
        events.into()
    }
}

fn written(seq: u64, event: &RunEvent) -> Event {
    let name = match event {
        RunEvent::Progress(_) => "progress",
        RunEvent::Done { .. } => "done",
        RunEvent::Failed { .. } => "failed",
    };
    // Reports are plain data: writing them does not fail.
    let data = serde_json::to_string(event).unwrap_or_default();
    Event::default().id(seq.to_string()).event(name).data(data)
}
