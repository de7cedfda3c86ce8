//! Reads and discards the rest of a refused body, within a limit, so that the client gets the
//! reason.
//!
//! ```text
//! refused ─▶ read on, until the body ends        ─▶ answer                       the connection stays open
//!              or FIRST bytes or seconds are over ─▶ answer ─▶ read on to LONGEST ─▶ the connection closes
//! ```
//!
//! A Muse client writes its whole body before it reads the response. If the server closes the
//! connection earlier, the client sees "Broken pipe", and never the response. With `Expect:
//! 100-continue` the client waits, and the response is sent at once.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt};
use tokio::sync::Semaphore;

use super::body::content_length;
use super::tasks::Tasks;

/// How much of a refused body is read before the response, in bytes.
const FIRST: u64 = 64 << 20;

/// Time limit for that.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// How much of it is read in total, before and after the response, in bytes.
const LONGEST: u64 = 256 << 20;

/// Time limit after the response.
const REST_WITHIN: Duration = Duration::from_secs(30);

/// Maximum number of refused bodies that are read at once; the connections of others are closed.
const AT_ONCE: usize = 64;

/// The state for draining.
#[derive(Clone, Debug)]
pub(super) struct DrainState {
    tasks: Tasks,
    places: Arc<Semaphore>,
}

impl DrainState {
    pub(super) fn new(tasks: Tasks) -> DrainState {
        DrainState { tasks, places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// Handles a request; after an error, reads the rest of its body from the connection.
pub(super) async fn drain(
    State(draining): State<DrainState>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let is_http1 = parts.version <= Version::HTTP_11;
    let length = content_length(&parts.headers);
    let waits = parts.headers.contains_key(header::EXPECT);
    let rest = SharedBody::new(body);
    let mut response = next.run(Request::from_parts(parts, Body::from_stream(rest.clone()))).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || rest.has_ended() {
        return response;
    }
    let place = draining.places.clone().try_acquire_owned();
    // A client that waits for `100 Continue` has sent nothing; one that stalled would stall again.
    let pointless = waits && !rest.was_read() || status == StatusCode::REQUEST_TIMEOUT;
    let too_long = length.is_some_and(|length| length > LONGEST);
    if let (Ok(place), false) = (place, pointless) {
        if !too_long && draining.discard(&rest, FIRST, FIRST_WITHIN).await {
            return response;
        }
        tokio::spawn(async move {
            draining.discard(&rest, LONGEST, REST_WITHIN).await;
            drop(place);
        });
    }
    if is_http1 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

impl DrainState {
    /// Reads and discards a body up to this total. Returns whether it has ended.
    async fn discard(&self, body: &SharedBody, most: u64, within: Duration) -> bool {
        let mut body = body.clone();
        let reading = async {
            while body.read_bytes() < most {
                if !matches!(body.next().await, Some(Ok(_))) {
                    return true;
                }
            }
            false
        };
        tokio::select! {
            ended = tokio::time::timeout(within, reading) => ended.unwrap_or(false),
            () = self.tasks.closed() => false,
        }
    }
}

/// A request's body that outlives the handler which reads it.
#[derive(Clone, Debug)]
struct SharedBody(Arc<Mutex<Remaining>>);

#[derive(Debug)]
struct Remaining {
    body: BodyDataStream,
    was_read: bool,
    read_bytes: u64,
    has_ended: bool,
}

impl SharedBody {
    fn new(body: Body) -> SharedBody {
        let remaining = Remaining {
            body: body.into_data_stream(),
            was_read: false,
            read_bytes: 0,
            has_ended: false,
        };
        SharedBody(Arc::new(Mutex::new(remaining)))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Remaining) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether its bytes were requested: then the server sends `100 Continue`.
    fn was_read(&self) -> bool {
        self.with(|remaining| remaining.was_read)
    }

    fn read_bytes(&self) -> u64 {
        self.with(|remaining| remaining.read_bytes)
    }

    /// Whether it was read to its end, or was cut off.
    fn has_ended(&self) -> bool {
        self.with(|remaining| remaining.has_ended || remaining.body.is_end_stream())
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.with(|remaining| {
            if remaining.has_ended {
                return Poll::Ready(None);
            }
            remaining.was_read = true;
            let next = remaining.body.poll_next_unpin(context);
            match &next {
                Poll::Ready(Some(Ok(bytes))) => remaining.read_bytes += bytes.len() as u64,
                Poll::Ready(Some(Err(_)) | None) => remaining.has_ended = true,
                Poll::Pending => {}
            }
            next
        })
    }
}
