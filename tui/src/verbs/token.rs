//! `packhouse token create|list|revoke`: access tokens of a server.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use packhouse_host::access::{NewToken, Reach, Scope, TokenReport};
use packhouse_host::clock::{Clock, SystemClock};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{escaped, parse_duration, time};

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
#[derive(Debug, Args)]
pub(crate) struct TokenCreate {
    /// Permissions of the token; each scope includes those before it
    #[arg(long, value_name = "SCOPE", value_parser = scopes())]
    scope: Scope,
    /// Repos that it covers: OWNER/SLUG, OWNER/* for all repos of an owner, * for all; repeatable.
    /// Quote * in your shell
    #[arg(long = "repo", value_name = "REPOS", required = true)]
    repos: Vec<Reach>,
    /// Description for the list of tokens
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    name: String,
    /// Lifetime: 90d, 12h [default: until it is revoked]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<Duration>,
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

/// Creates, lists or revokes tokens.
pub(crate) async fn run(args: Token, context: &Context) -> anyhow::Result<Exit> {
    let store = context.client_for(matches!(args, Token::List)).await?;
    let output = &context.output;
    match args {
        Token::Create(args) => {
            let created = store.create_token(new(args)).await?;
            print_created(&created, output)?;
        }
        Token::List => list(&store.tokens().await?, SystemClock.now(), output)?,
        Token::Revoke { token } => {
            let revoked = store.revoke_token(&token).await?;
            output.result(&revoked, || vec![headline(&revoked, SystemClock.now(), output)])?;
        }
    }
    Ok(Exit::Done)
}

fn new(args: TokenCreate) -> NewToken {
    let TokenCreate { scope, repos, name, expires } = args;
    NewToken { name, scope, repos, expires_in_seconds: expires.map(|expires| expires.as_secs()) }
}

/// Prints only the token to stdout, so that scripts can use it without `--json`.
fn print_created(created: &TokenReport, output: &Output) -> anyhow::Result<()> {
    output.result(created, || created.token.iter().cloned().collect())?;
    let until = created
        .expires_at
        .map_or_else(|| "until it is revoked".into(), |end| format!("until {}", time(end)));
    output.note(format!(
        "Created token {}: {} for {}, valid {until}",
        created.id,
        created.scope,
        covered(&created.repos)
    ));
    output.note(format!(
        "The token is not shown again. Revoke it with: packhouse token revoke {}",
        created.id
    ));
    Ok(())
}

fn list(tokens: &[TokenReport], now: Timestamp, output: &Output) -> anyhow::Result<()> {
    use Side::Left;
    if output.json() {
        return tokens.iter().try_for_each(|token| output.result(token, Vec::new));
    }
    if tokens.is_empty() {
        output.note("There are no tokens; create one with: packhouse token create");
    }
    let columns = ["TOKEN", "SCOPE", "REPOS", "CREATED", "STATE", "NAME"];
    let mut table = Table::new(&columns.map(|column| (column, Left)));
    for token in tokens {
        let (tone, state) = state(token, now);
        table.row([
            Cell::new(Tone::Name, &token.id),
            token.scope.as_str().into(),
            covered(&token.repos).into(),
            time(token.created_at).into(),
            Cell::new(tone, state),
            token.name.as_str().into(),
        ]);
    }
    output.table(&table, 0)
}

fn headline(token: &TokenReport, now: Timestamp, output: &Output) -> String {
    let (tone, state) = state(token, now);
    let (id, state) = (output.paint(Tone::Name, &token.id), output.paint(tone, state));
    let name = escaped(&token.name);
    format!("token {id}  {}  {}  {state}  {name}", token.scope, covered(&token.repos))
        .trim_end()
        .to_owned()
}

fn covered(repos: &[Reach]) -> String {
    repos.iter().map(Reach::to_string).collect::<Vec<_>>().join(" ")
}

/// The state of a token: active, expired or revoked.
fn state(token: &TokenReport, now: Timestamp) -> (Tone, String) {
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => (Tone::Dim, format!("revoked {}", time(at))),
        (None, Some(end)) if end <= now => (Tone::Dim, format!("expired {}", time(end))),
        (None, Some(end)) => (Tone::Good, format!("active until {}", time(end))),
        (None, None) => (Tone::Good, "active".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::read;
    use crate::verbs::Verb;

    #[test]
    fn a_token_needs_a_scope_and_repos() {
        let Verb::Token(Token::Create(create)) =
            read("token create --scope push --repo a/b --repo c/* --expires 2d").unwrap().verb
        else {
            panic!("not token create")
        };
        assert_eq!((create.scope, create.repos.len(), create.name.as_str()), (Scope::Push, 2, ""));
        assert_eq!(create.expires.map(|expires| expires.as_secs()), Some(172_800));
        for line in [
            "--scope read",
            "--repo a/b",
            "--scope root --repo a/b",
            "--scope read --repo a",
            "--scope read --repo",
        ] {
            assert_eq!(read(&format!("token create {line}")).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_state_says_since_when_or_until_when() {
        let at = |hour: u8| format!("2026-01-01T{hour:02}:00:00Z").parse::<Timestamp>().unwrap();
        let state = |expires_at: Option<u8>, revoked_at: Option<u8>| {
            let report = TokenReport {
                id: "0".into(),
                name: String::new(),
                scope: Scope::Read,
                repos: vec![Reach::All],
                created_at: at(0),
                expires_at: expires_at.map(at),
                revoked_at: revoked_at.map(at),
                token: None,
            };
            super::state(&report, at(5)).1
        };
        assert_eq!(state(None, None), "active");
        assert_eq!(state(Some(6), None), "active until 2026-01-01 06:00 UTC");
        assert_eq!(state(Some(5), None), "expired 2026-01-01 05:00 UTC");
        assert_eq!(state(Some(3), Some(2)), "revoked 2026-01-01 02:00 UTC");
        assert_eq!(state(None, Some(2)), "revoked 2026-01-01 02:00 UTC");
    }
}
