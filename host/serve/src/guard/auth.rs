//! Authentication: the caller of a request, and rate limits.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use packhouse_model::access::{Caller, Scope};

use super::super::address::{ClientAddress, client_network};
use super::super::hub_tokens::Refused;
use super::super::problem::{ApiResult, Problem};
use super::super::readiness::is_health;
use super::super::state::{AppState, SharedState};
use super::headers::{check_host, check_local, name_host, secure};

/// Passes on a request with its [`Caller`], or refuses it.
pub(crate) async fn authenticate(
    State(state): State<SharedState>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = state.metrics.begin(&request);
    name_host(&mut request);
    let named = check_host(request.headers());
    let trusted = if state.trusting { check_local(request.headers()) } else { Ok(()) };
    let from = client_network(state.proxies.origin(from.ip(), request.headers_mut()));
    let identified = match (is_health(request.uri().path()), trusted) {
        // Health checks must work even if the server is busy.
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
                // Details of failures here are only for the operator.
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

async fn identify(state: &AppState, from: IpAddr, headers: &HeaderMap) -> ApiResult<Caller> {
    if state.trusting {
        return Ok(Caller::Trusted);
    }
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        state.rate_limits.count_address(from)?;
        return Ok(Caller::Anyone);
    };
    // Before anything is looked up, so that guessing does not load the catalog.
    state.rate_limits.count_lookup(from)?;
    let found = match given.to_str().ok().and_then(bearer) {
        Some(token) => state.bearers.caller(token).await?,
        None => Err(Refused::Unknown),
    };
    match found {
        Ok(caller) => {
            if let Some(token) = caller.counted_as() {
                state.rate_limits.count_token(token)?;
            }
            Ok(caller)
        }
        Err(refused) => {
            state.rate_limits.count_unknown(from)?;
            Err(Problem::unauthorized(match refused {
                Refused::Unknown => format!(
                    "unknown token, or it has expired or was revoked; send a valid one: {}. The operator lists tokens with: packhouse token list",
                    state.login_hint()
                ),
                Refused::NoRepos(user) => format!(
                    "the token is one of the MuseHub, but its user {user} has no repos here; the operator adds a line with that ID and a repo to the file of --jwt-repos, and restarts the server"
                ),
            }))
        }
    }
}

/// The token of `Bearer TOKEN`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
