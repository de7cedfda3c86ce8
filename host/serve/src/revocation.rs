//! Tokens that expire or are revoked during a request or a run.

use std::time::Duration;

use axum::http::StatusCode;
use packhouse_model::access::Caller;
use packhouse_store::Store;

use super::bearers::Bearers;
use super::problem::{ApiResult, Problem};

/// Whether a caller's token is still valid: it may have been revoked or have expired since the
/// request began.
pub(super) async fn check_bearer(bearers: &Bearers, caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { token, .. } if bearers.caller_still(token).await?.is_none() => {
            Err(revoked())
        }
        _ => Ok(()),
    }
}

/// The same for an administrator, whose token is one of the store.
pub(super) async fn check_token(store: &Store, caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { token, .. } if store.caller_still(token).await?.is_none() => {
            Err(revoked())
        }
        _ => Ok(()),
    }
}

fn revoked() -> Problem {
    Problem::unauthorized("this token has expired or was revoked")
}

/// How often a token is checked during long work.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Ends when the token of a caller is no longer valid.
pub(super) async fn token_revoked(store: &Store, caller: &Caller) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        // If the catalog can't be reached for a moment, that says nothing about a token.
        if check_token(store, caller)
            .await
            .is_err_and(|problem| problem.status == StatusCode::UNAUTHORIZED)
        {
            return;
        }
    }
}
