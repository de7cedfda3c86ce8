//! Packs: push (as the parts of a form) and fetch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode};
use futures::StreamExt;
use packhouse_model::client::{FetchRequest, PushOptions};
use packhouse_model::error::Error;
use packhouse_model::progress::Progress;
use packhouse_model::report::{FetchBody, FetchReport, PushReport};
use packhouse_model::text::escaped;
use packhouse_store::StagedPack;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::answers;
use super::super::body::feed::{Allowance, silent};
use super::super::body::upload::receive;
use super::super::guard::Authorized;
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::extract::{JsonBody, QueryParams};
use super::repo::{PushableRepo, ReadableRepo};
use super::repos::RepoPath;

/// Packs of one push: each is open until all have arrived, and a process may open about a thousand
/// files.
const PARTS: usize = 400;

/// Packs of one push of a caller with only push access: sixteen of their uploads may arrive at
/// once.
const PARTS_OF_PUSHERS: usize = 16;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PushParams {
    /// Whether to move branches even if the heads don't descend from each other.
    #[serde(default)]
    force: bool,
    /// Whether to leave the indexing to a worker.
    #[serde(default, rename = "async")]
    later: bool,
}

/// The form of a push.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the body, which is read as it comes")]
pub(super) struct PackForm {
    /// Packs of Muse clients, in order. Reports contain their file names.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    pack: Vec<Vec<u8>>,
}

/// Stores packs: all of them, or none. Requires a token with scope `push` for the repo.
#[utoipa::path(post, path = "/repos/{owner}/{slug}/packs", tag = "repos", params(RepoPath, PushParams),
    request_body(content = PackForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "A report for each pack", body = Vec<PushReport>),
        (status = 408, description = "The upload stalled", body = super::super::problem::ProblemBody)))]
pub(super) async fn push(
    State(state): State<SharedState>,
    PushableRepo(authorized): PushableRepo,
    QueryParams(how): QueryParams<PushParams>,
    request: Request,
) -> ApiResult<Json<Vec<PushReport>>> {
    let (form, head) = form_of(request).await?;
    let permit = state.permits.upload(authorized.token()).await?;
    let received = received(&state, &authorized, form, &head).await?;
    if received.is_empty() {
        return Err(Problem::malformed(
            "a push needs at least one pack: a form part with a file name each",
        ));
    }
    // A complete upload is processed whether or not the client waits for the response.
    let tasks = state.tasks.clone();
    let work = async move {
        let _permit = permit;
        let (store, repo, progress) =
            (authorized.store(&state), &authorized.repo, Progress::silent());
        let options = PushOptions { force: how.force };
        let turn = store.push_turn(repo).await;
        // Packs take time to arrive, and other pushes may be first.
        authorized.recheck(&state).await?;
        let reports = match how.later {
            false => store.push_received(&turn, received, options, None, &progress).await,
            true => store.queue_received(repo, received, options, &progress).await,
        };
        reports.map_err(Problem::from)
    };
    Ok(Json(tasks.detached(work).await?))
}

/// How long the rest of a refused body is read: a client that still writes does not read the
/// response, and would report a closed connection as an error.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Receives the parts of a form into staging, one after the other.
#[expect(clippy::disallowed_methods, reason = "what is thrown away here needs no right")]
async fn received(
    state: &SharedState,
    authorized: &Authorized,
    mut form: Multipart,
    head: &PartHead,
) -> ApiResult<Vec<StagedPack>> {
    let received = parts(state, authorized, &mut form, head).await;
    head.end();
    if received.is_err() {
        let rest = async { while let Ok(Some(_)) = form.next_field().await {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
    }
    received
}

#[expect(
    clippy::disallowed_methods,
    reason = "what comes is published after it was asked again: `push`"
)]
async fn parts(
    state: &SharedState,
    authorized: &Authorized,
    form: &mut Multipart,
    head: &PartHead,
) -> ApiResult<Vec<StagedPack>> {
    let most = if authorized.may_administer() { PARTS } else { PARTS_OF_PUSHERS };
    let mut allowance = Allowance::new(&state.limits);
    let mut received = Vec::new();
    loop {
        head.begin();
        let next = tokio::time::timeout(state.limits.silence, form.next_field())
            .await
            .map_err(|_| silent(&state.limits))?;
        if head.is_too_long() {
            return Err(Problem::malformed(format!(
                "the headers of a part are longer than {HEAD} bytes"
            )));
        }
        head.end();
        let Some(part) = next.map_err(|error| malformed(&error, received.len() + 1))? else {
            return Ok(received);
        };
        if received.len() == most {
            return Err(Problem::too_much(format!(
                "a push takes at most {most} packs; push the rest afterwards"
            )));
        }
        let name = name_of(&part, received.len())?;
        received.push(
            receive(state, authorized, name, part, &mut allowance, &Progress::silent()).await?,
        );
    }
}

/// The name of a part in reports.
fn name_of(part: &Field<'_>, number: usize) -> ApiResult<String> {
    match part.file_name().filter(|name| !name.is_empty()) {
        None => Ok(format!("pack {}", number + 1)),
        Some(name) if name.chars().any(char::is_control) => Err(Problem::malformed(format!(
            "the name of part {}, `{}`, has a control character; send another file name",
            number + 1,
            escaped(&name.chars().take(100).collect::<String>())
        ))),
        Some(name) if name.len() <= NAME => Ok(name.to_owned()),
        Some(name) => Err(Problem::malformed(format!(
            "the name of part {} has {} bytes; the limit is {NAME}",
            number + 1,
            name.len()
        ))),
    }
}

/// Limit for the headers of a part, with the first bytes of the part: the network delivers some
/// dozen kilobytes at once.
const HEAD: usize = 1 << 20;

/// Maximum length of the name of a part, in bytes: it is a path, and systems have no longer ones.
const NAME: usize = 4096;

/// The size of the headers of a form part. The multipart parser keeps them in memory, without a
/// limit of its own.
#[derive(Clone, Debug)]
struct PartHead(Arc<AtomicUsize>);

impl PartHead {
    /// Starts counting bytes.
    fn begin(&self) {
        self.0.store(HEAD, Ordering::Relaxed);
    }

    /// Stops counting bytes.
    fn end(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    fn is_too_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Whether this many more bytes are allowed.
    fn take(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        let after = if left == usize::MAX { left } else { left.saturating_sub(bytes) };
        self.0.store(after, Ordering::Relaxed);
        after > 0
    }
}

/// The form of a request, and the limit on the size of its part headers.
async fn form_of(request: Request) -> ApiResult<(Multipart, PartHead)> {
    let head = PartHead(Arc::new(AtomicUsize::new(usize::MAX)));
    let (parts, body) = request.into_parts();
    let watch = head.clone();
    let watched = body.into_data_stream().map(move |piece| match piece {
        Ok(piece) if watch.take(piece.len()) => Ok(piece),
        Ok(_) => Err(axum::Error::new("the headers of a part are too long")),
        Err(error) => Err(error),
    });
    let request = Request::from_parts(parts, Body::from_stream(watched));
    let form = Multipart::from_request(request, &())
        .await
        .map_err(|error| Problem::usage(error.status(), error.body_text()))?;
    Ok((form, head))
}

/// The error for a part, counted from 1.
fn malformed(error: &MultipartError, part: usize) -> Problem {
    let text = error.body_text();
    let hint = match text.contains("header") {
        true => "; its name and its headers have no control characters",
        false => "",
    };
    Problem::usage(error.status(), format!("part {part} of the form: {text}{hint}"))
}

/// Returns the URL of a pack with the wanted commits that the client does not have. Requires a
/// token with scope `read` for the repo, unless it is public.
#[utoipa::path(post, path = "/repos/{owner}/{slug}/fetch", tag = "repos", params(RepoPath), request_body = FetchBody,
    responses((status = 200, description = "The pack", body = FetchReport)))]
pub(super) async fn fetch(
    State(state): State<SharedState>,
    ReadableRepo(authorized): ReadableRepo,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<FetchBody>,
) -> ApiResult<Json<FetchReport>> {
    let ttl = answers::ttl(&authorized, asked.ttl_seconds)?;
    let request = FetchRequest { want: asked.want, have: asked.have, ttl, output: None };
    let base = answers::base(&state, &headers);
    match answers::fetch_report(&state, &base, &authorized, request).await? {
        Ok(report) => Ok(Json(report)),
        // The request is valid, but what it names does not exist.
        Err(error @ Error::UnknownWant { .. }) => {
            Err(Problem { status: StatusCode::NOT_FOUND, ..error.into() })
        }
        Err(error) => Err(error.into()),
    }
}
