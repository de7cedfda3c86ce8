//! Whose packs a vault has: notes of catalogs, and which vault it is.

use packhouse_model::error::Result;

use crate::objects::{ObjectName, identity_of};
use crate::vault::Vault;

/// Whose packs these are.
impl Vault {
    /// Notes that a catalog has packs here, by its identity. Gives all that have, this one first.
    ///
    /// # Errors
    /// When notes can't be read or written.
    pub async fn register(&self, catalog: &str) -> Result<Vec<String>> {
        let mine = self.objects().note_of(catalog);
        let (here, notes) = (ObjectName::note(&mine), self.objects().notes().await?);
        if !notes.contains(&here) {
            self.objects().write_new(&here, mine.as_bytes()).await?;
        }
        self.with_others(mine, &notes).await
    }

    /// All catalogs that have packs here, and before them this one, whether that has been noted or
    /// not. Changes nothing.
    ///
    /// # Errors
    /// When notes can't be read.
    pub async fn catalogs(&self, catalog: &str) -> Result<Vec<String>> {
        let notes = self.objects().notes().await?;
        self.with_others(self.objects().note_of(catalog), &notes).await
    }

    /// What the note of a catalog says, and after it what those of others do.
    async fn with_others(&self, mine: String, notes: &[ObjectName]) -> Result<Vec<String>> {
        let here = ObjectName::note(&mine);
        let mut others = Vec::new();
        for note in notes.iter().filter(|note| **note != here) {
            if let Some(text) = self.read(note).await? {
                others.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        others.retain(|other| *other != mine);
        others.sort();
        others.dedup();
        others.insert(0, mine);
        Ok(others)
    }

    /// Which vault it is: what [`Vault::identify`] gave it, wherever it has been moved to since.
    ///
    /// # Errors
    /// When that can't be read.
    pub async fn identity(&self) -> Result<Option<[u8; 32]>> {
        Ok(self.read(&ObjectName::Identity).await?.and_then(|text| identity_of(&text)))
    }

    /// Gives the vault an identity, if it has none; gives the one that it has.
    ///
    /// # Errors
    /// When it can't be read or written.
    pub async fn identify(&self, fresh: [u8; 32]) -> Result<[u8; 32]> {
        if let Some(there) = self.identity().await? {
            return Ok(there);
        }
        self.objects().write_new(&ObjectName::Identity, hex::encode(fresh).as_bytes()).await?;
        Ok(self.identity().await?.unwrap_or(fresh))
    }
}
