//! The part of the catalog port for access tokens and secrets.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A token is stored as it was created, and its id is unique. Tokens are never deleted: revoked
//!   and expired ones stay in the list.
//! - A token is revoked once: the time of the first revocation stays.
//! - When a method returns, all processes see its effect: a revoked token is revoked everywhere.
//! - There is one secret for each name, the first that was stored. All callers get the same one,
//!   also concurrent ones.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::access::{Reach, Scope};
use packhouse_model::error::Result;

/// A token, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What finds it. No secret.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// Where.
    pub repos: Vec<Reach>,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; none: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
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

/// Tokens, and secrets of the store's own.
#[async_trait]
pub trait Access: Send + Sync + std::fmt::Debug {
    /// Keeps a token. An error where its id is taken: the one that has it stays as it is.
    async fn add_token(&self, token: &TokenRow) -> Result<()>;

    /// All tokens, by when they were made, then by id.
    async fn tokens(&self) -> Result<Vec<TokenRow>>;

    /// A token by its id.
    async fn token(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Revokes a token. None when there is no such token.
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>>;

    /// The secret with this name. If there is none, `fresh` is stored and returned.
    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]>;

    /// What is kept under a name, if anything is. Writes nothing.
    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>>;

    /// Keeps something under a name, in the place of what was there.
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
