//! Responses that are being sent, and the minimum rate at which a client must read them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum_server::ConnectionShutdown;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::super::limits::STALL;
use super::super::problem::Problem;
use super::super::readiness::is_health;
use super::connection::{Connection, RequestGuard};
use super::registry::Connections;

/// Counts a request of a connection, for as long as its client takes to read the response.
pub(crate) async fn count(
    State(connections): State<Arc<Connections>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() else {
        return next.run(request).await;
    };
    let under_way = connection.begin(request.extensions().get::<ConnectionShutdown>());
    if connection.reserved && !is_health(request.uri().path()) {
        let mut response = too_many().into_response();
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    let reserved = connection.reserved;
    let answer = next.run(request).await;
    let mut response =
        answer.map(|body| Body::new(TrackedBody::new(body, under_way, &connections)));
    if reserved {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn too_many() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many open connections, in total or from your address; try again",
    )
}

/// A response on its way. Time that its source takes is the server's; time between two chunks is
/// the client's: it has [`STALL`] of it, and earns more by reading.
pub(super) struct TrackedBody {
    body: Body,
    under_way: RequestGuard,
    number: u64,
    credit: Duration,
    slowest: u64,
    handed_over: Option<Instant>,
}

impl TrackedBody {
    pub(super) fn new(
        body: Body,
        under_way: RequestGuard,
        connections: &Connections,
    ) -> TrackedBody {
        let (number, slowest) = (connections.next_number(), connections.slowest);
        TrackedBody { body, under_way, number, credit: STALL, slowest, handed_over: None }
    }

    fn asked_for_more(&mut self) {
        if let Some(since) = self.handed_over.take() {
            self.credit = self.credit.saturating_sub(since.elapsed());
            self.under_way.reader_went_on(self.number);
        }
    }

    fn hands_over(&mut self, bytes: usize) {
        let earned = Duration::from_secs_f64(bytes as f64 / self.slowest as f64);
        self.credit = STALL.min(self.credit) + earned;
        let now = Instant::now();
        self.handed_over = Some(now);
        self.under_way.wait_for_reader(self.number, now + self.credit);
    }
}

impl HttpBody for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.asked_for_more();
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.hands_over(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.under_way.reader_went_on(self.number);
    }
}
