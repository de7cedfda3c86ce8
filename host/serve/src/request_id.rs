//! The ID of a request: in its response, in every line of the log about it, and in the body of an
//! error. The client may choose it (`X-Request-Id`), and so may a proxy.
//!
//! A request whose response does not begin in time is logged then, and once more when it begins; what
//! is streamed after that takes as long as the client reads. Requests that wait for something to
//! happen are not slow.
//!
//! A request is traced, too: as a part of its sender's trace, if its headers name one. A stranger, who
//! sends no token, decides nothing about traces: such a request has one of its own, with a link.

use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use packhouse_model::span::TARGET;
use packhouse_store::Store;
use tokio::time::{Instant, sleep};
use tracing::field::Empty;
use tracing::{Instrument, Span};

/// The header of a request and of its response.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest ID that a client may choose.
const LONGEST: usize = 64;

/// The path of the request that waits until the store changes.
const LONG_POLL: &str = "/admin/v1/changes";

/// How many bytes of a path a span keeps.
const LONGEST_PATH: usize = 256;

/// The requests of supervisors and of Prometheus.
const PROBES: [&str; 4] = ["/health", "/healthz", "/readyz", "/metrics"];

/// What requests are identified with.
#[derive(Clone, Debug)]
pub(super) struct RequestIds {
    /// For its randomness.
    pub(super) store: Store,
    /// How long a request takes until it is logged as slow; 0: never.
    pub(super) slow_after: Duration,
    /// Whether requests need no token.
    pub(super) trusting: bool,
}

tokio::task_local! {
    /// The ID of the request that this task handles.
    static CURRENT: String;
}

/// The ID of the request that this task handles; none outside of one.
pub(super) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Handles a request under its ID.
pub(super) async fn identify(
    State(ids): State<RequestIds>,
    request: Request,
    next: Next,
) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| hex::encode(ids.store.random_id()));
    // Without the query: it may hold a signature.
    let path = request.uri().path().to_owned();
    let limit = Some(ids.slow_after).filter(|limit| !limit.is_zero() && path != LONG_POLL);
    // Of the highest level: whatever is logged about the request, its ID is.
    let span = tracing::error_span!("request", %id, method = %request.method(), path);
    let trace = traced(&request, &id, &span);
    if ids.trusting || request.headers().contains_key(AUTHORIZATION) {
        packhouse_trace::continue_request(&trace, request.headers());
    } else {
        packhouse_trace::link_request(&trace, request.headers());
    }
    let handled = CURRENT.scope(id.clone(), watched(next.run(request), limit));
    let mut response = handled.instrument(trace.clone()).instrument(span).await;
    let status = response.status();
    trace.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        trace.record("otel.status_code", "ERROR");
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

/// The span of a request for tracing, within that for the log: the work of a request is done in the
/// inner one. None for what is asked all the time.
fn traced(request: &Request, id: &str, log: &Span) -> Span {
    let (method, path) = (request.method().as_str(), request.uri().path());
    if path == LONG_POLL || PROBES.contains(&path) {
        return Span::none();
    }
    // It is kept until it is exported, and strangers may send 256 KiB.
    let (method, path) = (shortened(method), shortened(path));
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    tracing::info_span!(
        target: TARGET,
        parent: log,
        "request",
        otel.name = route.map(|route| format!("{method} {route}")),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        url.path = path,
        packhouse.request.id = id,
        http.response.status_code = Empty,
        otel.status_code = Empty,
    )
}

/// The beginning of a text, as far as a span keeps it.
fn shortened(text: &str) -> &str {
    text.get(..LONGEST_PATH).unwrap_or(text)
}

/// Logs a request that takes longer than a limit, also if its client does not wait for the end.
async fn watched(handled: impl Future<Output = Response>, limit: Option<Duration>) -> Response {
    let Some(limit) = limit else { return handled.await };
    let (begun, mut handled) = (Instant::now(), std::pin::pin!(handled));
    tokio::select! {
        response = &mut handled => return response,
        () = sleep(limit) => tracing::warn!("slow request: no response after {limit:?}"),
    }
    let response = handled.await;
    let (status, seconds) = (response.status().as_u16(), begun.elapsed().as_secs_f64());
    tracing::warn!(status, "slow request: the response began after {seconds:.1} s");
    response
}

/// The ID that a client chose, if it is one: it goes into the log.
fn given(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(HEADER)?.to_str().ok()?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
    ((1..=LONGEST).contains(&id.len()) && id.bytes().all(is_plain)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_client_is_short_and_plain() {
        let given = |text: &str| {
            given(&HeaderMap::from_iter([(
                HEADER,
                HeaderValue::from_bytes(text.as_bytes()).unwrap(),
            )]))
        };
        for good in ["a", "5f3a-01", "trace:1.2_3", &"x".repeat(64)] {
            assert_eq!(given(good).as_deref(), Some(good));
        }
        for bad in ["", "a b", "ä", "a\"b", &"x".repeat(65)] {
            assert_eq!(given(bad), None, "{bad}");
        }
    }
}
