//! Proxies in front of the server, and the clients behind them.
//!
//! The headers of a proxy are trusted only if the operator has named its address
//! (`--trusted-proxy`): any client can send such headers. In a chain of addresses, the last one
//! that is not a trusted proxy is the client; the client itself has sent those before it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::address::Network;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The trusted proxies.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies(Arc<[Network]>);

impl Proxies {
    pub(super) fn new(networks: &[Network]) -> Proxies {
        Proxies(networks.into())
    }

    /// Whether an address is that of a trusted proxy.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.has(address))
    }

    /// The client of a request. The headers of a trusted proxy are applied: `Host` is the requested
    /// host afterwards. Those of others are removed: from here on, `X-Forwarded-Proto` can be
    /// trusted.
    pub(super) fn origin(&self, peer: IpAddr, headers: &mut HeaderMap) -> IpAddr {
        let mut origin = peer;
        let (mut proto, mut host) = (None, None);
        if self.trusts(peer) {
            for hop in listed(headers, &FOR).iter().rev() {
                match address(hop) {
                    Some(address) => origin = address,
                    // The client may have invented the addresses before it.
                    None => break,
                }
                if !self.trusts(origin) {
                    break;
                }
            }
            // If there are several, the last one was added by the proxy that connects to this
            // server.
            proto = listed(headers, &PROTO)
                .pop()
                .filter(|proto| matches!(proto.as_str(), "http" | "https"));
            host = listed(headers, &HOST).pop().filter(|host| is_host(host));
        }
        for name in [FOR, PROTO, HOST] {
            headers.remove(name);
        }
        let value = |text: Option<String>| text.and_then(|text| HeaderValue::from_str(&text).ok());
        if let Some(proto) = value(proto) {
            headers.insert(PROTO, proto);
        }
        if let Some(host) = value(host) {
            headers.insert(header::HOST, host);
        }
        origin.to_canonical()
    }
}

/// The scheme between client and proxy, after [`Proxies::origin`].
pub(super) fn scheme(headers: &HeaderMap) -> Option<&'static str> {
    match headers.get(PROTO)?.as_bytes() {
        b"https" => Some("https"),
        b"http" => Some("http"),
        _ => None,
    }
}

/// All values of a header that is a list.
fn listed(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| item.trim().to_ascii_lowercase()).collect()
}

/// An address as proxies write it: some add the port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

/// Whether a text is `HOST` or `HOST:PORT`, and nothing more.
pub(super) fn is_host(text: &str) -> bool {
    let authority = text.parse::<Authority>().ok();
    let with_port = |authority: &Authority| match authority.as_str().rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => {
            port.is_empty() || authority.port_u16().is_some()
        }
        _ => true,
    };
    authority.is_some_and(|authority| !authority.as_str().contains('@') && with_port(&authority))
}

/// Whether a header is one that only proxies add. A server that allows all requests would allow all
/// that reach a proxy in front of it.
///
/// packhouse, Muse clients, curl and browsers send no header that begins with `x-`, and every proxy
/// invents some. Therefore all of those count as headers of a proxy, and others by their name.
pub(super) fn only_from_proxies(name: &HeaderName) -> bool {
    let name = name.as_str();
    let starts = [
        "x-",
        "akamai-",
        "ali-",
        "cdn-",
        "cf-",
        "client-ip",
        "cloudfront-",
        "fastly-",
        "fly-",
        "front-end-",
        "ngrok-",
        "proxy-",
        "remote-",
        "tailscale-",
        "true-client-",
        "wl-proxy-",
    ];
    let ends = ["-client-ip", "-connecting-ip", "-real-ip", "-remote-ip", "-remote-user"];
    matches!(name, "via" | "eagleid")
        || name.contains("forwarded")
        || starts.iter().any(|start| name.starts_with(start))
        || ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(
        trusted: &[&str],
        peer: &str,
        sent: &[(&'static str, &str)],
    ) -> (String, Option<String>, Option<&'static str>) {
        let networks: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("inside:7070"));
        for (name, value) in sent {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let origin = Proxies::new(&networks).origin(peer.parse().unwrap(), &mut headers);
        let host = headers.get(header::HOST).map(|host| host.to_str().unwrap().to_owned());
        (origin.to_string(), host, scheme(&headers))
    }

    #[test]
    fn only_those_who_are_trusted_are_believed() {
        let sent = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "packs.example.org"),
        ];
        let inside = Some("inside:7070".to_owned());
        assert_eq!(origin(&[], "10.0.0.1", &sent), ("10.0.0.1".into(), inside.clone(), None));
        assert_eq!(origin(&["10.0.0.2"], "10.0.0.1", &sent), ("10.0.0.1".into(), inside, None));
        let outside = Some("packs.example.org".to_owned());
        assert_eq!(
            origin(&["10.0.0.0/8"], "10.0.0.1", &sent),
            ("1.2.3.4".into(), outside, Some("https"))
        );
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (chain, client) in [
            (&["6.6.6.6, 1.2.3.4, 10.0.0.9"][..], "1.2.3.4"),
            (&["6.6.6.6", "1.2.3.4", "10.0.0.9"], "1.2.3.4"),
            (&["10.0.0.7, 10.0.0.9"], "10.0.0.7"),
            (&["1.2.3.4:555"], "1.2.3.4"),
            (&["[2001:db8::1]:555, fd00::1"], "2001:db8::1"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6, nonsense"], "10.0.0.1"),
            (&["6.6.6.6, nonsense, 10.0.0.9"], "10.0.0.9"),
            (&[], "10.0.0.1"),
        ] {
            let sent: Vec<_> = chain.iter().map(|value| ("x-forwarded-for", *value)).collect();
            assert_eq!(origin(&trusted, "10.0.0.1", &sent).0, client, "{chain:?}");
        }
    }

    #[test]
    fn what_is_no_host_or_no_scheme_is_not_taken_over() {
        for (name, value) in [
            ("x-forwarded-host", "a b"),
            ("x-forwarded-host", "http://x/"),
            ("x-forwarded-host", "evil@x"),
            ("x-forwarded-proto", "javascript"),
        ] {
            let told = origin(&["10.0.0.1"], "10.0.0.1", &[(name, value)]);
            assert_eq!((told.1.as_deref(), told.2), (Some("inside:7070"), None), "{value}");
        }
    }

    #[test]
    fn a_host_has_a_port_and_nothing_more() {
        for good in ["localhost", "packs.example.org:443", "[::1]", "[::1]:7070", "1.2.3.4:1"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            "evil.example/x?",
            "evil.example?x",
            "evil.example#x",
            "a@b",
            "a b",
            "http://x",
            "x:port",
            "x:70000",
            "a\\b",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn headers_of_proxies_are_told_from_those_of_clients() {
        for name in [
            "via",
            "forwarded",
            "x-varnish",
            "x-nginx-proxy",
            "x-request-start",
            "x-scheme",
            "x-host",
            "front-end-https",
            "ali-cdn-real-ip",
            "ngrok-trace-id",
            "tailscale-user-login",
            "cf-ray",
            "true-client-ip",
            "wl-proxy-client-ip",
        ] {
            assert!(only_from_proxies(&HeaderName::from_static(name)), "{name}");
        }
        for name in [
            "accept",
            "accept-encoding",
            "accept-language",
            "authorization",
            "connection",
            "content-length",
            "content-type",
            "expect",
            "host",
            "if-range",
            "last-event-id",
            "range",
            "transfer-encoding",
            "upgrade-insecure-requests",
            "user-agent",
        ] {
            assert!(!only_from_proxies(&HeaderName::from_static(name)), "{name}");
        }
    }
}
