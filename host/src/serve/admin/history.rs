//! Consolidations that ended.

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::super::house::Shared;
use super::super::problem::Answer;
use super::ask::{Asked, before, limit, perhaps_administered, text};
use crate::access::{Caller, Scope};
use crate::names::RepoName;
use crate::report::{GcEntry, GcQuery, HistoryPage};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Of one repo; none: of all that its caller administers.
    #[param(value_type = Option<String>, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    repo: Option<RepoName>,
    /// A part of the repo's name, the outcome, the key or the error, whatever the case of its letters.
    #[param(max_length = 200, pattern = r"^[^\u0000-\u001f]*$")]
    text: Option<String>,
    /// Before the one with this number.
    #[param(minimum = 0, maximum = 9007199254740991i64)]
    before: Option<i64>,
    /// At most so many; 50 when nobody says.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists consolidations, newest first.
#[utoipa::path(get, path = "/history", tag = "store", params(Which),
    responses((status = 200, description = "A page of consolidations", body = HistoryPage)))]
pub(super) async fn list(
    State(house): State<Shared>,
    Extension(caller): Extension<Caller>,
    Asked(which): Asked<Which>,
) -> Answer<Json<HistoryPage>> {
    let limit = limit(which.limit, 50)?;
    let text = text(which.text)?;
    let mut query = GcQuery { repo: which.repo, text, before: before(which.before)?, limit };
    perhaps_administered(&house, &caller, query.repo.as_ref()).await?;
    let mut entries: Vec<GcEntry> = Vec::new();
    // Whoever sees only some of them gets a whole page of those all the same.
    loop {
        let page = house.store.gc_entries(&query).await?;
        let last = page.len() < limit as usize;
        query.before = page.last().map(|entry| entry.id).or(query.before);
        entries.extend(page.into_iter().filter(|entry| caller.may(Scope::Admin, &entry.repo)));
        if last || entries.len() >= limit as usize {
            let more = !last || entries.len() > limit as usize;
            entries.truncate(limit as usize);
            let next = entries.last().filter(|_| more).map(|entry| entry.id);
            return Ok(Json(HistoryPage { entries, next }));
        }
    }
}
