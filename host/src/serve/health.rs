//! Whether the server lives, whether it can work, and what was measured.

use std::sync::atomic::AtomicU64;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use tokio::time::Instant;

use super::house::Shared;
use super::problem::{Answer, Problem};
use crate::error::Error;
use crate::worker::{Metrics, encoded, store_metrics};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/health", get(health))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// The same, as `muse hub ping` asks.
async fn health() -> Json<Health> {
    Json(Health { status: "ok", service: "packhouse" })
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
}

/// The process answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// The catalog answers, and there is room for packs.
async fn ready(State(house): State<Shared>) -> Answer<&'static str> {
    let unready = |error: Error| {
        tracing::warn!("not ready: {error}");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer; the server's log says more")
    };
    house.store.change_stamp().await.map_err(unready)?;
    match house.store.free_bytes().map_err(unready)? {
        0 => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the disk is full")),
        _ => Ok("ready\n"),
    }
}

/// Counts and sizes, without a name of anybody or of any repo.
async fn metrics(State(house): State<Shared>) -> Answer<Response> {
    let now = store_metrics(&house.store).await?;
    // Each ends with `# EOF`, which may stand at the end only.
    let texts = [house.metrics.jobs.text(), house.metrics.text(), now];
    let body: String = texts.iter().map(|text| text.trim_end().trim_end_matches("# EOF")).collect();
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], body + "# EOF\n").into_response())
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
}

/// What a server has done since it began.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) jobs: Metrics,
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    under_way: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter<u64, AtomicU64>,
}

/// A request that is being answered, until this is dropped: whoever asked may go away before.
pub(super) struct Begun {
    at: Instant,
    route: Route,
    under_way: Gauge,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.under_way.dec();
    }
}

impl ServerMetrics {
    pub(super) fn new(component: &str) -> ServerMetrics {
        let mut registry = Registry::with_prefix("packhouse_http");
        let answered = Family::default();
        let seconds: Family<Route, Histogram> =
            Family::new_with_constructor(|| Histogram::new((0..10).map(|n| 0.001 * 4_f64.powi(n))));
        let (under_way, received, sent) = (Gauge::default(), Counter::default(), Counter::default());
        registry.register("requests", "Requests that were answered, by method, route and status", answered.clone());
        registry.register_with_unit(
            "request_duration",
            "How long answers took until their first byte",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("under_way", "Requests that are being answered", under_way.clone());
        registry.register_with_unit("received", "Size of the bodies of uploads", Unit::Bytes, received.clone());
        registry.register_with_unit("sent", "Size of the packs that were answered", Unit::Bytes, sent.clone());
        ServerMetrics { jobs: Metrics::new(component), registry, answered, seconds, under_way, received, sent }
    }

    /// A request has come.
    pub(super) fn begin(&self, request: &Request) -> Begun {
        self.under_way.inc();
        // The route as it is written, not the path: names of repos are nobody's business, and there are too many.
        let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
        // Anybody may invent methods, and each would be remembered.
        let method = match request.method().as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let route = Route { method: method.to_owned(), route };
        Begun { at: Instant::now(), route, under_way: self.under_way.clone() }
    }

    /// It was answered.
    pub(super) fn end(&self, begun: Begun, response: &Response) {
        self.seconds.get_or_create(&begun.route).observe(begun.at.elapsed().as_secs_f64());
        let Route { method, route } = begun.route.clone();
        self.answered.get_or_create(&Answered { method, route, status: response.status().as_u16() }).inc();
    }

    fn text(&self) -> String {
        encoded(&self.registry)
    }
}
