//! What every request passes first: how often its caller has asked lately, and who that is.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::house::{House, Shared};
use super::limits::Limits;
use super::problem::{Answer, Problem};
use super::wire::{Form, say};
use crate::access::{Caller, Scope, TokenText};
use crate::names::{RepoName, Visibility};

/// Tokens that turn out to be none, a minute and address: guessing is hopeless, and should be dear besides.
const WRONG_TOKENS: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Address(IpAddr),
    Token(String),
}

/// How often callers have asked lately.
#[derive(Debug)]
pub(super) struct Rates {
    requests: Option<DefaultKeyedRateLimiter<Counted>>,
    wrong_tokens: DefaultKeyedRateLimiter<IpAddr>,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Rates {
        let quota = NonZeroU32::new(limits.rate)
            .map(|rate| Quota::per_second(rate).allow_burst(NonZeroU32::new(limits.burst).unwrap_or(rate)));
        Rates { requests: quota.map(RateLimiter::keyed), wrong_tokens: RateLimiter::keyed(Quota::per_minute(WRONG_TOKENS)) }
    }

    fn count(&self, who: &Counted) -> Answer<()> {
        let Some(requests) = &self.requests else { return Ok(()) };
        if requests.len() > KEPT {
            // Those who have been silent for long enough need no memory.
            requests.retain_recent();
        }
        requests.check_key(who).map_err(|_| too_often("too many requests"))
    }

    fn count_wrong(&self, address: IpAddr) -> Answer<()> {
        if self.wrong_tokens.len() > KEPT {
            self.wrong_tokens.retain_recent();
        }
        self.wrong_tokens.check_key(&address).map_err(|_| too_often("too many tokens that are none"))
    }
}

/// Callers that are remembered before those who have been silent are forgotten.
const KEPT: usize = 10_000;

fn too_often(what: &str) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("{what}; wait a moment"))
}

/// Lets a request pass with its [`Caller`], or answers it.
pub(super) async fn guard(
    State(house): State<Shared>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = house.metrics.begin(&request);
    let form = Form::of(request.headers());
    let mut response = match identify(&house, from.ip(), request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => say(form, problem),
    };
    secure(response.headers_mut(), house.secure);
    house.metrics.end(started, &response);
    response
}

async fn identify(house: &House, from: IpAddr, headers: &HeaderMap) -> Answer<Caller> {
    if house.trusting {
        only_from_here(headers)?;
        return Ok(Caller::Trusted);
    }
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        house.rates.count(&Counted::Address(from))?;
        return Ok(Caller::Anyone);
    };
    let token = given.to_str().ok().and_then(bearer).and_then(|token| token.parse::<TokenText>().ok());
    let caller = match &token {
        Some(token) => house.store.caller(token).await?,
        None => None,
    };
    match (caller, token) {
        (Some(caller), Some(token)) => {
            house.rates.count(&Counted::Token(token.id().to_owned()))?;
            Ok(caller)
        }
        _ => {
            house.rates.count_wrong(from)?;
            Err(Problem::unauthorized("this token is none, or it has expired or was revoked; `packhouse token list` tells"))
        }
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Everybody on this machine is trusted; a page in a browser on it is not: it may have come from anywhere.
fn only_from_here(headers: &HeaderMap) -> Answer<()> {
    let refused = |what: &str| Err(Problem::new(StatusCode::FORBIDDEN, what));
    if headers.contains_key(header::ORIGIN) || headers.get("sec-fetch-site").is_some_and(|site| site != "none") {
        return refused(
            "pages of other origins may not use a server that trusts everybody; make a token, and serve without --insecure-loopback",
        );
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    // HTTP/2 has it elsewhere, and no browser speaks that without TLS.
    let here = host.is_none_or(|host| {
        let name =
            host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(name, _)| name);
        let name = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    });
    if here { Ok(()) } else { refused("this server answers to localhost only: it trusts everybody (--insecure-loopback)") }
}

/// What keeps browsers from making something else of an answer.
fn secure(headers: &mut HeaderMap, tls: bool) {
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

/// The repo of a request's path, if its caller may do that much with it.
///
/// Of a private repo, and of one that is not there, nobody learns more than that.
pub(super) async fn repo_for(house: &House, caller: &Caller, owner: &str, slug: &str, scope: Scope) -> Answer<RepoName> {
    let name = format!("{owner}/{slug}");
    let repo: RepoName = name.parse().map_err(|_| Problem::no_repo(&name.escape_debug().to_string()))?;
    let Some(visibility) = house.store.visibility(&repo).await? else { return Err(Problem::no_repo(&name)) };
    if caller.may(scope, &repo) || (scope == Scope::Read && visibility == Visibility::Public) {
        return Ok(repo);
    }
    match visibility {
        Visibility::Private if !caller.may(Scope::Read, &repo) => Err(Problem::no_repo(&name)),
        _ if *caller == Caller::Anyone => Err(Problem::unauthorized(format!("to {} here, a token is needed", word(scope)))),
        _ => Err(Problem::unauthorized(format!("this token does not allow to {} here", word(scope)))),
    }
}

const fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Push => "push",
        Scope::Admin => "administer",
    }
}

/// Answers what nothing else does.
pub(super) async fn nothing_here() -> Response {
    Problem { class: crate::Class::Refused, ..Problem::new(StatusCode::NOT_FOUND, "there is nothing here") }.into_response()
}
