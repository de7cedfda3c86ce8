//! Trace contexts, in the format of the W3C: how a span in one process becomes the parent of one in
//! another, or is linked to it.
//!
//! ```text
//! CLI ── traceparent header ─▶ server ── column of the job ─▶ worker
//!            (parent)                          (link)
//! ```
//!
//! The spans are those of `tracing`, with the target [`packhouse_model::span::TARGET`]. What exports
//! them is up to the program: without a layer of `tracing-opentelemetry`, all functions here do
//! nothing.
//!
//! Source: <https://www.w3.org/TR/trace-context/>.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The key of a context in a carrier.
const TRACEPARENT: &str = "traceparent";

/// Makes the span of a request's sender the parent of `span`, if the headers name one.
pub fn continue_request(span: &Span, headers: &HeaderMap) {
    if let Some(traceparent) = named(headers) {
        continue_from(span, traceparent);
    }
}

/// Links `span` to that of a request's sender, if the headers name one.
pub fn link_request(span: &Span, headers: &HeaderMap) {
    if let Some(traceparent) = named(headers) {
        link(span, traceparent);
    }
}

/// What a header says. Of `tracestate`, which is for vendors, nothing is kept: it may be long, and each
/// span would have a copy.
fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(TRACEPARENT)?.to_str().ok()
}

/// The same for a context in a text, such as the one that [`current`] returns.
pub fn continue_from(span: &Span, traceparent: &str) {
    let parent = context(traceparent);
    if parent.span().span_context().is_valid() {
        // Fails without a layer, and then there is nothing to do.
        let _ = span.set_parent(parent);
    }
}

/// Links a span to another one, which has led to it and may have ended long ago.
pub fn link(span: &Span, traceparent: &str) {
    let linked: SpanContext = context(traceparent).span().span_context().clone();
    if linked.is_valid() {
        span.add_link(linked);
    }
}

/// Names the current span in the headers of a request. Without a layer there is nothing to name.
pub fn inject(headers: &mut HeaderMap) {
    if let Some(value) = current().and_then(|context| HeaderValue::from_str(&context).ok()) {
        headers.insert(TRACEPARENT, value);
    }
}

/// The context of the current span, or of the next one around it that is traced: `VERSION-TRACE-SPAN-FLAGS` in hex. None without a layer.
pub fn current() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Context::current(), &mut carrier);
    carrier.remove(TRACEPARENT)
}

/// The context that a text names; an empty one if it names none.
fn context(traceparent: &str) -> Context {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    TraceContextPropagator::new().extract(&carrier)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    /// The spans that end while `work` runs.
    fn spans(work: impl FnOnce()) -> Vec<SpanData> {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(kept.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let mut ended = kept.0.lock().unwrap();
        std::mem::take(&mut *ended)
    }

    #[test]
    fn a_request_belongs_to_the_trace_of_its_sender() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(TRACEPARENT),
            http::HeaderValue::from_static(PARENT),
        )]);
        let ended = spans(|| {
            let span = tracing::info_span!("request");
            continue_request(&span, &headers);
            span.in_scope(|| {
                let mut sent = HeaderMap::new();
                inject(&mut sent);
                let sent = sent[TRACEPARENT].to_str().unwrap();
                assert_eq!(Some(sent), current().as_deref());
                assert_eq!(sent[..36], PARENT[..36], "the same trace");
                assert_ne!(sent, PARENT, "another span");
            });
        });
        assert_eq!(ended[0].parent_span_id.to_string(), &PARENT[36..52]);
    }

    #[test]
    fn a_span_that_is_not_traced_hides_nothing() {
        let filter = tracing_subscriber::filter::filter_fn(|span| span.name() != "log");
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let log = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
        let both = tracing_subscriber::registry().with(layer.with_filter(filter)).with(log);
        tracing::subscriber::with_default(both, || {
            let _traced = tracing::info_span!("request").entered();
            let outside = current();
            let _logged = tracing::info_span!("log").entered();
            assert!(outside.is_some());
            assert_eq!(current(), outside);
        });
    }

    #[test]
    fn a_linked_span_has_a_trace_of_its_own() {
        let ended = spans(|| link(&tracing::info_span!("job"), PARENT));
        let [link] = &ended[0].links.links[..] else { panic!("{:?}", ended[0].links) };
        assert_eq!(link.span_context.trace_id().to_string(), &PARENT[3..35]);
        assert_ne!(ended[0].span_context.trace_id(), link.span_context.trace_id());
    }

    #[test]
    fn a_context_that_is_none_is_ignored() {
        for bad in
            ["", "00", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
        {
            let ended = spans(|| {
                let span = tracing::info_span!("request");
                continue_from(&span, bad);
                link(&span, bad);
            });
            assert!(!ended[0].parent_span_is_remote && ended[0].links.links.is_empty(), "{bad}");
        }
    }

    #[test]
    fn without_a_layer_there_is_no_context() {
        let mut headers = HeaderMap::new();
        inject(&mut headers);
        assert!(headers.is_empty());
        assert_eq!(current(), None);
    }
}
