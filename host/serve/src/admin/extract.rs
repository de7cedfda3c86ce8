//! Extractors: the path, the query, the body. Rejections are a [`Problem`].

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use packhouse_model::access::Caller;
use serde::de::DeserializeOwned;

use super::super::body::small::whole;
use super::super::decode::{self, Malformed};
use super::super::guard::Authorized;
use super::super::limits::JSON;
use super::super::problem::{ApiResult, Problem};
use super::super::revocation::check_bearer;
use super::super::state::SharedState;

/// The body, in JSON. A body takes time to arrive, and its token may be revoked in the meantime.
/// Therefore the token is checked again, and handlers get bodies only through this type. The repo
/// of the path or the query is checked again, too, if an extractor of [`super::repo`] has resolved
/// it: its name may belong to another repo by now. Permissions on a repo that the body names are
/// checked by the handler.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<SharedState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &SharedState) -> ApiResult<Self> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Anyone);
        let repo = request.extensions().get::<Authorized>().cloned();
        let kind = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !is_json(kind) {
            let words = "expected a JSON body: Content-Type: application/json";
            return Err(Problem::usage(StatusCode::UNSUPPORTED_MEDIA_TYPE, words));
        }
        let come = whole(&state.memory, request, JSON, |bytes| {
            decode::json(bytes).map_err(Malformed::admin_problem)
        })
        .await;
        // A caller without permission learns nothing about errors in the body.
        check_bearer(&state.bearers, &caller).await?;
        if let Some(repo) = repo {
            repo.recheck(state).await?;
        }
        let (value, _) = come?;
        Ok(JsonBody(value))
    }
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// The query.
pub(super) struct QueryParams<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(QueryParams(value)),
            Err(rejection) => Err(Problem::usage(rejection.status(), rejection.body_text())),
        }
    }
}

/// The variable parts of the path.
pub(super) struct PathParams<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(PathParams(value)),
            Err(rejection) => Err(Problem::usage(rejection.status(), rejection.body_text())),
        }
    }
}
