//! Finished consolidations.

use axum::extract::State;
use axum::{Extension, Json};
use futures::FutureExt;
use packhouse_model::access::Caller;
use packhouse_model::names::RepoName;
use packhouse_model::report::{GcEntry, GcQuery, HistoryPage};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::permission::sees;
use super::super::problem::ApiResult;
use super::super::state::SharedState;
use super::extract::QueryParams;
use super::paging::{before, limit, page_of, text};
use super::repo::store_to_list;

pub(super) fn routes() -> OpenApiRouter<SharedState> {
    OpenApiRouter::new().routes(routes!(list))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryParams {
    /// Of one repo. Default: of all that the caller administers.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    repo: Option<RepoName>,
    /// A part of the repo's name, the outcome, the key or the error, ignoring case.
    #[param(max_length = 200, pattern = r"^[^\u0000-\u001f]*$")]
    text: Option<String>,
    /// Before the one with this id.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    before: Option<i64>,
    /// Page size. Default: 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists consolidations, newest first.
#[utoipa::path(get, path = "/history", tag = "store", params(HistoryParams),
    responses((status = 200, description = "A page of consolidations", body = HistoryPage)))]
async fn list(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    QueryParams(which): QueryParams<HistoryParams>,
) -> ApiResult<Json<HistoryPage>> {
    let limit = limit(which.limit, 50)?;
    let text = text(which.text)?;
    let query = GcQuery { repo: which.repo, text, before: before(which.before)?, limit };
    let store = &store_to_list(&state, &caller, query.repo.as_ref()).await?;
    let list = |before| {
        let query = GcQuery { before, ..query.clone() };
        async move { store.gc_entries(&query).await }.boxed()
    };
    let seen = |entry: &GcEntry| sees(&caller, Some(&entry.repo));
    let (entries, next) = page_of(limit, query.before, list, |entry| entry.id, seen).await?;
    Ok(Json(HistoryPage { entries, next }))
}
