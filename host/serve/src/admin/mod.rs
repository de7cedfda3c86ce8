//! The admin API: every verb, under `/admin/v1`.
//!
//! The document (`GET /admin/v1/openapi.json`) is generated from the routes. Callers must
//! administer what they request, or have the right to push to or read a repo whose packs they push
//! or fetch; with a token for some repos, the others seem not to exist. [`extract`] validates
//! requests, and errors are a [`ProblemBody`].

mod branches;
mod contents;
mod document;
mod extract;
mod history;
mod jobs;
mod packs;
mod paging;
mod policy;
mod repo;
mod repos;
mod runs;
mod status;
mod tokens;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use packhouse_model::access::Caller;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::limits::{BODY, FETCH_BODY};
use super::permission::administers_some;
use super::problem::ApiResult;
use super::state::SharedState;

/// The prefix of all paths.
const PREFIX: &str = "/admin/v1";

pub(super) fn routes() -> Router<SharedState> {
    let (router, document) = all().split_for_parts();
    let text = document::finished(document)
        .to_json()
        .expect("the document is made of strings and numbers");
    let document = get(async move || {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], text.clone())
    });
    router.route(&format!("{PREFIX}/openapi.json"), document)
}

fn all() -> OpenApiRouter<SharedState> {
    // Packs have their own limit, and so have wants and haves. The scopes are those of MWP: a
    // caller who may push to a repo or read it may do so here, too.
    let push = routes!(packs::push).layer(DefaultBodyLimit::disable());
    let fetch = routes!(packs::fetch).layer(DefaultBodyLimit::max(FETCH_BODY));
    let contents = contents::routes().layer(DefaultBodyLimit::max(BODY));
    let rest = OpenApiRouter::new()
        .merge(status::routes())
        .merge(repos::routes())
        .merge(branches::routes())
        .merge(runs::routes())
        .merge(history::routes())
        .merge(jobs::routes())
        .merge(policy::routes())
        .merge(tokens::routes())
        .layer(DefaultBodyLimit::max(BODY));
    let all =
        rest.route_layer(from_fn(only_administrators)).merge(contents).routes(push).routes(fetch);
    OpenApiRouter::with_openapi(document::begun()).nest(PREFIX, all)
}

/// Refuses callers who administer nothing, before a byte of a body is read. Handlers check which
/// repos.
async fn only_administrators(
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> ApiResult<Response> {
    administers_some(&caller)?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use packhouse_model::names::RESERVED_OWNERS;

    use super::PREFIX;

    #[test]
    fn no_repo_shadows_the_administration() {
        let owner = PREFIX.split('/').nth(1).unwrap();
        assert!(RESERVED_OWNERS.contains(&owner), "{owner}");
    }
}
