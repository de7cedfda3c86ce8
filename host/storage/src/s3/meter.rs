//! Requests, counted and traced; and listings without what is not packhouse's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody,
    HttpResponse, HttpService, ReqwestConnector,
};
use object_store::path::Path as Key;
use packhouse_model::span::{SentRequest, record_response};
use packhouse_model::text::escaped;
use packhouse_vault::Traffic;
use tracing::{Instrument, Span};

/// Counts requests and bytes.
#[derive(Debug, Default)]
pub(super) struct RequestMeter {
    requests: AtomicU64,
    write_requests: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl RequestMeter {
    pub(super) fn read(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            requests: of(&self.requests),
            write_requests: of(&self.write_requests),
            bytes_up: of(&self.up),
            bytes_down: of(&self.down),
        }
    }
}

/// Makes clients that count.
#[derive(Debug)]
pub(super) struct MeteredClient {
    pub(super) meter: Arc<RequestMeter>,
    /// What is sent instead of what was signed.
    pub(super) instead: Option<Arc<[u8]>>,
}

impl HttpConnector for MeteredClient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Counting {
            client,
            meter: self.meter.clone(),
            instead: self.instead.clone(),
        }))
    }
}

#[derive(Debug)]
struct Counting {
    client: HttpClient,
    meter: Arc<RequestMeter>,
    instead: Option<Arc<[u8]>>,
}

#[async_trait]
impl HttpService for Counting {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(instead) =
            self.instead.as_ref().filter(|instead| request.body().content_length() == instead.len())
        {
            *request.body_mut() = HttpRequestBody::from(instead.to_vec());
        }
        let add = |count: &AtomicU64, n: u64| count.fetch_add(n, Ordering::Relaxed);
        let method = request.method().as_str();
        let (reads, removes) = (method == "GET", method == "DELETE");
        let lists = reads && request.uri().query().is_some_and(|query| query.contains("list-type"));
        add(&self.meter.requests, 1);
        // Deleting is free.
        add(
            &self.meter.write_requests,
            u64::from(lists || !(reads || removes || method == "HEAD")),
        );
        add(&self.meter.up, request.body().content_length() as u64);
        let span = span_of(&request);
        let response = self.client.execute(request).instrument(span.clone()).await;
        record_response(&span, response.as_ref().ok().map(|response| response.status().as_u16()));
        let response = response?;
        let response = if lists { without_foreign(response).await? } else { response };
        // The length of what a HEAD is about is not sent.
        let length = response.headers().get("content-length").filter(|_| reads);
        let length =
            length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
        add(&self.meter.down, length.unwrap_or(0));
        Ok(response)
    }
}

/// A span of a request for the step that sends it. What no step sends is not traced: it would
/// begin another trace.
fn span_of(request: &HttpRequest) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let uri = request.uri();
    let (method, port) = (request.method().as_str(), uri.port_u16());
    SentRequest { method, host: uri.host(), port, path: uri.path() }.span()
}

/// A listing without foreign objects that would be in the way: those that the client can't name,
/// such as `packs//x`, would fail all of it; the markers of folders, such as `packs/`, would look
/// like something else.
async fn without_foreign(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let body = body.bytes().await?;
    let listed = match std::str::from_utf8(&body) {
        Ok(text) if text.contains("<Contents>") => named(text).into(),
        _ => body,
    };
    parts.headers.remove("content-length");
    Ok(HttpResponse::from_parts(parts, listed.into()))
}

/// A page of a listing without such entries.
fn named(page: &str) -> String {
    let mut entries = page.split_inclusive("</Contents>");
    let mut kept = String::with_capacity(page.len());
    for entry in &mut entries {
        let start = entry.find("<Contents>").unwrap_or(entry.len());
        let (before, contents) = entry.split_at(start);
        kept.push_str(before);
        let key = contents
            .split_once("<Key>")
            .and_then(|(_, rest)| rest.split_once("</Key>"))
            .map(|(key, _)| key);
        match key.filter(|key| key.ends_with('/') || Key::parse(key).is_err()) {
            Some(foreign) => tracing::debug!(
                "`{}` is not an object of packhouse; it is ignored",
                escaped(foreign)
            ),
            None => kept.push_str(contents),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_without_what_would_be_in_the_way() {
        let entry = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let page = |keys: &[&str]| {
            format!(
                "<ListBucketResult><Name>b</Name>{}<KeyCount>1</KeyCount></ListBucketResult>",
                keys.iter().copied().map(entry).collect::<String>()
            )
        };
        let all = [
            "p/packs/",
            "p/packs//x",
            "p/packs/ab/c.mpack",
            "p/packs/../x",
            "p/a&amp;b",
            "p/packs/ab//",
        ];
        assert_eq!(named(&page(&all)), page(&["p/packs/ab/c.mpack", "p/a&amp;b"]));
        assert_eq!(named(&page(&[])), page(&[]));
    }
}
