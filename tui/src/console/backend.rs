//! The store that the console needs.

use async_trait::async_trait;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::{Client, Contents, Inspect, Result};

/// A store that can be inspected and looked into, and whose tokens can be managed. Every [`Client`]
/// is one; the demo and the stores of tests have only what is here.
#[async_trait]
pub(super) trait Backend: Inspect + Contents {
    /// All access tokens, oldest first, without their secrets.
    async fn tokens(&self) -> Result<Vec<TokenReport>>;

    /// Creates an access token. Only this result has its text.
    async fn create_token(&self, new: NewToken) -> Result<TokenReport>;

    /// Revokes an access token.
    async fn revoke_token(&self, id: &str) -> Result<TokenReport>;
}

#[async_trait]
impl<C: Client> Backend for C {
    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        Client::tokens(self).await
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        Client::create_token(self, new).await
    }

    async fn revoke_token(&self, id: &str) -> Result<TokenReport> {
        Client::revoke_token(self, id).await
    }
}
