//! Tokens that expire or are revoked during a request or a run.

use std::time::Duration;

use axum::http::StatusCode;
use packhouse_model::access::Caller;
use packhouse_store::Store;

use super::problem::{ApiResult, Problem};

/// Whether a caller is still who they were when their request began: a token may have been revoked
/// or have expired since.
pub(super) async fn check_token(store: &Store, caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { token, .. } if !store.is_token_good(token).await? => {
            Err(Problem::unauthorized("this token has expired or was revoked"))
        }
        _ => Ok(()),
    }
}

/// How often a token is checked while something goes on for long.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Ends when the token of a caller is no longer valid.
pub(super) async fn token_revoked(store: &Store, caller: &Caller) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        // A catalog that does not answer for a moment says nothing about a token.
        if check_token(store, caller)
            .await
            .is_err_and(|problem| problem.status == StatusCode::UNAUTHORIZED)
        {
            return;
        }
    }
}
