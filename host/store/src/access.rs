//! Access tokens: create, list, revoke, authenticate.

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::TokenRow;
use packhouse_model::access::{Caller, NewToken, Reach, TokenReport, TokenText};
use packhouse_model::error::{Error, Result};
use packhouse_model::text::{escaped, is_invisible};

use super::Store;

/// Maximum number of characters of a token's name.
const NAME_CHARS: usize = 100;

/// The name of the secret that signs URLs.
const URLS: &str = "urls";

impl Store {
    /// Creates a token. Only the result contains its text: it can't be shown again.
    ///
    /// # Errors
    /// [`Error::Usage`] for one without repos, with a lifetime of zero or beyond the end of time,
    /// or with an invalid name; [`Error::UnknownRepo`] for a repo that does not exist.
    pub async fn create_token(&self, asked: NewToken) -> Result<TokenReport> {
        check_name(&asked.name)?;
        let repos = self.reached(asked.repos).await?;
        let now = self.time().await?;
        let expires_at =
            asked.expires_in_seconds.map(|seconds| expiry(now, seconds)).transpose()?;
        let text =
            TokenText::of([self.clock.random_id(), self.clock.random_id(), self.clock.random_id()]);
        let row = TokenRow {
            id: text.id().to_owned(),
            name: asked.name,
            scope: asked.scope,
            repos,
            hash: text.hash(),
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        self.catalog.add_token(&row).await?;
        tracing::info!(
            "created token {} ({}) for {}",
            row.id,
            row.scope,
            row.repos.iter().map(Reach::to_string).collect::<Vec<_>>().join(", ")
        );
        Ok(TokenReport { token: Some(text.reveal()), ..report(row) })
    }

    /// All tokens, oldest first, also expired and revoked ones.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn tokens(&self) -> Result<Vec<TokenReport>> {
        Ok(self.catalog.tokens().await?.into_iter().map(report).collect())
    }

    /// Revokes a token for all processes, from now on. Accepts its id, or its whole text, for
    /// tokens that have leaked.
    ///
    /// # Errors
    /// [`Error::UnknownToken`].
    pub async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        let text: Option<TokenText> = token.parse().ok();
        let id = text.as_ref().map_or(token, TokenText::id);
        let row = self.catalog.revoke_token(id, self.time().await?).await?;
        let row = row.ok_or_else(|| Error::UnknownToken(id.to_owned()))?;
        tracing::info!("revoked token {}", row.id);
        Ok(report(row))
    }

    /// The caller of a token. None if it is unknown, expired or revoked; callers can't find out
    /// which of these, not even by timing.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn caller(&self, text: &TokenText) -> Result<Option<Caller>> {
        let row = self.catalog.token(text.id()).await?;
        let now = self.time().await?;
        // Compared even if there is no token, for constant time.
        let kept = row.as_ref().map_or([0; 32], |row| row.hash);
        let is_it = text.is(&kept);
        Ok(row.filter(|row| is_it && is_good(row, now)).map(caller_of))
    }

    /// The caller of a token that was valid, if it still is.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn caller_still(&self, id: &str) -> Result<Option<Caller>> {
        let now = self.time().await?;
        let row = self.catalog.token(id).await?;
        Ok(row.filter(|row| is_good(row, now)).map(caller_of))
    }

    /// The secret that signs URLs: created on first use, and the same for all processes that share
    /// the catalog.
    ///
    /// # Errors
    /// When the catalog fails.
    pub async fn signing_secret(&self) -> Result<[u8; 32]> {
        let mut fresh = [0; 32];
        for half in fresh.chunks_exact_mut(16) {
            half.copy_from_slice(&self.clock.random_id());
        }
        self.catalog.secret(URLS, fresh).await
    }

    /// The repos of a token, each once. Named repos must exist: a typo would grant access to a repo
    /// that another user creates later.
    async fn reached(&self, mut repos: Vec<Reach>) -> Result<Vec<Reach>> {
        repos.sort();
        repos.dedup();
        if repos.is_empty() {
            return Err(Error::Usage(
                "a token needs at least one repo: expected OWNER/SLUG, OWNER/* or *".into(),
            ));
        }
        for reach in &repos {
            if let Reach::Repo(repo) = reach {
                self.known_repo(repo).await?;
            }
        }
        Ok(repos)
    }
}

fn caller_of(row: TokenRow) -> Caller {
    Caller::Bearer { token: row.id, scope: row.scope, repos: row.repos }
}

/// Whether it is valid at a time.
fn is_good(row: &TokenRow, now: Timestamp) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|end| now < end)
}

/// A name is shown in lists, so it must fit there.
fn check_name(name: &str) -> Result<()> {
    if name.chars().count() > NAME_CHARS || name.chars().any(|c| c != ' ' && is_invisible(c)) {
        return Err(Error::Usage(format!(
            "`{}` is not a token name: expected at most {NAME_CHARS} visible characters",
            escaped(&name.chars().take(NAME_CHARS).collect::<String>())
        )));
    }
    Ok(())
}

fn expiry(now: Timestamp, seconds: u64) -> Result<Timestamp> {
    let end = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    end.filter(|end| *end > now).ok_or_else(|| {
        Error::Usage(format!(
            "a token can't live for {seconds} seconds; expected a duration like 90d or 12h, or none"
        ))
    })
}

fn report(row: TokenRow) -> TokenReport {
    let TokenRow { id, name, scope, repos, created_at, expires_at, revoked_at, hash: _ } = row;
    TokenReport { id, name, scope, repos, created_at, expires_at, revoked_at, token: None }
}
