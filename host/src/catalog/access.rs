//! The part of the catalog port that keeps who may do what: access tokens, and what is signed with.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A token is kept as it was made, and its id is given once. Nobody forgets tokens: one that was
//!   revoked or has expired is listed still.
//! - A token is revoked once: the first time counts, whoever revokes it again.
//! - When a method returns, all processes see what it did: a token that was revoked is revoked for
//!   everybody.
//! - Of a name there is one secret, the first that was kept. All who ask for it get the same, be it
//!   at once.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::access::{Reach, Scope};
use crate::error::Result;

/// A token, as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// What finds it. No secret.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// Where.
    pub repos: Vec<Reach>,
    /// The SHA-256 of its secret.
    pub hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is no good; none: always.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
}

impl fmt::Debug for TokenRow {
    /// Without the hash: logs are read by those who need not know it.
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

    /// Revokes a token. None where there is none such.
    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>>;

    /// The secret that is kept under a name. Where there is none, `fresh` is kept and given.
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
