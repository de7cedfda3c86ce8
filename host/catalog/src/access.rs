//! The part of the catalog port for access tokens and secrets.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A token is stored as it was created, and its id is unique. Tokens are never deleted: revoked
//!   and expired ones stay in the list.
//! - A token is revoked once: the time of the first revocation stays.
//! - When a method returns, all processes see its effect: a revoked token is revoked everywhere.
//! - There is one secret per name, the first one that was stored. All callers get the same one,
//!   also concurrent callers.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::access::{Reach, Scope};
use packhouse_model::error::Result;

/// A token, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Its ID, by which it is looked up. It is not secret.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its permissions.
    pub scope: Scope,
    /// The repos that it is valid for.
    pub repos: Vec<Reach>,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; none for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if so.
    pub revoked_at: Option<Timestamp>,
}

impl fmt::Debug for TokenRow {
    /// Without the hash: it must not get into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRow")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("scope", &self.scope)
            .field("repos", &self.repos)
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

/// Tokens, and secrets of the store.
#[async_trait]
pub trait Access: Send + Sync + std::fmt::Debug {
    /// Stores a token. An error if its id is taken; the existing token is unchanged.
    async fn add_token(&self, token: &TokenRow) -> Result<()>;

    /// All tokens, by time of creation, then by id.
    async fn tokens(&self) -> Result<Vec<TokenRow>>;

    /// A token by its id.
    async fn token(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Revokes a token. None if there is no such token.
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>>;

    /// The secret with this name. If there is none, `fresh` is stored and returned.
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;

    /// The value that is stored under a name, if any. Writes nothing.
    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>>;

    /// Stores a value under a name, and replaces an existing one.
    async fn keep(&self, name: &str, value: [u8; 32]) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_all_but_the_hash() {
        let row = TokenRow {
            id: "0123456789abcdef".into(),
            name: "ci".into(),
            scope: Scope::Push,
            repos: vec![Reach::All],
            hash: [213; 32],
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
        };
        let told = format!("{row:?}");
        assert!(told.contains("0123456789abcdef") && told.contains("Push"), "{told}");
        assert!(!told.contains("hash") && !told.contains("213"), "{told}");
    }
}
