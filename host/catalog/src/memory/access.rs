//! Tokens and secrets.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{Error, Result};

use super::MemoryCatalog;
use crate::{Access, TokenRow};

fn taken() -> Error {
    Error::Catalog {
        catalog: "memory".into(),
        doing: "storing a token".into(),
        reason: "its id is taken".into(),
        busy: false,
        read_only: false,
        full: false,
    }
}

#[async_trait]
impl Access for MemoryCatalog {
    async fn add_token(&self, token: &TokenRow) -> Result<()> {
        let mut state = self.write();
        if state.tokens.contains_key(&token.id) {
            return Err(taken());
        }
        state.tokens.insert(token.id.clone(), token.clone());
        Ok(())
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>> {
        let mut tokens: Vec<TokenRow> = self.read().tokens.values().cloned().collect();
        // They are ordered by id already, and the sort is stable.
        tokens.sort_by_key(|token| token.created_at);
        Ok(tokens)
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        Ok(self.read().tokens.get(id).cloned())
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> Result<Option<TokenRow>> {
        let mut state = self.write();
        let token = state.tokens.get_mut(id);
        Ok(token.map(|token| {
            token.revoked_at.get_or_insert(now);
            token.clone()
        }))
    }

    async fn secret(&self, name: &str, fresh: [u8; 32]) -> Result<[u8; 32]> {
        Ok(*self.write().secrets.entry(name.to_owned()).or_insert(fresh))
    }

    async fn kept(&self, name: &str) -> Result<Option<[u8; 32]>> {
        Ok(self.read().secrets.get(name).copied())
    }

    async fn keep(&self, name: &str, value: [u8; 32]) -> Result<()> {
        self.write().secrets.insert(name.to_owned(), value);
        Ok(())
    }
}
