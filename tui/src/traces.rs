//! Traces: what took how long, sent to an OpenTelemetry collector by OTLP over HTTP. Off until a
//! collector is named. Its other settings are the standard variables of OpenTelemetry, such as
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME` and `OTEL_TRACES_SAMPLER`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::{TraceContextExt, TracerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
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
use url::Url;

use crate::exit::Exit;
use crate::globals::Globals;

/// The path of traces under the URL of a collector.
const PATH: &str = "v1/traces";
/// The protocol that spans are sent by.
const PROTOCOL: &str = "http/protobuf";
/// The option that names a collector.
const OPTION: &str = "otlp-endpoint";
/// How long a request to a collector may take.
const REQUEST: Duration = Duration::from_secs(10);
/// How long the end of a process waits for the collector.
const LAST: Duration = Duration::from_secs(2);
/// The name of the traced service, unless a variable has another one.
const SERVICE: &str = "packhouse";

/// Sends the spans of this process, if a collector is named.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Where to send spans, by `--otlp-endpoint` and what else the environment says. What is wrong
    /// with the environment, which may be meant for other programs, switches traces off; the second
    /// value says so.
    ///
    /// # Errors
    /// [`Error::Usage`] for what the command line or the config file names and is not a URL.
    pub(crate) fn start(globals: &Globals) -> anyhow::Result<(Traces, Option<String>)> {
        let off = Traces(None);
        let Some((endpoint, source)) = endpoint(globals).filter(|_| !is_off()) else {
            return Ok((off, None));
        };
        match (sending_to(&endpoint), source) {
            (Ok(provider), _) => Ok((Traces(Some(provider)), wrong_protocol())),
            (Err(problem), Source::Environment) => Ok((off, Some(format!("no traces: {problem}")))),
            (Err(problem), Source::Packhouse) => Err(Error::Usage(problem).into()),
        }
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

/// Who names the collector.
#[derive(Clone, Copy)]
enum Source {
    /// The command line or the config file.
    Packhouse,
    /// Variables, which other programs read as well.
    Environment,
}

/// The URL that spans are sent to. The command line overrides the environment, which overrides the
/// config file. The variable for traces is a whole URL; to all others the standard path is added.
fn endpoint(globals: &Globals) -> Option<(String, Source)> {
    let with_path = |base: &String| format!("{}/{PATH}", base.trim_end_matches('/'));
    let named = globals.otlp_endpoint.as_ref().filter(|base| !base.is_empty()).map(with_path);
    let of_traces = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
    if globals.config.given.contains_key(OPTION) {
        return Some((named?, Source::Packhouse));
    }
    if let Some(url) = of_traces {
        return Some((url, Source::Environment));
    }
    let is_of_file = globals.config.has_added(OPTION);
    Some((named?, if is_of_file { Source::Packhouse } else { Source::Environment }))
}

/// A provider that sends spans to a URL; or why it can't.
fn sending_to(endpoint: &str) -> Result<SdkTracerProvider, String> {
    let unusable = |problem: String| {
        format!(
            "traces can't be sent to {endpoint}: {problem}; an example is --{OPTION} http://127.0.0.1:4318"
        )
    };
    let url = Url::parse(endpoint).map_err(|error| unusable(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(unusable("it is not an HTTP URL".to_owned()));
    }
    // The client needs one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A collector that redirects would have the headers, which may have a key, sent elsewhere.
    let client = reqwest::blocking::Client::builder()
        .timeout(REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(endpoint)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    let exporter = Reporting { exporter, place: place(url), is_away: AtomicBool::new(false) };
    Ok(SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter).build())
}

/// A URL as logs may have it.
fn place(mut url: Url) -> String {
    // Neither fails for a URL with a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.into()
}

/// What to say about a protocol that the environment asks for and packhouse does not have.
fn wrong_protocol() -> Option<String> {
    let names = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    let (name, asked) = names.into_iter().find_map(|name| Some((name, variable(name)?)))?;
    (asked != PROTOCOL).then(|| {
        format!(
            "{name}={asked} is not supported: traces are sent by {PROTOCOL}, usually to port 4318"
        )
    })
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

/// Notes in its span how a call ended, and ends it: work that still goes on in the background would
/// keep it open.
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
    /// The collector, for the log.
    place: String,
    is_away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Reporting<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let done = self.exporter.export(batch).await;
        let was_away = self.is_away.swap(done.is_err(), Ordering::Relaxed);
        match &done {
            Err(error) if !was_away => tracing::warn!(
                "traces could not be sent to {}, by OTLP over HTTP: {error}",
                self.place
            ),
            Ok(()) if was_away => tracing::info!("traces are sent to {} again", self.place),
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
