//! Tokens that expire or are revoked during a request or a run.

use std::time::Duration;

use axum::http::StatusCode;
use packhouse_model::access::Caller;

use super::bearers::Bearers;
use super::problem::{ApiResult, Problem};

/// Whether a caller's token is still valid: it may have been revoked or have expired since the
/// request began.
pub(super) async fn check_bearer(bearers: &Bearers, caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { token, .. } if bearers.caller_still(token).await?.is_none() => {
            Err(Problem::unauthorized("this token has expired or was revoked"))
        }
        _ => Ok(()),
    }
}

/// How often a token is checked during long work.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Ends when the token of a caller is no longer valid.
pub(super) async fn token_revoked(bearers: &Bearers, caller: &Caller) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        // If the catalog can't be reached for a moment, that says nothing about a token.
        if check_bearer(bearers, caller)
            .await
            .is_err_and(|problem| problem.status == StatusCode::UNAUTHORIZED)
        {
            return;
        }
    }
}
