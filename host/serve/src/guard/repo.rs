//! Access to repos: the repo of a request, and the permissions of its caller.

use std::net::IpAddr;

use packhouse_model::access::{Caller, Scope};
use packhouse_model::names::{RepoId, RepoName, Visibility};
use packhouse_model::text::escaped;
use packhouse_store::{RequestBudget, RequestQuota, STRANGERS, Store};

use super::super::address::ClientAddress;
use super::super::limits::RequestLimits;
use super::super::problem::{ApiResult, Problem};
use super::super::revocation::check_bearer;
use super::super::signed::{NO_TOKEN, TRUSTED};
use super::super::state::AppState;

/// The repo of a request's path, if the caller has the scope for it.
///
/// A private repo and one that does not exist get the same response.
async fn repo_for(
    state: &AppState,
    caller: &Caller,
    owner: &str,
    slug: &str,
    scope: Scope,
) -> ApiResult<(RepoName, RepoId)> {
    let name = format!("{owner}/{slug}");
    let repo: RepoName = name.parse().map_err(|_| Problem::no_repo(&escaped(&name)))?;
    let Some((id, visibility)) = state.store.named(&repo).await? else {
        // The message for callers who may create or restore it says how.
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
            state.login_hint()
        ))),
        _ => Err(Problem::unauthorized(format!(
            "the scope of this token is not enough to {} this repo; send one with scope {scope}: {}",
            word(scope),
            state.login_hint()
        ))),
    }
}

/// There is no repo, or a private one: the message is the same.
fn unseen(state: &AppState, caller: &Caller, name: &str) -> Problem {
    let problem = Problem::no_repo(name);
    let way_out = match caller {
        Caller::Anyone => "that can be read without a token; if it is private, send one",
        _ => "that this token may read; if it is private, send another",
    };
    Problem { detail: format!("{} {way_out}: {}", problem.detail, state.login_hint()), ..problem }
}

const fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read",
        Scope::Push => "push to",
        Scope::Admin => "administer",
    }
}

/// An authorized request: its repo, its caller and its scope.
#[derive(Clone, Debug)]
pub(crate) struct Authorized {
    pub(crate) repo: RepoName,
    repo_id: RepoId,
    caller: Caller,
    scope: Scope,
    from: Option<IpAddr>,
}

impl Authorized {
    /// Authorizes a caller with a scope for the repo of a path, if allowed.
    pub(crate) async fn of(
        state: &AppState,
        caller: Caller,
        owner: &str,
        slug: &str,
        scope: Scope,
    ) -> ApiResult<Authorized> {
        let (repo, repo_id) = repo_for(state, &caller, owner, slug, scope).await?;
        Ok(Authorized { repo, repo_id, caller, scope, from: None })
    }

    /// With the address of the request.
    pub(crate) fn with_address(self, from: Option<&ClientAddress>) -> Authorized {
        Authorized { from: from.map(|from| from.0), ..self }
    }

    /// Checks all of that again. A body takes time: the token may have been revoked in the
    /// meantime, and the repo's name may belong to another repo.
    pub(crate) async fn recheck(&self, state: &AppState) -> ApiResult<()> {
        check_bearer(&state.bearers, &self.caller).await?;
        let (repo, id) =
            repo_for(state, &self.caller, self.repo.owner(), self.repo.slug(), self.scope).await?;
        if id == self.repo_id { Ok(()) } else { Err(Problem::no_repo(&repo.to_string())) }
    }

    /// Whether the caller may push to the repo, regardless of the request.
    pub(crate) fn may_push(&self) -> bool {
        self.caller.may(Scope::Push, &self.repo)
    }

    /// Whether the caller administers the repo, regardless of the request.
    pub(crate) fn may_administer(&self) -> bool {
        self.caller.may(Scope::Admin, &self.repo)
    }

    /// The key for counting requests of one caller.
    pub(crate) fn token(&self) -> Option<&str> {
        self.caller.counted_as()
    }

    /// The store, pinned to the repo of the request: if another repo takes its name, it is unknown
    /// here.
    pub(crate) fn store(&self, state: &AppState) -> Store {
        state.store.pinned(&self.repo, &self.repo_id)
    }

    /// The quota of the caller's requests that are too long for a URL; none: without a limit.
    pub(crate) fn request_quota(&self, state: &AppState) -> Option<RequestQuota> {
        let requests = &state.requests;
        let of_caller = match &self.caller {
            Caller::Bearer { .. } => requests.of_token,
            Caller::Anyone => requests.of_address,
            Caller::Trusted => return None,
        };
        let RequestLimits { all, strangers, keep_free, .. } = *requests;
        let budget = RequestBudget { all, strangers, caller: of_caller };
        Some(RequestQuota { caller: self.counted_by(), budget, keep_free })
    }

    /// The key for counting requests of the caller that are kept.
    fn counted_by(&self) -> String {
        match (self.caller.counted_as(), &self.caller, self.from) {
            (Some(token), ..) => format!("token:{token}"),
            (None, Caller::Trusted, _) => String::new(),
            (None, _, Some(from)) => format!("{STRANGERS}{from}"),
            (None, _, None) => format!("{STRANGERS}?"),
        }
    }

    pub(crate) fn repo_id(&self) -> &RepoId {
        &self.repo_id
    }

    /// The authority by which URLs of it are signed.
    pub(crate) fn signs_as(&self) -> &str {
        match &self.caller {
            Caller::Anyone => NO_TOKEN,
            Caller::Bearer { token, .. } => token,
            Caller::Trusted => TRUSTED,
        }
    }

    /// Whether they may keep URLs of it for long.
    pub(crate) fn is_known(&self) -> bool {
        self.caller != Caller::Anyone
    }
}
