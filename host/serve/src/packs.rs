//! Packs by signed URLs: complete, or a range to resume a download.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use packhouse_model::client::FetchRequest;
use packhouse_model::error::Error;
use packhouse_model::names::{MpackKey, RepoId, RepoName, Visibility};
use packhouse_model::progress::Progress;
use packhouse_model::report::FetchReport;
use packhouse_store::StoredPack;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use url::Url;

use super::assembly::assembling;
use super::guard::Authorized;
use super::negotiation::MSGPACK;
use super::permits::FairPermit;
use super::problem::{ApiResult, Problem};
use super::proxy;
use super::signed::{NO_TOKEN, SignedGrant, SignedQuery, TRUSTED};
use super::state::{AppState, SharedState};

/// Size of a chunk that is read from a file, in bytes.
const READ: usize = 256 << 10;

pub(super) fn routes() -> Router<SharedState> {
    Router::new().route("/{owner}/{slug}/packs/{key}", get(pack))
}

/// The server's URL, as the client sees it.
pub(super) fn base(state: &AppState, headers: &HeaderMap) -> Url {
    if let Some(url) = &state.public_url {
        return url.clone();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let scheme = proxy::scheme(headers).unwrap_or(if state.secure { "https" } else { "http" });
    let named = Url::parse(&format!("{scheme}://{host}")).ok();
    // It is a host: `guard` has checked it. A client that sends another Host header gets a URL to that
    // host; no other client sees it.
    named.unwrap_or_else(|| Url::parse("http://localhost").expect("it is a URL"))
}

/// Longest lifetime of a URL for a caller with a token, in seconds: a week.
const LONGEST: u64 = 7 * 24 * 3600;

/// That of others: fetch results are kept for as long.
const LONGEST_OF_STRANGERS: u64 = 3600;

/// The lifetime of a URL.
pub(super) fn ttl(authorized: &Authorized, seconds: u64) -> ApiResult<Duration> {
    let known = authorized.is_known();
    let longest = if known { LONGEST } else { LONGEST_OF_STRANGERS };
    if (1..=longest).contains(&seconds) {
        return Ok(Duration::from_secs(seconds));
    }
    let more = if known { String::new() } else { format!(" (with a token, to {LONGEST})") };
    Err(Problem::malformed(format!("ttl_seconds is {seconds}: expected 1 to {longest}{more}")))
}

/// A fetch that returns a URL: one of this server if packs are files.
pub(super) async fn fetch_report(
    state: &SharedState,
    base: &Url,
    authorized: &Authorized,
    request: FetchRequest,
) -> ApiResult<Result<FetchReport, Error>> {
    let (store, repo) = (authorized.store(state), authorized.repo.clone());
    let work = |progress: Progress| async move { store.fetch(&repo, &request, &progress).await };
    let mut report = match assembling(state, authorized, work).await? {
        Ok(report) => report,
        Err(error) => return Ok(Err(error)),
    };
    if report.mpack_url.starts_with("file:") {
        let grant = SignedGrant {
            repo: &authorized.repo,
            repo_id: authorized.repo_id(),
            key: &report.mpack_key,
            assembled: !report.reused,
            token: authorized.signs_as(),
            expires: report.expires_at.as_second(),
        };
        report.mpack_url = state.signer.url(base, grant);
    }
    Ok(Ok(report))
}

async fn pack(
    State(state): State<SharedState>,
    Path((owner, slug, key)): Path<(String, String, String)>,
    signed: Result<Query<SignedQuery>, QueryRejection>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    // The response does not say whether the URL was not signed here, or has expired.
    let refused = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            "this URL is not valid, or has expired; fetch again for a new one",
        )
    };
    let Query(signed) = signed.map_err(|_| refused())?;
    let repo: RepoName = format!("{owner}/{slug}").parse().map_err(|_| refused())?;
    let key: MpackKey = key.parse().map_err(|_| refused())?;
    let named = state.store.named(&repo).await?;
    // The signature is also compared if there is no such repo, so the timing reveals nothing.
    let (repo_id, visibility) = named.unwrap_or((RepoId(String::new()), Visibility::Private));
    let SignedQuery { assembled, token, expires, signature } = &signed;
    let grant = SignedGrant {
        repo: &repo,
        repo_id: &repo_id,
        key: &key,
        assembled: *assembled,
        token,
        expires: *expires,
    };
    if !state.signer.allows(grant, signature, state.store.now())
        || !authorised(&state, token, visibility).await?
    {
        return Err(refused());
    }
    let stored = state
        .store
        .pinned(&repo, &repo_id)
        .fetched(&repo, &key, *assembled)
        .await?
        .ok_or_else(refused)?;
    ranged(stored, &key, &headers)
}

/// Whether the authority that signed a URL is still valid.
async fn authorised(state: &AppState, token: &str, visibility: Visibility) -> ApiResult<bool> {
    match token {
        TRUSTED => Ok(state.trusting),
        NO_TOKEN => Ok(visibility == Visibility::Public || state.trusting),
        id => Ok(state.store.is_token_good(id).await?),
    }
}

/// A pack, or the requested range of it.
fn ranged(stored: StoredPack, key: &MpackKey, headers: &HeaderMap) -> ApiResult<Response> {
    let tag = format!("\"{}\"", key.hex());
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    // `If-Range` with another key means another pack; packs themselves never change.
    let same = text(header::IF_RANGE).is_none_or(|given| given == tag);
    let total = stored.bytes;
    let part = match text(header::RANGE).filter(|_| same) {
        None => None,
        Some(range) => match one_range(range, total) {
            Ok(part) => part,
            Err(()) => {
                let problem = Problem::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    format!("the pack has {total} bytes"),
                );
                let mut response = problem.into_response();
                response
                    .headers_mut()
                    .insert(header::CONTENT_RANGE, value(&format!("bytes */{total}")));
                return Ok(response);
            }
        },
    };
    let (first, length) =
        part.as_ref().map_or((0, total), |part| (*part.start(), part.end() - part.start() + 1));
    let mut response = Response::new(stream(stored.file, first, length, None)?);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MSGPACK));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&tag));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    if let Some(part) = part {
        headers.insert(
            header::CONTENT_RANGE,
            value(&format!("bytes {}-{}/{total}", part.start(), part.end())),
        );
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// Digits, dashes and quotes.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The range of a `Range` header; none if it has several, or is not in bytes: then the whole pack
/// is returned. An error if the range is outside of the pack.
fn one_range(header: &str, total: u64) -> Result<Option<RangeInclusive<u64>>, ()> {
    let Ok(parsed) = http_range_header::parse_range_header(header) else { return Ok(None) };
    let parts = parsed.validate(total).map_err(|_| ())?;
    Ok(match parts.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    })
}

/// Some bytes of a file, read while they are sent. `permit` is held until the end.
pub(super) fn stream(
    mut file: File,
    first: u64,
    length: u64,
    permit: Option<FairPermit>,
) -> ApiResult<Body> {
    file.seek(SeekFrom::Start(first))
        .map_err(packhouse_model::error::Error::io("reading", "a stored pack"))?;
    let file = tokio::fs::File::from_std(file).take(length);
    Ok(Body::from_stream(ReaderStream::with_capacity(file, READ).inspect(move |_| {
        let _permit = &permit;
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_apart() {
        assert_eq!(one_range("bytes=0-9", 100), Ok(Some(0..=9)));
        assert_eq!(one_range("bytes=90-", 100), Ok(Some(90..=99)));
        assert_eq!(one_range("bytes=-10", 100), Ok(Some(90..=99)));
        assert_eq!(one_range("bytes=0-1,5-6", 100), Ok(None), "several: all of it");
        assert_eq!(one_range("lines=1-2", 100), Ok(None));
        assert_eq!(one_range("bytes=100-", 100), Err(()));
    }
}
