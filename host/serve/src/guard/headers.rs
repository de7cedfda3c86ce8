//! Headers: checks Host, refuses requests of web pages, and sets the security headers of responses.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use super::super::problem::{ApiResult, Problem};
use super::super::proxy::{is_host, only_from_proxies};

/// Sets the Host header: HTTP/2 has the host elsewhere.
pub(super) fn name_host(request: &mut Request) {
    let named = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(named) = named {
        request.headers_mut().entry(header::HOST).or_insert(named);
    }
}

/// Refuses a request with an invalid host: URLs of packs begin with it.
pub(super) fn check_host(headers: &HeaderMap) -> ApiResult<()> {
    let is_host = |value: &HeaderValue| value.is_empty() || value.to_str().is_ok_and(is_host);
    match headers.get(header::HOST) {
        Some(host) if !is_host(host) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the Host header is not a host: expected HOST or HOST:PORT",
        )),
        _ => Ok(()),
    }
}

/// Refuses web pages and proxies: all programs on this machine are trusted, but not pages in its
/// browsers, which may come from anywhere.
pub(super) fn check_local(headers: &HeaderMap) -> ApiResult<()> {
    let refused = |what: &str| Err(Problem::new(StatusCode::FORBIDDEN, what));
    if headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
    {
        return refused(
            "web pages can't use a server that allows all requests (--insecure-loopback); create a token, and serve without it",
        );
    }
    if headers.keys().any(only_from_proxies) {
        return refused(
            "a server that allows all requests (--insecure-loopback) can't be behind a proxy: everyone who reaches the proxy could use it",
        );
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let here = host.is_some_and(|host| {
        let name = host
            .rsplit_once(':')
            .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(host, |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if here {
        Ok(())
    } else {
        refused(
            "this server answers only requests to localhost, because it allows all requests (--insecure-loopback)",
        )
    }
}

/// Headers that keep browsers from interpreting a response.
pub(super) fn secure(headers: &mut HeaderMap, tls: bool) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if tls {
        headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
