//! Information about the store, what needs attention in it, and its change counter.

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use packhouse_model::access::{Caller, Scope};
use packhouse_model::error::Result;
use packhouse_model::report::{Changes, Health, StatusReport, SweptReport};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::{administers_all, administers_some};
use super::super::problem::{ApiResult, Problem};
use super::super::revocation::check_bearer;
use super::super::state::{AppState, SharedState};
use super::extract::QueryParams;
use super::paging::MAX_SAFE_INTEGER;

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(status)).routes(routes!(health)).routes(routes!(changes))
}

/// How long a request waits for a change: shorter than the timeouts of proxies.
const LONG_POLL: Duration = Duration::from_secs(20);

/// How often the catalog's stamp is read. That takes microseconds.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Returns information about the store, and the server's status.
#[utoipa::path(get, path = "/status", tag = "store", responses((status = 200, description = "The status", body = StatusReport)))]
async fn status(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Json<StatusReport>> {
    administers_some(&caller)?;
    let store = &state.store;
    let all = caller.may_everywhere(Scope::Admin);
    let swept = store.swept();
    let found = swept.removed > 0 || swept.in_use > 0;
    Ok(Json(StatusReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        component: store.component_digest().to_owned(),
        catalog: all.then(|| store.catalog_place()),
        vault: all.then(|| store.vault_place()),
        free_bytes: store.free_bytes()?,
        swept: found.then_some(SweptReport { removed: swept.removed, in_use: swept.in_use }),
    }))
}

/// Returns what needs attention in the store, in numbers. For administrators of the whole store.
#[utoipa::path(get, path = "/health", tag = "store", responses((status = 200, description = "The numbers", body = Health)))]
async fn health(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Json<Health>> {
    administers_all(&caller)?;
    Ok(Json(state.store.health().await?))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ChangesParams {
    /// The known stamp. Default: return the current one at once.
    #[param(minimum = 0, maximum = 9007199254740991u64)]
    since: Option<u64>,
}

/// Waits until the store's stamp changes, 20 seconds at most, and returns the stamp.
#[utoipa::path(get, path = "/changes", tag = "store", params(ChangesParams),
    responses((status = 200, description = "The stamp; unchanged when nothing has changed", body = Changes)))]
async fn changes(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(ChangesParams { since }): QueryParams<ChangesParams>,
) -> ApiResult<Json<Changes>> {
    administers_some(&caller)?;
    if since.is_some_and(|since| since > MAX_SAFE_INTEGER as u64) {
        return Err(Problem::malformed(format!(
            "since is more than {MAX_SAFE_INTEGER}, the largest stamp"
        )));
    }
    let until = Instant::now() + LONG_POLL;
    loop {
        let stamp = stamp(&state).await?;
        // The wait may have been long.
        check_bearer(&state.bearers, &caller).await?;
        if since != Some(stamp) || Instant::now() >= until {
            return Ok(Json(Changes { stamp }));
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = state.tasks.closed() => return Ok(Json(Changes { stamp })),
        }
    }
}

/// The store's stamp, mixed with a random number per start of the server, so that stamps of two
/// starts differ. It has 53 bits.
async fn stamp(state: &AppState) -> Result<u64> {
    let stamp = state.store.change_stamp().await?;
    Ok((stamp ^ state.start).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11)
}
