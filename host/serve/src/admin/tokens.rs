//! Tokens: create, list, revoke.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use packhouse_model::access::{Caller, NewToken, TokenReport};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::administers_all;
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::extract::{JsonBody, PathParams};

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Longest lifetime of a token, in seconds: some 3000 years, as the document says.
const LONGEST: u64 = 100_000_000_000;

/// Lists tokens, without their secrets.
#[utoipa::path(get, path = "/tokens", tag = "tokens",
    responses((status = 200, description = "All tokens", body = Vec<TokenReport>)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Json<Vec<TokenReport>>> {
    administers_all(&caller)?;
    Ok(Json(state.store.tokens().await?))
}

/// Creates a token. Only this response contains its text.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, description = "The token", body = TokenReport)))]
async fn create(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(new): JsonBody<NewToken>,
) -> ApiResult<(StatusCode, Json<TokenReport>)> {
    administers_all(&caller)?;
    if new.expires_in_seconds.is_some_and(|seconds| seconds > LONGEST) {
        return Err(Problem::malformed(format!(
            "expires_in_seconds is more than {LONGEST}; omit it for a token that does not expire"
        )));
    }
    Ok((StatusCode::CREATED, Json(state.store.create_token(new).await?)))
}

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path; axum reads that as it is")]
pub(super) struct TokenPath {
    /// Its id, which is not secret.
    #[param(pattern = "^[0-9a-f]{16}$")]
    id: String,
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", params(TokenPath),
    responses((status = 200, description = "The token", body = TokenReport)))]
async fn revoke(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathParams(id): PathParams<String>,
) -> ApiResult<Json<TokenReport>> {
    administers_all(&caller)?;
    Ok(Json(state.store.revoke_token(&id).await?))
}
