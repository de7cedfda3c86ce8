//! Who bears a token: one of the store, or of a MuseHub.

use std::sync::Arc;

use packhouse_model::access::{Caller, TokenText};
use packhouse_model::error::Result;
use packhouse_store::Store;

use super::hub_tokens::{HubTokens, Refused};

/// Looks up the bearers of tokens. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Bearers {
    store: Store,
    /// None: tokens of a MuseHub are not accepted.
    hub: Option<Arc<HubTokens>>,
}

impl Bearers {
    pub(super) fn new(store: Store, hub: Option<HubTokens>) -> Bearers {
        Bearers { store, hub: hub.map(Arc::new) }
    }

    /// The bearer of a token, as the request has it.
    ///
    /// # Errors
    /// When the catalog fails.
    pub(super) async fn caller(&self, text: &str) -> Result<Result<Caller, Refused>> {
        if let Ok(token) = text.parse::<TokenText>() {
            return Ok(self.store.caller(&token).await?.ok_or(Refused::Unknown));
        }
        let hub = self.hub.as_ref().ok_or(Refused::Unknown);
        Ok(hub.and_then(|hub| hub.caller(text, self.store.now())))
    }

    /// The bearer of a token that was valid, by its ID, if it still is.
    ///
    /// # Errors
    /// When the catalog fails.
    pub(super) async fn caller_still(&self, id: &str) -> Result<Option<Caller>> {
        match &self.hub {
            Some(hub) if HubTokens::is_id(id) => Ok(hub.caller_still(id, self.store.now())),
            _ => self.store.caller_still(id).await,
        }
    }
}
