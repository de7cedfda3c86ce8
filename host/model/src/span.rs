//! Spans for tracing: what took how long, and for whom.

use tracing::Span;
use tracing::field::Empty;

/// The target of all spans that are for tracing, and not for the log. Without a subscriber that wants
/// this target they cost nothing.
pub const TARGET: &str = "packhouse_trace";

/// A request to another server.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// The host, without the port.
    pub host: Option<&'a str>,
    /// The port.
    pub port: Option<u16>,
    /// The path of the URL, and not its query: that may hold a signature.
    pub path: &'a str,
}

impl SentRequest<'_> {
    /// Its span, with the names of OpenTelemetry's conventions for HTTP clients.
    pub fn span(&self) -> Span {
        tracing::info_span!(
            target: TARGET,
            "http request",
            otel.name = self.method,
            otel.kind = "client",
            http.request.method = self.method,
            server.address = self.host,
            server.port = self.port,
            url.path = self.path,
            http.response.status_code = Empty,
            otel.status_code = Empty,
        )
    }
}

/// Records how a request ended: with a status of HTTP, or without a response.
pub fn record_response(span: &Span, status: Option<u16>) {
    if let Some(status) = status {
        span.record("http.response.status_code", status);
    }
    if !status.is_some_and(|status| (200..300).contains(&status)) {
        span.record("otel.status_code", "ERROR");
    }
}
