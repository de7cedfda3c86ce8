//! The ID of a request: in its response, in every line of the log about it, and in the body of an
//! error. The client may choose it (`X-Request-Id`), and so may a proxy.
//!
//! A request that takes long is logged when its response begins; what is streamed after that takes
//! as long as the client reads.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;

use super::state::SharedState;

/// The header of a request and of its response.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest ID that a client may choose.
const LONGEST: usize = 64;

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
    State(state): State<SharedState>,
    request: Request,
    next: Next,
) -> Response {
    let id = given(request.headers()).unwrap_or_else(|| hex::encode(state.store.random_id()));
    // Without the query: it may hold a signature.
    let path = request.uri().path().to_owned();
    // Of the highest level: whatever is logged about the request, its ID is.
    let span = tracing::error_span!("request", %id, method = %request.method(), path);
    let begun = Instant::now();
    let handled = CURRENT.scope(id.clone(), next.run(request)).instrument(span.clone());
    let mut response = handled.await;
    let elapsed = begun.elapsed();
    if is_slow(elapsed, state.slow_after) {
        let (status, seconds) = (response.status().as_u16(), elapsed.as_secs_f64());
        span.in_scope(|| tracing::warn!(status, "slow request: {seconds:.1} s"));
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, id);
    }
    response
}

/// Whether a request took so long that it is logged. A limit of 0 means never.
fn is_slow(elapsed: Duration, limit: Duration) -> bool {
    !limit.is_zero() && elapsed >= limit
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

    #[test]
    fn nothing_is_slow_without_a_limit() {
        let seconds = Duration::from_secs;
        assert!(is_slow(seconds(10), seconds(10)) && !is_slow(seconds(9), seconds(10)));
        assert!(!is_slow(seconds(1000), Duration::ZERO));
    }
}
