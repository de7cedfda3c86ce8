//! What every request passes first: how often its caller has asked lately, and who that is.

use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use packhouse_catalog::AnswerBudget;
use packhouse_catalog::answers::STRANGERS;
use packhouse_model::access::{Caller, Scope, TokenText};
use packhouse_model::names::{RepoId, RepoName, Visibility};
use packhouse_model::text::escaped;
use packhouse_store::{AnswerQuota, Store};

use super::health::is_health;
use super::limits::ServeLimits;
use super::problem::{ApiResult, Problem};
use super::proxy::{is_host, only_from_proxies};
use super::signed::{NO_TOKEN, TRUSTED};
use super::state::{AppState, SharedState};

/// Unknown tokens a minute and address: guessing is hopeless, and should be expensive besides.
const WRONG_TOKENS: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// How many tokens an address may have that all ask as often as they may.
const LOOKUPS: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// Requests that share a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    Address(IpAddr),
    Token(String),
}

/// How often callers have asked lately.
#[derive(Debug)]
pub(super) struct RateLimits {
    requests: Option<DefaultKeyedRateLimiter<RateKey>>,
    /// Requests with a token, by address: many may have one.
    lookups: Option<DefaultKeyedRateLimiter<IpAddr>>,
    wrong_tokens: DefaultKeyedRateLimiter<IpAddr>,
}

impl RateLimits {
    pub(super) fn new(limits: &ServeLimits) -> RateLimits {
        let rate = NonZeroU32::new(limits.rate);
        let burst = |rate| NonZeroU32::new(limits.burst).unwrap_or(rate);
        let quota = |times: NonZeroU32| {
            rate.map(|rate| {
                Quota::per_second(rate.saturating_mul(times))
                    .allow_burst(burst(rate).saturating_mul(times))
            })
        };
        RateLimits {
            requests: quota(NonZeroU32::MIN).map(RateLimiter::keyed),
            lookups: quota(LOOKUPS).map(RateLimiter::keyed),
            wrong_tokens: RateLimiter::keyed(Quota::per_minute(WRONG_TOKENS)),
        }
    }

    fn count(&self, who: &RateKey) -> ApiResult<()> {
        self.requests
            .as_ref()
            .map_or(Ok(()), |requests| check_rate(requests, who, "too many requests"))
    }

    fn count_lookup(&self, address: IpAddr) -> ApiResult<()> {
        self.lookups
            .as_ref()
            .map_or(Ok(()), |lookups| check_rate(lookups, &address, "too many requests"))
    }

    fn count_wrong(&self, address: IpAddr) -> ApiResult<()> {
        check_rate(&self.wrong_tokens, &address, "too many unknown tokens")
    }
}

/// Callers in memory before inactive ones are forgotten.
const MAX_CALLERS: usize = 10_000;

fn check_rate<K: Clone + Eq + Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    who: &K,
    what: &str,
) -> ApiResult<()> {
    if limiter.len() > MAX_CALLERS {
        // Callers that were inactive for long enough need no memory.
        limiter.retain_recent();
    }
    limiter
        .check_key(who)
        .map_err(|_| Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("{what}; retry later")))
}

/// Lets a request pass with its [`Caller`], or answers it.
pub(super) async fn authenticate(
    State(state): State<SharedState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = state.metrics.begin(&request);
    name_host(&mut request);
    let named = check_host(request.headers());
    let trusted = if state.trusting { only_from_here(request.headers()) } else { Ok(()) };
    let from = network(state.proxies.origin(from.ip(), request.headers_mut()));
    let identified = match (is_health(request.uri().path()), trusted) {
        // Health checks must be answered however busy the server is.
        (true, _) => Ok(Caller::Anyone),
        (false, Err(problem)) => Err(problem),
        (false, Ok(())) if named.is_err() => named.map(|()| Caller::Anyone),
        (false, Ok(())) => identify(&state, from, request.headers()).await,
    };
    request.extensions_mut().insert(ClientAddress(from));
    let mut response = match identified {
        Ok(caller) => {
            let tells_all = caller.may_everywhere(Scope::Admin);
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            match response.extensions().get::<Problem>().cloned() {
                // What fails in here is the operator's business.
                Some(problem) if !tells_all && problem.status.is_server_error() => {
                    problem.for_strangers().into_response()
                }
                _ => response,
            }
        }
        Err(problem) => problem.for_strangers().into_response(),
    };
    secure(response.headers_mut(), state.secure);
    tracing::debug!(%from, route = started.route(), status = response.status().as_u16(), "answered");
    state.metrics.end(started, &response);
    response
}

/// The address that a request comes from; of version 6 its network. Behind a trusted proxy: the
/// client's.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// HTTP/2 says elsewhere which host is meant. From here on it is where HTTP/1 has it.
fn name_host(request: &mut Request) {
    let named = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(named) = named {
        request.headers_mut().entry(header::HOST).or_insert(named);
    }
}

/// Refuses a request to a host that is none: URLs of packs begin with it.
fn check_host(headers: &HeaderMap) -> ApiResult<()> {
    let is_host = |value: &HeaderValue| value.is_empty() || value.to_str().is_ok_and(is_host);
    match headers.get(header::HOST) {
        Some(host) if !is_host(host) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "the Host header is not a host: expected HOST or HOST:PORT",
        )),
        _ => Ok(()),
    }
}

async fn identify(state: &AppState, from: IpAddr, headers: &HeaderMap) -> ApiResult<Caller> {
    if state.trusting {
        return Ok(Caller::Trusted);
    }
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        state.rate_limits.count(&RateKey::Address(from))?;
        return Ok(Caller::Anyone);
    };
    // Before anything is looked up: guessing costs the catalog no more than asking.
    state.rate_limits.count_lookup(from)?;
    let token =
        given.to_str().ok().and_then(bearer).and_then(|token| token.parse::<TokenText>().ok());
    let caller = match &token {
        Some(token) => state.store.caller(token).await?,
        None => None,
    };
    match (caller, token) {
        (Some(caller), Some(token)) => {
            state.rate_limits.count(&RateKey::Token(token.id().to_owned()))?;
            Ok(caller)
        }
        _ => {
            state.rate_limits.count_wrong(from)?;
            Err(Problem::unauthorized(format!(
                "unknown token, or it has expired or was revoked; send a valid one: {}. The operator lists tokens with: packhouse token list",
                login(state)
            )))
        }
    }
}

/// A client with an IPv6 address usually has a whole network of them.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_none() => {
            IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into())
        }
        other => other.to_canonical(),
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// All programs on this machine are trusted, but not web pages in a browser on it: they may come
/// from anywhere.
fn only_from_here(headers: &HeaderMap) -> ApiResult<()> {
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

/// The repo of a request's path, if the caller has the scope for it.
///
/// A private repo and one that does not exist get the same response.
pub(super) async fn repo_for(
    state: &AppState,
    caller: &Caller,
    owner: &str,
    slug: &str,
    scope: Scope,
) -> ApiResult<(RepoName, RepoId)> {
    let name = format!("{owner}/{slug}");
    let repo: RepoName = name.parse().map_err(|_| Problem::no_repo(&escaped(&name)))?;
    let Some((id, visibility)) = state.store.named(&repo).await? else {
        // Callers who may create or restore it learn how.
        return Err(if caller.may(Scope::Admin, &repo) {
            state.store.unknown_repo(&repo).await?.into()
        } else {
            unseen(state, caller, &name)
        });
    };
    if caller.may(scope, &repo) || (scope == Scope::Read && visibility == Visibility::Public) {
        return Ok((repo, id));
    }
    match visibility {
        Visibility::Private if !caller.may(Scope::Read, &repo) => Err(unseen(state, caller, &name)),
        _ if *caller == Caller::Anyone => Err(Problem::unauthorized(format!(
            "a token is required to {} this repo; send one: {}",
            word(scope),
            login(state)
        ))),
        _ => Err(Problem::unauthorized(format!(
            "the scope of this token is not enough to {} this repo; send one with scope {scope}: {}",
            word(scope),
            login(state)
        ))),
    }
}

/// There is no repo, or a private one: the words are the same.
fn unseen(state: &AppState, caller: &Caller, name: &str) -> Problem {
    let problem = Problem::no_repo(name);
    let way_out = match caller {
        Caller::Anyone => "that can be read without a token; if it is private, send one",
        _ => "that this token may read; if it is private, send another",
    };
    Problem { detail: format!("{} {way_out}: {}", problem.detail, login(state)), ..problem }
}

/// How clients send a token.
fn login(state: &AppState) -> String {
    let hub = state.public_url.as_ref().map_or("URL", |url| url.as_str().trim_end_matches('/'));
    format!("muse auth login --hub {hub} --token TOKEN (packhouse --remote: PACKHOUSE_TOKEN=TOKEN)")
}

const fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Push => "push to",
        Scope::Admin => "administer",
    }
}

/// Whether a caller is still who they were when their request began: a token may have been revoked
/// or have expired since.
pub(super) async fn check_token(state: &AppState, caller: &Caller) -> ApiResult<()> {
    match caller {
        Caller::Bearer { token, .. } if !state.store.is_token_good(token).await? => {
            Err(Problem::unauthorized("this token has expired or was revoked"))
        }
        _ => Ok(()),
    }
}

/// How often it is asked again whether a token is still good, while something goes on for long.
const RECHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Ends when the token of a caller is no longer valid.
pub(super) async fn token_revoked(state: SharedState, caller: Caller) {
    loop {
        tokio::time::sleep(RECHECK_INTERVAL).await;
        // A catalog that does not answer for a moment says nothing about a token.
        if check_token(&state, &caller)
            .await
            .is_err_and(|problem| problem.status == StatusCode::UNAUTHORIZED)
        {
            return;
        }
    }
}

/// An authorized request: its repo, its caller and its scope.
#[derive(Clone, Debug)]
pub(super) struct Authorized {
    pub(super) repo: RepoName,
    repo_id: RepoId,
    caller: Caller,
    scope: Scope,
    from: Option<IpAddr>,
}

impl Authorized {
    /// Lets a caller do that much with the repo of a path, if they may.
    pub(super) async fn of(
        state: &AppState,
        caller: Caller,
        owner: &str,
        slug: &str,
        scope: Scope,
    ) -> ApiResult<Authorized> {
        let (repo, repo_id) = repo_for(state, &caller, owner, slug, scope).await?;
        Ok(Authorized { repo, repo_id, caller, scope, from: None })
    }

    /// With the address that it comes from.
    pub(super) fn with_address(self, from: Option<&ClientAddress>) -> Authorized {
        Authorized { from: from.map(|from| from.0), ..self }
    }

    /// Checks all of that again. A body takes time: the token may have been revoked in the
    /// meantime, and the repo's name may belong to another repo.
    pub(super) async fn recheck(&self, state: &AppState) -> ApiResult<()> {
        check_token(state, &self.caller).await?;
        let (repo, id) =
            repo_for(state, &self.caller, self.repo.owner(), self.repo.slug(), self.scope).await?;
        if id == self.repo_id { Ok(()) } else { Err(Problem::no_repo(&repo.to_string())) }
    }

    /// Whether the caller may push to the repo, whatever the request does.
    pub(super) fn may_push(&self) -> bool {
        self.caller.may(Scope::Push, &self.repo)
    }

    /// Whether the caller administers the repo, whatever the request does.
    pub(super) fn may_administer(&self) -> bool {
        self.caller.may(Scope::Admin, &self.repo)
    }

    /// What requests of one caller are counted by.
    pub(super) fn token(&self) -> Option<&str> {
        match &self.caller {
            Caller::Bearer { token, .. } => Some(token),
            _ => None,
        }
    }

    /// The store, pinned to the repo of the request: if another repo takes its name, it is unknown
    /// here.
    pub(super) fn store(&self, state: &AppState) -> Store {
        self.store_with(state, true)
    }

    /// The same store, which does not keep the answers that it assembles.
    pub(super) fn store_that_keeps_no_answers(&self, state: &AppState) -> Store {
        self.store_with(state, false)
    }

    fn store_with(&self, state: &AppState, kept: bool) -> Store {
        let store = state.store.pinned(&self.repo, &self.repo_id);
        let answers = &state.answers;
        let quota = |caller, of_caller| {
            let budget =
                AnswerBudget { all: answers.all, strangers: answers.strangers, caller: of_caller };
            AnswerQuota { caller, budget, kept, keep_free: answers.keep_free }
        };
        match &self.caller {
            Caller::Bearer { .. } => store.with_quota(quota(self.counted_by(), answers.of_token)),
            Caller::Anyone => store.with_quota(quota(self.counted_by(), answers.of_address)),
            Caller::Trusted => store,
        }
    }

    /// What answers of the caller are counted by.
    pub(super) fn counted_by(&self) -> String {
        match (&self.caller, self.from) {
            (Caller::Bearer { token, .. }, _) => format!("token:{token}"),
            (Caller::Anyone, Some(from)) => format!("{STRANGERS}{from}"),
            (Caller::Anyone, None) => format!("{STRANGERS}?"),
            (Caller::Trusted, _) => String::new(),
        }
    }

    pub(super) fn repo_id(&self) -> &RepoId {
        &self.repo_id
    }

    /// The authority by which URLs of it are signed.
    pub(super) fn signs_as(&self) -> &str {
        match &self.caller {
            Caller::Anyone => NO_TOKEN,
            Caller::Bearer { token, .. } => token,
            Caller::Trusted => TRUSTED,
        }
    }

    /// Whether they may keep URLs of it for long.
    pub(super) fn is_known(&self) -> bool {
        self.caller != Caller::Anyone
    }
}

/// Answers a method that a path does not have.
pub(super) async fn method_not_allowed() -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed").into_response()
}

/// Answers what nothing else does.
pub(super) async fn not_found() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "not found").into_response()
}
