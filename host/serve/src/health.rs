//! Whether the server lives, whether it can work, and what was measured.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use packhouse_model::access::{Caller, Scope};
use packhouse_model::error::{Class, Result};
use packhouse_worker::{Metrics, encoded, store_metrics};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::Serialize;
use tokio::time::Instant;

use super::problem::{ApiResult, Problem};
use super::state::SharedState;

pub(super) fn routes() -> Router<SharedState> {
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

/// The routes on the address for metrics only: no token is needed there.
pub(super) fn measured(state: SharedState) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/metrics", get(all_metrics))
        .with_state(state)
}

/// Whether a path is a health check: it must be answered however busy the server is.
pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/healthz" | "/readyz")
}

/// The process answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// A row of the catalog can be written and deleted, and there is room for packs.
async fn ready(State(state): State<SharedState>) -> ApiResult<&'static str> {
    // No other writer is in the way: trying again helps only when its operator has done something.
    let not_ready = |detail: &str| Problem {
        class: Class::Refused,
        ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    };
    let unready = || not_ready("the store can't be written to; see the server's log");
    if !state.readiness.succeeds(state.store.probe_writing()).await {
        return Err(unready());
    }
    let free = state.store.free_bytes().map_err(|error| {
        tracing::warn!("not ready: {error}");
        unready()
    })?;
    match free {
        0 => Err(not_ready("the disk is full")),
        _ => Ok("ready\n"),
    }
}

/// Test writes for the readiness check, one at a time: any client may ask, and each write waits for
/// the disk.
#[derive(Debug, Default)]
pub(super) struct ReadinessProbe {
    /// How many have asked.
    asked: AtomicU64,
    /// How many of them the last trial was for, and whether it succeeded.
    last: tokio::sync::Mutex<(u64, bool)>,
}

impl ReadinessProbe {
    /// Whether a test write that starts from now on succeeds. All who asked before it starts share
    /// it.
    async fn succeeds(&self, trial: impl Future<Output = Result<()>>) -> bool {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut last = self.last.lock().await;
        if last.0 < mine {
            let all = self.asked.load(Ordering::SeqCst);
            let done = trial.await;
            if let Err(error) = &done {
                tracing::warn!("not ready: {error}");
            }
            *last = (all, done.is_ok());
        }
        last.1
    }
}

/// For administrators of the whole store: sums include private repos.
async fn metrics(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
) -> ApiResult<Response> {
    if !caller.may_everywhere(Scope::Admin) {
        let words = "metrics include private repos; send a token with scope admin for all repos (*), or serve metrics on their own address: --metrics-listen";
        let status =
            if caller == Caller::Anyone { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
        return Err(Problem::new(status, words));
    }
    all_metrics(State(state)).await
}

/// Counts and sizes, without names of users or repos.
async fn all_metrics(State(state): State<SharedState>) -> ApiResult<Response> {
    let now = store_metrics(&state.store).await?;
    // Each ends with `# EOF`, which may only be at the end.
    let texts = [state.metrics.jobs.text(), state.metrics.text(), now];
    let body: String = texts.iter().map(|text| text.trim_end().trim_end_matches("# EOF")).collect();
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], body + "# EOF\n").into_response())
}

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

/// What a server has done since it began.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) jobs: Metrics,
    registry: Registry,
    answered: Family<ResponseLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    under_way: Gauge,
    pub(super) received: Counter,
    pub(super) sent: Counter<u64, AtomicU64>,
}

/// A request in progress, until this is dropped: the client may disconnect before.
pub(super) struct RequestTimer {
    at: Instant,
    route: RouteLabels,
    under_way: Gauge,
}

impl RequestTimer {
    /// The route as it is written: no path, which may hold names, and no query, which may hold a
    /// signature.
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
    pub(super) fn new(component: &str) -> ServerMetrics {
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
        ServerMetrics {
            jobs: Metrics::new(component),
            registry,
            answered,
            seconds,
            under_way,
            received,
            sent,
        }
    }

    /// A request has come.
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
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let route = RouteLabels { method: method.to_owned(), route };
        RequestTimer { at: Instant::now(), route, under_way: self.under_way.clone() }
    }

    /// It was answered.
    pub(super) fn end(&self, begun: RequestTimer, response: &Response) {
        self.seconds.get_or_create(&begun.route).observe(begun.at.elapsed().as_secs_f64());
        let RouteLabels { method, route } = begun.route.clone();
        self.answered
            .get_or_create(&ResponseLabels { method, route, status: response.status().as_u16() })
            .inc();
    }

    fn text(&self) -> String {
        encoded(&self.registry)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use packhouse_model::error::Error;

    #[tokio::test]
    async fn many_who_ask_at_once_share_a_trial_that_began_after_they_asked() {
        let (readiness, ran, may) = (
            Arc::new(ReadinessProbe::default()),
            Arc::new(AtomicU64::new(0)),
            Arc::new(Semaphore::new(0)),
        );
        let ask = |full| {
            let (readiness, ran, may) = (readiness.clone(), ran.clone(), may.clone());
            tokio::spawn(async move {
                let work = async {
                    ran.fetch_add(1, Ordering::SeqCst);
                    may.acquire().await.unwrap().forget();
                    if full { Err(Error::Cancelled) } else { Ok(()) }
                };
                readiness.succeeds(work).await
            })
        };
        let first = ask(false);
        while ran.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // The disk fills up while the first check runs: later requests must not get its success.
        let later: Vec<_> = (0..50).map(|_| ask(true)).collect();
        while readiness.asked.load(Ordering::SeqCst) < 51 {
            tokio::task::yield_now().await;
        }
        may.add_permits(2);
        assert!(first.await.unwrap());
        for one in later {
            assert!(!one.await.unwrap());
        }
        assert_eq!(
            ran.load(Ordering::SeqCst),
            2,
            "one trial for the first, one for all who came while it ran"
        );
    }
}
