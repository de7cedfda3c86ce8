//! Arguments of `packhouse token`.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Subcommand};
use packhouse_host::access::{Reach, Scope};

use super::duration;

/// `packhouse token …`
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Create a token; it is shown only once
    Create(TokenCreate),
    /// List all tokens, oldest first, including revoked and expired ones
    List,
    /// Revoke a token
    Revoke {
        /// ID of the token, or the whole token
        #[arg(value_name = "ID")]
        token: String,
    },
}

/// `packhouse token create …`
#[derive(Debug, ClapArgs)]
pub(crate) struct TokenCreate {
    /// Permissions of the token; each scope includes those before it
    #[arg(long, value_name = "SCOPE", value_parser = scopes())]
    pub(crate) scope: Scope,
    /// Repos that it covers: OWNER/SLUG, OWNER/* for all repos of an owner, * for all; repeatable.
    /// Quote * in your shell
    #[arg(long = "repo", value_name = "REPOS", required = true)]
    pub(crate) repos: Vec<Reach>,
    /// Description for the list of tokens
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// Lifetime: 90d, 12h [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) expires: Option<Duration>,
}

/// The scopes by name, each with its description.
fn scopes() -> impl TypedValueParser<Value = Scope> {
    let help = |scope| match scope {
        Scope::Read => "fetch, and show repos",
        Scope::Push => "also push",
        Scope::Admin => "also manage repos, jobs, policies and tokens",
    };
    let values = Scope::ALL.map(|scope| PossibleValue::new(scope.as_str()).help(help(scope)));
    PossibleValuesParser::new(values).try_map(|name| name.parse())
}
