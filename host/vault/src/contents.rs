//! What is in a storage whose catalog is missing.

/// What is in a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageContents {
    /// Where that is.
    pub place: String,
    /// Whether there is any pack.
    pub has_packs: bool,
    /// What the notes of catalogs there say.
    pub notes: Vec<String>,
    /// What the note of the catalog that was asked about would say.
    pub note: String,
}

impl StorageContents {
    /// Whether the packs there may belong to that catalog: its note is among them, or there is
    /// none.
    pub fn are_its_own(&self) -> bool {
        self.has_packs && (self.notes.is_empty() || self.notes.contains(&self.note))
    }
}
