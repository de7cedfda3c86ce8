//! Rate limits of callers.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;

use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::limits::ServeLimits;
use super::problem::{ApiResult, Problem};

/// Unknown tokens per minute and address: guessing is hopeless, but should also be expensive.
const UNKNOWN_TOKENS: NonZeroU32 = NonZeroU32::new(30).unwrap();

/// How many tokens one address may use at their full rate.
const LOOKUPS: NonZeroU32 = NonZeroU32::new(16).unwrap();

/// Requests that share a limit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum RateKey {
    Address(IpAddr),
    Token(String),
}

/// The recent requests of all callers.
#[derive(Debug)]
pub(super) struct RateLimits {
    requests: Option<DefaultKeyedRateLimiter<RateKey>>,
    /// Requests with a token, by address: many may have one.
    lookups: Option<DefaultKeyedRateLimiter<IpAddr>>,
    unknown_tokens: DefaultKeyedRateLimiter<IpAddr>,
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
            unknown_tokens: RateLimiter::keyed(Quota::per_minute(UNKNOWN_TOKENS)),
        }
    }

    /// Counts a request without a token.
    pub(super) fn count_address(&self, address: IpAddr) -> ApiResult<()> {
        self.count(RateKey::Address(address))
    }

    /// Counts a request with a valid token.
    pub(super) fn count_token(&self, id: &str) -> ApiResult<()> {
        self.count(RateKey::Token(id.to_owned()))
    }

    fn count(&self, key: RateKey) -> ApiResult<()> {
        self.requests
            .as_ref()
            .map_or(Ok(()), |requests| check_rate(requests, &key, "too many requests"))
    }

    /// Counts a request with a token, before the token is looked up.
    pub(super) fn count_lookup(&self, address: IpAddr) -> ApiResult<()> {
        self.lookups
            .as_ref()
            .map_or(Ok(()), |lookups| check_rate(lookups, &address, "too many requests"))
    }

    /// Counts an unknown token.
    pub(super) fn count_unknown(&self, address: IpAddr) -> ApiResult<()> {
        check_rate(&self.unknown_tokens, &address, "too many unknown tokens")
    }
}

/// Callers in memory before inactive ones are forgotten.
const MAX_CALLERS: usize = 10_000;

fn check_rate<K: Clone + Eq + Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: &K,
    what: &str,
) -> ApiResult<()> {
    if limiter.len() > MAX_CALLERS {
        // Callers that were inactive for long enough need no memory.
        limiter.retain_recent();
    }
    limiter
        .check_key(key)
        .map_err(|_| Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("{what}; retry later")))
}
