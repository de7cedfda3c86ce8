//! The questions about a token: what a new one allows, and what revoking one means.
//!
//! ```text
//!  packhouse › tokens › new
//!  Create a token?
//!
//!  Scope       push: fetch, show repos, and push
//!  Repos       gabriel/*
//!  Expires     in 90 days
//!  Name        laptop
//!
//!  The token is shown once.
//!
//!  [ Back ]  Esc    Create    y
//! ```

use packhouse_host::access::{NewToken, Reach, Scope, TokenReport};
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::Model;
use crate::console::view::parts::{long_fact, plain, styled};
use crate::console::view::tokens::covered;
use crate::text::{duration, escaped, plural, time};

/// What a new token allows.
pub(super) fn new(model: &Model, token: &NewToken, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = styled(wrap("Create a token?", room), styles.strong());
    lines.push(Line::default());
    let mut fact = |name, value: &str| lines.extend(long_fact(styles, name, value, room));
    let expires = token.expires_in_seconds.map_or_else(
        || "never: it is valid until it is revoked".to_owned(),
        |seconds| format!("after {}", lifetime(seconds)),
    );
    fact("Scope", allows(token.scope));
    fact("Repos", &covered(&token.repos));
    fact("Expires", &expires);
    if !token.name.is_empty() {
        fact("Name", &token.name);
    }
    lines.push(Line::default());
    for unknown in unknown(model, token) {
        lines.extend(styled(wrap(&unknown, room), styles.warn()));
    }
    lines.extend(plain(wrap("The token is shown once, after it is created.", room)));
    lines
}

/// That a repo or an owner of the token does not exist, as far as repos are loaded: it may be meant for
/// later, or misspelt.
fn unknown(model: &Model, token: &NewToken) -> Vec<String> {
    let is_known = |reach: &&Reach| match reach {
        Reach::All => true,
        Reach::Repo(name) => model.repos.get(name).is_some(),
        Reach::Owner(owner) => model.repos.names().any(|name| name.owner() == owner),
    };
    let unknown = token.repos.iter().filter(|reach| model.repos.known && !is_known(reach));
    let warning = |reach: &Reach| match reach {
        Reach::Owner(owner) => format!("There is no repo of {} yet.", escaped(owner)),
        reach => format!("There is no repo {} yet.", escaped(&reach.to_string())),
    };
    unknown.map(warning).collect()
}

/// What revoking a token means.
pub(super) fn revoke(model: &Model, token: &TokenReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let title = format!("Revoke token {}?", escaped(&token.id));
    let mut lines = styled(wrap(&title, room), styles.strong());
    lines.push(Line::default());
    let mut fact = |name, value: &str| lines.extend(long_fact(styles, name, value, room));
    fact("Scope", allows(token.scope));
    fact("Repos", &covered(&token.repos));
    fact("Created", &time(token.created_at));
    if !token.name.is_empty() {
        fact("Name", &token.name);
    }
    lines.push(Line::default());
    let message = "Requests with it are refused from now on. It can't be made valid again.";
    lines.extend(plain(wrap(message, room)));
    lines
}

const fn allows(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "read: fetch, and show repos",
        Scope::Push => "push: fetch, show repos, and push",
        Scope::Admin => "admin: everything, also repos, jobs, policies and tokens",
    }
}

/// A lifetime in days, if it has any.
fn lifetime(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => duration(seconds.saturating_mul(1000)),
        days => plural(days, "day"),
    }
}
