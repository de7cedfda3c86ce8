//! All routes, and the middleware that every request passes.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};

use super::drain::{DrainState, drain};
use super::guard::authenticate;
use super::json_errors::json_errors;
use super::problem::Problem;
use super::request_id::{RequestIds, identify};
use super::state::SharedState;
use super::{admin, answers, health, mwp, packs};

/// All routes.
pub(super) fn router(state: SharedState) -> Router {
    let ids = RequestIds {
        store: state.store.clone(),
        slow_after: state.slow_after,
        trusting: state.trusting,
    };
    Router::new()
        .merge(mwp::routes(&state))
        .merge(packs::routes())
        .merge(answers::routes())
        .merge(admin::routes())
        .merge(health::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(json_errors))
        .layer(from_fn_with_state(state.clone(), authenticate))
        .layer(from_fn_with_state(DrainState::new(state.tasks.clone()), drain))
        .layer(from_fn_with_state(ids, identify))
        .with_state(state)
}

/// The response for a method that a path does not have.
async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
}

/// The response for a path without a route.
async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not found")
}
