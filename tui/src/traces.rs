//! Traces: what took how long, sent to an OpenTelemetry collector by OTLP over HTTP. Off until a
//! collector is named. Its other settings are the standard variables of OpenTelemetry, such as
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME` and `OTEL_TRACES_SAMPLER`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt, TracerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use packhouse_host::{Error, span::TARGET, trace};
use tracing::field::Empty;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::exit::Exit;

/// The path of traces under the URL of a collector.
const PATH: &str = "v1/traces";
/// How long the end of a process waits for the collector.
const LAST: Duration = Duration::from_secs(2);
/// The name of the traced service, unless a variable has another one.
const SERVICE: &str = "packhouse";

/// Sends the spans of this process, if a collector is named.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// `endpoint`: the URL of a collector, to which the standard path is added. Without one, that of
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, as it is.
    ///
    /// # Errors
    /// [`Error::Usage`] for what is not a URL.
    pub(crate) fn start(endpoint: Option<&str>) -> anyhow::Result<Traces> {
        let of_traces = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let endpoint = endpoint.map(|base| format!("{}/{PATH}", base.trim_end_matches('/')));
        let Some(endpoint) = of_traces.or(endpoint).filter(|_| !is_off()) else {
            return Ok(Traces(None));
        };
        // The exporter's client needs one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unusable = |problem: String| {
            Error::Usage(format!(
                "traces can't be sent to {endpoint}: {problem}; an example is --otlp-endpoint http://127.0.0.1:4318"
            ))
        };
        let url = url::Url::parse(&endpoint).map_err(|error| unusable(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(unusable("it is not an HTTP URL".to_owned()).into());
        }
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&endpoint)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource())
            .with_batch_exporter(Reporting { exporter, endpoint, is_away: AtomicBool::new(false) })
            .build();
        Ok(Traces(Some(provider)))
    }

    /// Passes spans for tracing on, and what the host logs during them.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(
        &self,
    ) -> Option<impl Layer<S> + use<S>> {
        let wanted = |metadata: &Metadata<'_>| match metadata.is_span() {
            true => metadata.target() == TARGET,
            false => metadata.target().starts_with(SERVICE),
        };
        let provider = self.0.as_ref()?;
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(filter_fn(wanted).with_max_level_hint(Level::INFO)))
    }

    /// Sends what was not sent yet.
    pub(crate) fn end(self) {
        // What fails was reported.
        let _ = self.0.map(|provider| provider.shutdown_with_timeout(LAST));
    }
}

/// The span of a call of the command line. It belongs to the trace that `TRACEPARENT` names, if any.
pub(crate) fn call(words: &str) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "call",
        otel.name = format!("packhouse {words}"),
        process.exit.code = Empty,
        otel.status_code = Empty,
    );
    if let Some(parent) = variable("TRACEPARENT") {
        trace::continue_from(&span, &parent);
    }
    span
}

/// Notes in its span how a call ended, and ends it: work that goes on in the background, and that
/// nobody waits for, would keep it open.
pub(crate) fn ended(span: &Span, exit: Exit) {
    span.record("process.exit.code", exit.code());
    if exit != Exit::Done {
        span.record("otel.status_code", "ERROR");
    }
    span.context().span().end();
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether the standard variables switch traces off.
fn is_off() -> bool {
    variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none")
}

/// What all spans of this process have in common.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|all| all.contains("service.name="));
    match is_named {
        true => resource.build(),
        false => resource.with_service_name(SERVICE).build(),
    }
}

/// An exporter that says in the log when the collector goes away and when it is back. Then spans are
/// lost, and nothing else.
#[derive(Debug)]
struct Reporting<E> {
    exporter: E,
    endpoint: String,
    is_away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let done = self.exporter.export(batch).await;
        let was_away = self.is_away.swap(done.is_err(), Ordering::Relaxed);
        match &done {
            Err(error) if !was_away => tracing::warn!(
                "traces could not be sent to {}, by OTLP over HTTP: {error}",
                self.endpoint
            ),
            Ok(()) if was_away => tracing::info!("traces are sent to {} again", self.endpoint),
            _ => {}
        }
        done
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
