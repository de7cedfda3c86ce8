//! Metrics since the start of the server.

use std::sync::atomic::AtomicU64;

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use jiff::Timestamp;
use packhouse_worker::{Metrics, encoded};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResponseLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: String,
    route: String,
}

/// Metrics of a server since its start.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) jobs: Metrics,
    registry: Registry,
    answered: Family<ResponseLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    under_way: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter<u64, AtomicU64>,
    pub(super) connections: ConnectionCounts,
}

/// Counts the connections of clients.
#[derive(Clone, Debug, Default)]
pub(super) struct ConnectionCounts {
    /// Open ones.
    pub(super) open: Gauge,
    /// All since the start.
    pub(super) accepted: Counter,
}

/// A request in progress, until this is dropped: the client may disconnect before.
pub(super) struct RequestTimer {
    at: Instant,
    route: RouteLabels,
    under_way: Gauge,
}

impl RequestTimer {
    /// The template of the route: not the path, which may contain names, nor the query, which may
    /// contain a signature.
    pub(super) fn route(&self) -> &str {
        &self.route.route
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        self.under_way.dec();
    }
}

impl ServerMetrics {
    pub(super) fn new(component: &str, started_at: Timestamp) -> ServerMetrics {
        let mut registry = Registry::with_prefix("packhouse_http");
        let answered = Family::default();
        let seconds: Family<RouteLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new((0..10).map(|n| 0.001 * 4_f64.powi(n))));
        let (under_way, received, sent) =
            (Gauge::default(), Counter::default(), Counter::default());
        registry.register(
            "requests",
            "Requests handled, by method, route and status",
            answered.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time to the first byte of the response",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("under_way", "Requests in progress", under_way.clone());
        registry.register_with_unit(
            "received",
            "Size of upload bodies",
            Unit::Bytes,
            received.clone(),
        );
        registry.register_with_unit("sent", "Size of packs sent", Unit::Bytes, sent.clone());
        let connections = ConnectionCounts::default();
        registry.register("connections", "Open connections of clients", connections.open.clone());
        registry.register(
            "connections_accepted",
            "Connections of clients that were accepted",
            connections.accepted.clone(),
        );
        let start: Gauge = Gauge::default();
        start.set(started_at.as_second());
        registry.register_with_unit(
            "start_time",
            "When the server was started, since 1970",
            Unit::Seconds,
            start,
        );
        ServerMetrics {
            jobs: Metrics::new(component),
            registry,
            answered,
            seconds,
            under_way,
            received,
            sent,
            connections,
        }
    }

    /// A request has arrived.
    pub(super) fn begin(&self, request: &Request) -> RequestTimer {
        self.under_way.inc();
        // The route's template, not the path: names of repos are private, and there are too many.
        let route = request
            .extensions()
            .get::<MatchedPath>()
            .map_or("none", MatchedPath::as_str)
            .to_owned();
        // Clients may invent methods, and each would be a new label.
        let method = match request.method().as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let route = RouteLabels { method: method.to_owned(), route };
        RequestTimer { at: Instant::now(), route, under_way: self.under_way.clone() }
    }

    /// The response is ready.
    pub(super) fn end(&self, begun: RequestTimer, response: &Response) {
        self.seconds.get_or_create(&begun.route).observe(begun.at.elapsed().as_secs_f64());
        let RouteLabels { method, route } = begun.route.clone();
        self.answered
            .get_or_create(&ResponseLabels { method, route, status: response.status().as_u16() })
            .inc();
    }

    /// All of it, in the format of OpenMetrics.
    pub(super) fn text(&self) -> String {
        encoded(&self.registry)
    }
}
