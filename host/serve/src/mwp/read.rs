//! Requests that read: refs, filter-objects, presign, negotiate, fetch.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use packhouse_model::client::FetchRequest;
use packhouse_store::RequestedCommits;
use serde::{Deserialize, Serialize};

use super::super::answers::{self, answered};
use super::super::guard::Authorized;
use super::super::limits::{BODY, FETCH_BODY, FETCHED, FILTERED, NEGOTIATED, PRESIGNED};
use super::super::negotiation::{Accept, MSGPACK};
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::ids::Ids;
use super::small_body::small;

/// The kind of state in a repo. A store accepts any kind and does not check; clients expect a
/// value, and this is the only one.
const DOMAIN: &str = "code";

#[derive(Serialize)]
struct Refs {
    repo_id: String,
    domain: &'static str,
    default_branch: String,
    branch_heads: BTreeMap<String, String>,
}

pub(super) async fn refs(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let refs = authorized.store(&state).refs(&authorized.repo).await?;
    Accept::of(&headers).respond(&Refs {
        repo_id: refs.repo_id.0,
        domain: DOMAIN,
        default_branch: refs.default_branch,
        branch_heads: refs.branch_heads,
    })
}

#[derive(Deserialize)]
struct Filter {
    object_ids: Ids<FILTERED>,
}

#[derive(Serialize)]
struct Missing {
    missing: Vec<String>,
}

pub(super) async fn filter_objects(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let (asked, _held): (Filter, _) = small(&state, &authorized, request, BODY).await?;
    let ids = asked.object_ids.within("object_ids")?;
    accept.respond(&Missing {
        missing: authorized
            .store(&state)
            .missing_objects(&authorized.repo, ids, authorized.may_push())
            .await?,
    })
}

#[derive(Deserialize)]
struct Presign {
    object_ids: Ids<PRESIGNED>,
    direction: String,
    ttl_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Presigned {
    presigned: BTreeMap<String, String>,
    inline: Vec<String>,
}

/// Objects are in packs, and have no URLs of their own: all go through `/push/objects` or `/fetch`.
pub(super) async fn presign(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let (asked, _held): (Presign, _) = small(&state, &authorized, request, BODY).await?;
    let ids = asked.object_ids.within("object_ids")?;
    if !matches!(asked.direction.as_str(), "put" | "get") {
        return Err(Problem::malformed("direction: expected `put` or `get`"));
    }
    if asked.ttl_seconds.is_some_and(|ttl| !(30..=3600).contains(&ttl)) {
        return Err(Problem::malformed("ttl_seconds: expected 30 to 3600"));
    }
    accept.respond(&Presigned { presigned: BTreeMap::new(), inline: ids })
}

#[derive(Deserialize)]
struct Negotiate {
    want: Ids<NEGOTIATED>,
    have: Ids<NEGOTIATED>,
}

#[derive(Serialize)]
struct Negotiated {
    ack: Vec<String>,
    common_base: Option<String>,
    ready: bool,
}

pub(super) async fn negotiate(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let (Negotiate { want, have }, _held) = small(&state, &authorized, request, FETCH_BODY).await?;
    let (want, have) = (want.within("want")?, have.within("have")?);
    let nothing = have.is_empty();
    let (ack, common_base) = authorized
        .store(&state)
        .common(&authorized.repo, &want, have, authorized.may_push())
        .await?;
    let ready = nothing || common_base.is_some();
    accept.respond(&Negotiated { ack, common_base, ready })
}

#[derive(Deserialize)]
struct Fetch {
    /// None: every branch head.
    want: Option<Ids<FETCHED>>,
    #[serde(default)]
    have: Ids<FETCHED>,
    ttl_seconds: Option<u64>,
}

impl Fetch {
    /// The wants, if given, and the haves.
    fn sides(self) -> ApiResult<(Option<Vec<String>>, Vec<String>)> {
        Ok((self.want.map(|want| want.within("want")).transpose()?, self.have.within("have")?))
    }
}

/// The pack itself, stored or assembled, sent while it is read and checked.
pub(super) async fn fetch(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    Accept::of(request.headers()).require_msgpack()?;
    let (asked, _held): (Fetch, _) = small(&state, &authorized, request, FETCH_BODY).await?;
    let (want, have) = asked.sides()?;
    let Some(want) = want else {
        return Err(Problem::malformed("want: expected a list of commit ids"));
    };
    if want.is_empty() {
        // An empty want reaches nothing.
        let body = axum::body::Body::from(empty_pack());
        return Ok(
            ([(header::CONTENT_TYPE, HeaderValue::from_static(MSGPACK))], body).into_response()
        );
    }
    let request = FetchRequest { want, have, ..FetchRequest::default() };
    let requested = RequestedCommits::of(&authorized.repo, &request)?;
    let (store, repo) = (authorized.store(&state), &authorized.repo);
    // There is no range of a response to a POST.
    let whole = (&HeaderMap::new(), None);
    let response = answered(&state, &store, repo, &requested, whole).await?;
    // The wait may have been long.
    authorized.recheck(&state).await?;
    Ok(response)
}

/// An empty pack.
fn empty_pack() -> Vec<u8> {
    let mut out = Vec::new();
    packhouse_core::msgpack::put_map(&mut out, 4);
    for section in ["commits", "snapshots", "objects"] {
        packhouse_core::msgpack::put_str(&mut out, section);
        packhouse_core::msgpack::put_array(&mut out, 0);
    }
    packhouse_core::msgpack::put_str(&mut out, "branch_heads");
    packhouse_core::msgpack::put_map(&mut out, 0);
    out
}

/// The URL of the pack.
pub(super) async fn fetch_mpack(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let (accept, base) = (Accept::of(request.headers()), answers::base(&state, request.headers()));
    let (asked, _held): (Fetch, _) = small(&state, &authorized, request, FETCH_BODY).await?;
    let ttl = answers::ttl(&authorized, asked.ttl_seconds.unwrap_or(3600))?;
    let (want, have) = asked.sides()?;
    let request = FetchRequest { want: want.unwrap_or_default(), have, ttl, output: None };
    let report = answers::fetch_report(&state, &base, &authorized, request).await??;
    accept.respond(&report)
}
