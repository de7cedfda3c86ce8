//! `packhouse token create|list|revoke`: access tokens of a server.

use jiff::Timestamp;
use packhouse_host::access::{NewToken, Reach, TokenReport};
use packhouse_host::clock::{Clock, SystemClock};

use crate::args::{Token, TokenCreate};
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{escaped, time};

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
    use packhouse_host::access::Scope;

    use super::*;

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
