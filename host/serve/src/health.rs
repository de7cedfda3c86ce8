//! Routes for health, readiness and metrics.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use packhouse_model::access::{Caller, Scope};
use packhouse_model::error::Class;
use packhouse_worker::store_metrics;
use serde::Serialize;

use super::problem::{ApiResult, Problem};
use super::state::SharedState;

pub(super) fn routes() -> Router<SharedState> {
    Router::new()
        .route("/health", get(health))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// The same, for `muse hub ping`.
async fn health() -> Json<Health> {
    Json(Health { status: "ok", service: "packhouse" })
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
}

/// The routes on the address for metrics only: no token is needed there.
pub(super) fn measured(state: SharedState) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/metrics", get(all_metrics))
        .with_state(state)
}

/// The process responds.
async fn alive() -> &'static str {
    "ok\n"
}

/// A row of the catalog can be written and deleted, and there is disk space for packs.
async fn ready(State(state): State<SharedState>) -> ApiResult<&'static str> {
    // This is not a conflict with another writer: a retry only helps after the operator has fixed
    // the cause.
    let not_ready = |detail: &str| Problem {
        class: Class::Refused,
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let unready = || not_ready("the store can't be written to; see the server's log");
    if !state.readiness.succeeds(state.store.probe_writing()).await {
        return Err(unready());
    }
    let free = state.store.free_bytes().map_err(|error| {
        tracing::warn!("not ready: {error}");
        unready()
    })?;
    match free {
        0 => Err(not_ready("the disk is full")),
        _ => Ok("ready\n"),
    }
}

/// For administrators of the whole store: the totals include private repos.
async fn metrics(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Response> {
    if !caller.may_everywhere(Scope::Admin) {
        let words = "metrics include private repos; send a token with scope admin for all repos (*), or serve metrics on their own address: --metrics-listen";
        let status =
            if caller == Caller::Anyone { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        return Err(Problem::new(status, words));
    }
    all_metrics(State(state)).await
}

/// Counts and sizes, without names of users or repos.
async fn all_metrics(State(state): State<SharedState>) -> ApiResult<Response> {
    let now = store_metrics(&state.store).await?;
    // Each ends with `# EOF`, which may only be at the end.
    let texts = [state.metrics.jobs.text(), state.metrics.text(), now];
    let body: String = texts.iter().map(|text| text.trim_end().trim_end_matches("# EOF")).collect();
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], body + "# EOF\n").into_response())
}
