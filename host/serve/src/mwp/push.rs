//! Requests that write: push/objects, push, tags. Each body becomes one pack, stored and indexed
//! before the response.

use std::collections::BTreeMap;
use std::fs::File;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use packhouse_model::client::PushOptions;
use packhouse_model::error::{Error, PushError};
use packhouse_model::names::unusable;
use packhouse_model::progress::Progress;
use packhouse_model::report::PushReport;
use packhouse_store::{PushPreconditions, StagedFile, StagedPack, UploadProgress, blocking};
use serde::Serialize;
use url::Url;

use super::super::answers;
use super::super::body::content_length;
use super::super::body::feed::Allowance;
use super::super::body::upload::spool;
use super::super::guard::Authorized;
use super::super::negotiation::Accept;
use super::super::permits::FairPermit;
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::bundle;
use super::bundle::AssembledBody;

#[derive(Serialize)]
struct Stored {
    stored: u64,
    skipped: u64,
}

pub(super) async fn objects(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let upload = loose(state, authorized, request, "the objects", bundle::objects);
    let (count, report) = upload.await?;
    let stored = report.map_or(0, |report| report.new_objects);
    accept.respond(&Stored { stored, skipped: count.saturating_sub(stored) })
}

#[derive(Serialize)]
struct StoredTags {
    stored: u64,
}

pub(super) async fn tags(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let accept = Accept::of(request.headers());
    let (_, report) = loose(state, authorized, request, "the tags", bundle::tags).await?;
    accept.respond(&StoredTags { stored: report.map_or(0, |report| report.new_tags) })
}

/// Stores records that arrive before the branch that will reach them: returns their number, and the
/// report of their push, if there were any.
async fn loose(
    state: SharedState,
    authorized: Authorized,
    request: Request,
    what: &'static str,
    read: fn(File, u64) -> ApiResult<(AssembledBody, u64)>,
) -> ApiResult<(u64, Option<PushReport>)> {
    let tasks = state.tasks.clone();
    let work = async move {
        let upload = upload(&state, &authorized, request).await?;
        let (pack, count) = looked_through(&upload, read).await?;
        if count == 0 {
            authorized.recheck(&state).await?;
            return Ok((count, None));
        }
        let pack = UploadedPack { name: what, pack, upload };
        let received = pack.receive(&state, &authorized).await?;
        let report = received.push(&state, &authorized, PushRequest::without_branch()).await?;
        Ok((count, Some(report)))
    };
    tasks.detached(work).await
}

#[derive(Serialize)]
struct Pushed {
    ok: bool,
    message: String,
    branch_heads: BTreeMap<String, String>,
    remote_head: String,
}

pub(super) async fn push(
    State(state): State<SharedState>,
    Extension(authorized): Extension<Authorized>,
    request: Request,
) -> ApiResult<Response> {
    let (tasks, accept) = (state.tasks.clone(), Accept::of(request.headers()));
    let command = command(&answers::base(&state, request.headers()), &authorized);
    let work = async move {
        let upload = upload(&state, &authorized, request).await?;
        let bundle::Push { pack, branch, head, force } =
            looked_through(&upload, bundle::push).await?;
        let preconditions = PushPreconditions { branch: branch.as_str().to_owned(), head };
        let request = PushRequest { force, preconditions: Some(preconditions), command };
        let pack = UploadedPack { name: "the bundle", pack, upload };
        let received = pack.receive(&state, &authorized).await?;
        let report = received.push(&state, &authorized, request).await?;
        let message = format!(
            "{branch} is at {head}: {} commits, {} snapshots, {} objects",
            report.commits, report.snapshots, report.objects
        );
        let mut branch_heads = report.branch_heads.clone();
        // Clients store these names as files, too.
        let unusable =
            unusable(report.branch_heads.keys().map(String::as_str), Some(branch.as_str()));
        branch_heads.retain(|name, _| !unusable.contains_key(name.as_str()));
        accept.respond(&Pushed { ok: true, message, branch_heads, remote_head: head.to_string() })
    };
    tasks.detached(work).await
}

/// The packhouse command line for this server, for the client of a request.
fn command(base: &Url, authorized: &Authorized) -> String {
    let token = if authorized.token().is_some() { "PACKHOUSE_TOKEN=TOKEN " } else { "" };
    format!("{token}packhouse --remote {}", base.as_str().trim_end_matches('/'))
}

/// A complete body. It is deleted when this is dropped.
struct Upload {
    staged: StagedFile,
    bytes: u64,
    /// Frees the upload slot when the body has been processed.
    permit: FairPermit,
}

/// Writes a body to a file as it arrives.
#[expect(
    clippy::disallowed_methods,
    reason = "what is made of it is published after it was asked again: `ReceivedPack::push`"
)]
async fn upload(
    state: &SharedState,
    authorized: &Authorized,
    request: Request,
) -> ApiResult<Upload> {
    let permit = state.permits.upload(authorized.token()).await?;
    let length = content_length(request.headers()).unwrap_or(0);
    let mut allowance = Allowance::new(&state.limits);
    let (staged, bytes) =
        spool(state, request.into_body().into_data_stream(), &mut allowance, length).await?;
    state.metrics.received.inc_by(bytes);
    Ok(Upload { staged, bytes, permit })
}

/// Parses a body in its file.
async fn looked_through<T: Send + 'static>(
    upload: &Upload,
    look: impl FnOnce(File, u64) -> ApiResult<T> + Send + 'static,
) -> ApiResult<T> {
    let file =
        upload.staged.file.try_clone().map_err(Error::io("opening", upload.staged.path()))?;
    let bytes = upload.bytes;
    blocking(move || Ok(look(file, bytes))).await?
}

/// A pack that will be created from a body, with its name for reports.
struct UploadedPack {
    name: &'static str,
    pack: AssembledBody,
    upload: Upload,
}

impl UploadedPack {
    /// Writes the pack to staging. Then the body is deleted.
    async fn receive(
        self,
        state: &SharedState,
        authorized: &Authorized,
    ) -> ApiResult<ReceivedPack> {
        let UploadedPack { name, pack, upload } = self;
        let _permit = state.permits.write_pack().await?;
        let (repo, source) = (&authorized.repo, Box::new(pack));
        let staged = authorized
            .store(state)
            .receive_from(repo, name.into(), source, UploadProgress::default(), &Progress::silent())
            .await?;
        Ok(ReceivedPack { staged, _permit: upload.permit })
    }
}

/// Options of the push of a pack.
struct PushRequest {
    force: bool,
    preconditions: Option<PushPreconditions>,
    /// The packhouse command line for the client: errors name commands.
    command: String,
}

impl PushRequest {
    /// For records that arrive before the branch that will reach them.
    fn without_branch() -> PushRequest {
        PushRequest { force: false, preconditions: None, command: "packhouse".to_owned() }
    }

    fn with_command(self, error: Error) -> Error {
        match error {
            Error::Push(PushError::Incomplete { repo, branch, missing, left_out, .. }) => {
                let packhouse = self.command;
                Error::Push(PushError::Incomplete { repo, branch, packhouse, missing, left_out })
            }
            other => other,
        }
    }
}

/// A pack in staging.
struct ReceivedPack {
    staged: StagedPack,
    /// Held until the end; otherwise clients that disconnect could accumulate work.
    _permit: FairPermit,
}

impl ReceivedPack {
    /// Waits for its turn, checks again whether the caller may push, and stores and indexes it.
    async fn push(
        self,
        state: &SharedState,
        authorized: &Authorized,
        request: PushRequest,
    ) -> ApiResult<PushReport> {
        let (store, repo) = (authorized.store(state), &authorized.repo);
        let turn = store.push_turn(repo).await;
        authorized.recheck(state).await?;
        let (options, preconditions) =
            (PushOptions { force: request.force }, request.preconditions.as_ref());
        let reports = store
            .push_received(&turn, vec![self.staged], options, preconditions, &Progress::silent())
            .await
            .map_err(|error| request.with_command(error))?;
        reports.into_iter().next().ok_or_else(|| Problem::malformed("nothing was pushed"))
    }
}
