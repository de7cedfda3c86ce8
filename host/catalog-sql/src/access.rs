//! [`Access`] on a database: tokens, and secrets of the store.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{Access, TokenRow};
use packhouse_model::error::Result;

use super::SqlCatalog;
use super::columns::token_columns;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Work, Writing, args};
use super::rows::{damaged, maybe_time, time};

#[async_trait]
impl<E: Engine> Access for SqlCatalog<E> {
    async fn add_token(&self, token: &TokenRow) -> Result<()> {
        let work: Work<E, _, _> = |tx, token| Box::pin(add::<E>(tx, token));
        self.writing("storing a token", token, work).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>> {
        let found = list(&self.engine).await.map_err(self.failed("listing tokens"))?;
        found.iter().map(|row| read(self.engine.place(), row)).collect()
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        let row = one(&self.engine, id).await.map_err(self.failed("looking up a token"))?;
        row.map(|row| read(self.engine.place(), &row)).transpose()
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(revoke::<E>(tx, params));
        let row = self.writing("revoking a token", &(id, now), work).await?;
        row.map(|row| read(self.engine.place(), &row)).transpose()
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        let doing = "looking up a secret";
        // Looked up before one is stored: if it exists, nothing is written.
        let found = async { kept(&mut Reader::of(&self.engine).await?, name).await };
        let row = match found.await.map_err(self.failed(doing))? {
            Some(row) => row,
            None => {
                let work: Work<E, _, _> = |tx, params| Box::pin(keep::<E>(tx, params));
                self.writing(doing, &(name, fresh), work).await?
            }
        };
        row.bytes("secret").try_into().map_err(|_| damaged(self.engine.place(), "a secret"))
    }

    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>> {
        let found = async { kept(&mut Reader::of(&self.engine).await?, name).await };
        let row = found.await.map_err(self.failed("looking up a setting"))?;
        let read = |row: E::Row| {
            row.bytes("secret").try_into().map_err(|_| damaged(self.engine.place(), "a setting"))
        };
        row.map(read).transpose()
    }

    async fn keep(&self, name: &str, value: [u8; 32]) -> Result<()> {
        let work: Work<E, _, _> = |tx, params| Box::pin(replace::<E>(tx, params));
        self.writing("keeping something", &(name, value), work).await
    }
}

async fn add<E: Engine>(tx: &mut Writing<E>, token: &TokenRow) -> SqlResult<()> {
    let repos = serde_json::to_string(&token.repos).map_err(|e| sqlx::Error::Encode(e.into()))?;
    let [expires_at, revoked_at] =
        [token.expires_at, token.revoked_at].map(|at| at.map(|at| at.to_string()));
    tx.run(
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

/// Times have fractions of any length: without their `Z`, their texts sort as they do.
async fn list<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    let listing =
        concat!("SELECT ", token_columns!(), " FROM tokens ORDER BY rtrim(created_at, 'Z'), id");
    reader.all(listing, args![]).await
}

async fn one<E: Engine>(engine: &E, id: &str) -> SqlResult<Option<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .maybe(concat!("SELECT ", token_columns!(), " FROM tokens WHERE id = $1"), args![id])
        .await
}

/// One statement: if two callers revoke a token at once, the second finds the time of the first.
async fn revoke<E: Engine>(
    tx: &mut Writing<E>,
    params: &(&str, Timestamp),
) -> SqlResult<Option<E::Row>> {
    let (id, now) = (params.0, params.1.to_string());
    tx.maybe(
        concat!(
            "UPDATE tokens SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING ",
            token_columns!()
        ),
        args![id, &now],
    )
    .await
}

async fn kept<S: Sql>(connection: &mut S, name: &str) -> SqlResult<Option<S::Row>> {
    connection.maybe("SELECT secret FROM secrets WHERE name = $1", args![name]).await
}

/// A second writer waits until the first has committed, writes nothing, and reads the first secret.
async fn keep<E: Engine>(tx: &mut Writing<E>, params: &(&str, [u8; 32])) -> SqlResult<E::Row> {
    let (name, fresh) = params;
    let keep = "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    tx.run(keep, args![*name, &fresh[..]]).await?;
    kept(tx, name).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Stores a value under a name, and replaces an existing one.
async fn replace<E: Engine>(tx: &mut Writing<E>, params: &(&str, [u8; 32])) -> SqlResult<()> {
    let (name, value) = params;
    let keep = "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE
      SET secret = excluded.secret";
    tx.run(keep, args![*name, &value[..]]).await.map(drop)
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
