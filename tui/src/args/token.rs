//! `token`: who may ask a server for what.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Subcommand};
use packhouse_host::access::{Reach, Scope};

use super::duration;

/// `packhouse token …`
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a token; it is shown once, and never again
    Create(TokenCreate),
    /// List all tokens, oldest first: also those that were revoked or have expired
    List,
    /// Revoke one: from now on it opens nothing
    Revoke {
        /// Its id, or all of it
        #[arg(value_name = "ID")]
        token: String,
    },
}

/// `packhouse token create …`
#[derive(Debug, ClapArgs)]
pub(crate) struct TokenCreate {
    /// What it allows; each allows what those before it do
    #[arg(long, value_name = "SCOPE", value_parser = scopes())]
    pub(crate) scope: Scope,
    /// Where: OWNER/SLUG, OWNER/* for all repos of an owner, * for all; repeat for more. Keep *
    /// from your shell with quotes
    #[arg(long = "repo", value_name = "REACH", required = true)]
    pub(crate) repos: Vec<Reach>,
    /// What to call it, for whoever looks at the list
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// How long it lives: 90d, 12h [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) expires: Option<Duration>,
}

/// The scopes by name, each with what it is for.
fn scopes() -> impl TypedValueParser<Value = Scope> {
    let help = |scope| match scope {
        Scope::Read => "fetch, and look at repos",
        Scope::Push => "push to them, too",
        Scope::Admin => "everything: make, consolidate and delete repos, jobs, policies, tokens",
    };
    let values = Scope::ALL.map(|scope| PossibleValue::new(scope.as_str()).help(help(scope)));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}
