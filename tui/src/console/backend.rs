//! The store that the console needs.

use async_trait::async_trait;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::{
    BranchDeleteReport, Client, Contents, Inspect, Policy, PolicyReport, RepoName, Result,
};

/// A store that can be inspected and looked into, and whose tokens, policies and branches can be
/// managed. Every [`Client`] is one; the demo and the stores of tests have only what is here.
#[async_trait]
pub(super) trait Backend: Inspect + Contents {
    /// All access tokens, oldest first, without their secrets.
    async fn tokens(&self) -> Result<Vec<TokenReport>>;

    /// Creates an access token. Only this result has its text.
    async fn create_token(&self, new: NewToken) -> Result<TokenReport>;

    /// Revokes an access token.
    async fn revoke_token(&self, id: &str) -> Result<TokenReport>;

    /// Sets the policy of a repo, or the default policy; with none, resets it.
    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport>;

    /// Deletes a branch.
    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport>;
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

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        Client::set_policy(self, repo, policy).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        Client::delete_branch(self, repo, branch).await
    }
}
