//! [`Access`] on a database: tokens, and secrets of the store's own.

use async_trait::async_trait;
use jiff::Timestamp;

use super::super::{Access, TokenRow};
use super::SqlCatalog;
use super::engine::{Columns, Engine, Sql, SqlResult, args};
use super::rows::{damaged, maybe_time, time};
use crate::error::Result;

#[async_trait]
impl<E: Engine> Access for SqlCatalog<E> {
    async fn add_token(&self, token: &TokenRow) -> Result<()> {
        add(&self.engine, token).await.map_err(self.failed("keeping a token"))
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>> {
        let found = list(&self.engine).await.map_err(self.failed("listing tokens"))?;
        found.iter().map(|row| read(self.engine.place(), row)).collect()
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        let row = one(&self.engine, id).await.map_err(self.failed("looking for a token"))?;
        row.map(|row| read(self.engine.place(), &row)).transpose()
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        let row = revoke(&self.engine, id, now).await.map_err(self.failed("revoking a token"))?;
        row.map(|row| read(self.engine.place(), &row)).transpose()
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        let row = secret(&self.engine, name, &fresh).await.map_err(self.failed("looking for a secret"))?;
        row.bytes("secret").try_into().map_err(|_| damaged(self.engine.place(), "a secret"))
    }
}

async fn add<E: Engine>(engine: &E, token: &TokenRow) -> SqlResult<()> {
    let repos = serde_json::to_string(&token.repos).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let [expires_at, revoked_at] = [token.expires_at, token.revoked_at].map(|at| at.map(|at| at.to_string()));
    let mut writer = engine.writers().acquire().await?;
    writer
        .run(
            "INSERT INTO tokens (id, name, scope, repos, hash, created_at, expires_at, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            args![
                &token.id,
                &token.name,
                token.scope.as_str(),
                &repos,
                &token.hash[..],
                &token.created_at.to_string(),
                expires_at.as_deref(),
                revoked_at.as_deref()
            ],
        )
        .await
        .map(drop)
}

/// Times have fractions of any length: without their `Z`, their texts order as they do.
async fn list<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = engine.readers().acquire().await?;
    reader.all("SELECT * FROM tokens ORDER BY rtrim(created_at, 'Z'), id", args![]).await
}

async fn one<E: Engine>(engine: &E, id: &str) -> SqlResult<Option<E::Row>> {
    let mut reader = engine.readers().acquire().await?;
    reader.maybe("SELECT * FROM tokens WHERE id = $1", args![id]).await
}

/// One statement: of two who revoke it at once, whoever comes second finds the time of the first.
async fn revoke<E: Engine>(engine: &E, id: &str, now: Timestamp) -> SqlResult<Option<E::Row>> {
    let mut writer = engine.writers().acquire().await?;
    writer
        .maybe("UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING *", args![id, &now.to_string()])
        .await
}

/// Looked for before one is put down: asking for what there is writes nothing. Whoever is second to put one down waits until the first has,
/// puts down nothing, and reads that of the first.
async fn secret<E: Engine>(engine: &E, name: &str, fresh: &[u8; 32]) -> SqlResult<E::Row> {
    const KEPT: &str = "SELECT secret FROM secrets WHERE name = $1";
    let kept = engine.readers().acquire().await?.maybe(KEPT, args![name]).await?;
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let mut writer = engine.writers().acquire().await?;
    let keep = "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    writer.run(keep, args![name, &fresh[..]]).await?;
    writer.one(KEPT, args![name]).await
}

fn read(place: &str, row: &impl Columns) -> Result<TokenRow> {
    let unreadable = || damaged(place, "a token");
    Ok(TokenRow {
        id: row.text("id").to_owned(),
        name: row.text("name").to_owned(),
        scope: row.text("scope").parse().map_err(|_| unreadable())?,
        repos: serde_json::from_str(row.text("repos")).map_err(|_| unreadable())?,
        hash: row.bytes("hash").try_into().map_err(|_| unreadable())?,
        created_at: time(place, row, "created_at")?,
        expires_at: maybe_time(place, row, "expires_at")?,
        revoked_at: maybe_time(place, row, "revoked_at")?,
    })
}
