//! What the catalog knows of packs, for the vault that evicts local copies of them.

use std::sync::Arc;

use async_trait::async_trait;
use packhouse_catalog::Catalog;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_vault::KnownPacks;

/// What a catalog knows of packs.
#[derive(Debug)]
pub(super) struct PacksOf(pub(super) Arc<dyn Catalog>);

#[async_trait]
impl KnownPacks for PacksOf {
    async fn knows(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.0.knows_packs(keys).await
    }

    async fn damaged(&self) -> Result<Vec<MpackKey>> {
        self.0.damaged_packs().await
    }
}
