//! Responses with bytes of packs: complete, or a range to resume a download.

use std::ops::{Range, RangeInclusive};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::negotiation::MSGPACK;
use super::problem::Problem;

/// The part of some bytes that a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RequestedPart {
    /// All of them.
    Whole,
    /// A range, which has one byte at least.
    Part(RangeInclusive<u64>),
    /// A range that they don't have.
    None,
}

/// The response to a request for `total` bytes with an ETag, or for a range of them, which `open`
/// gives; none where it gives none. `named`: the ETag in the URL.
///
/// # Errors
/// That of `open`.
pub(super) async fn respond<E>(
    headers: &HeaderMap,
    (etag, named): (&str, Option<&str>),
    total: u64,
    open: impl AsyncFnOnce(Range<u64>) -> Result<Option<Body>, E>,
) -> Result<Option<Response>, E> {
    let part = requested_part(headers, etag, named, total);
    let Some(range) = part.range(total) else { return Ok(Some(no_such_part(total))) };
    Ok(open(range).await?.map(|body| part_of(&part, etag, total, body)))
}

/// Which part of `total` bytes with an ETag a request is for. A range of other bytes is not taken
/// for one of these: `If-Range` says which are meant, or without it the URL, in `named`.
fn requested_part(
    headers: &HeaderMap,
    etag: &str,
    named: Option<&str>,
    total: u64,
) -> RequestedPart {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_same = match text(header::IF_RANGE) {
        Some(given) => given == format!("\"{etag}\""),
        None => named.is_none_or(|named| named == etag),
    };
    match text(header::RANGE).filter(|_| is_same) {
        None => RequestedPart::Whole,
        Some(range) => one_range(range, total),
    }
}

impl RequestedPart {
    /// The bytes to be sent, of `total`; none if there are none.
    fn range(&self, total: u64) -> Option<Range<u64>> {
        match self {
            RequestedPart::Whole => Some(0..total),
            RequestedPart::Part(part) => Some(*part.start()..part.end() + 1),
            RequestedPart::None => None,
        }
    }
}

/// A response with a part of `total` bytes.
fn part_of(part: &RequestedPart, etag: &str, total: u64, body: Body) -> Response {
    let length = part.range(total).map_or(0, |range| range.end - range.start);
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MSGPACK));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&format!("\"{etag}\"")));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    if let RequestedPart::Part(part) = part {
        let range = format!("bytes {}-{}/{total}", part.start(), part.end());
        headers.insert(header::CONTENT_RANGE, value(&range));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// The response to a request for a range that `total` bytes don't have.
fn no_such_part(total: u64) -> Response {
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        format!("the pack has {total} bytes; ask for a range of these"),
    );
    let mut response = problem.into_response();
    response.headers_mut().insert(header::CONTENT_RANGE, value(&format!("bytes */{total}")));
    response
}

/// Digits, dashes and quotes.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// The range of a `Range` header; all bytes if it has several, or is not in bytes.
fn one_range(header: &str, total: u64) -> RequestedPart {
    let Ok(parsed) = http_range_header::parse_range_header(header) else {
        return RequestedPart::Whole;
    };
    match parsed.validate(total).as_deref() {
        Ok([one]) => RequestedPart::Part(one.clone()),
        Ok(_) => RequestedPart::Whole,
        Err(_) => RequestedPart::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_apart() {
        assert_eq!(one_range("bytes=0-9", 100), RequestedPart::Part(0..=9));
        assert_eq!(one_range("bytes=90-", 100), RequestedPart::Part(90..=99));
        assert_eq!(one_range("bytes=-10", 100), RequestedPart::Part(90..=99));
        assert_eq!(one_range("bytes=0-1,5-6", 100), RequestedPart::Whole, "several: all of it");
        assert_eq!(one_range("lines=1-2", 100), RequestedPart::Whole);
        assert_eq!(one_range("bytes=100-", 100), RequestedPart::None);
    }

    /// A client that resumes gets no bytes of another pack.
    #[test]
    fn a_range_is_one_of_the_bytes_that_the_client_knows() {
        let part = |if_range: Option<&'static str>, named: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static("bytes=5-"));
            if let Some(etag) = if_range {
                headers.insert(header::IF_RANGE, HeaderValue::from_static(etag));
            }
            requested_part(&headers, "ab", named, 10)
        };
        let rest = RequestedPart::Part(5..=9);
        assert_eq!(part(None, None), rest);
        assert_eq!(part(Some("\"ab\""), None), rest);
        assert_eq!(part(Some("\"cd\""), None), RequestedPart::Whole);
        assert_eq!(part(Some("ab"), None), RequestedPart::Whole, "an ETag has quotes");
        assert_eq!(part(None, Some("ab")), rest);
        assert_eq!(part(None, Some("cd")), RequestedPart::Whole, "the answer has changed");
        assert_eq!(part(Some("\"ab\""), Some("cd")), rest, "the client knows the new answer");
        assert_eq!(part(Some("\"cd\""), Some("ab")), RequestedPart::Whole);
    }
}
