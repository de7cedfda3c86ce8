//! A catalog that is older than its packs.

use std::fmt;

use jiff::Timestamp;

/// Packs that no repo knows and that are as new as what the catalog knew last, or newer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewerPacks {
    /// How many there are.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// When the newest of them was written, by the clock of the storage.
    pub newest: Timestamp,
    /// What the catalog knew last; none when it has never had a pack.
    pub last_known: Option<Timestamp>,
    /// Whether the catalog knows any pack that is in storage.
    pub knows_some: bool,
    /// Where the catalog is.
    pub catalog: String,
    /// Where the packs are.
    pub place: String,
}

impl fmt::Display for NewerPacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (packs, are) = if self.packs == 1 {
            ("1 pack".to_owned(), "is")
        } else {
            (format!("{} packs", self.packs), "are")
        };
        let Self { bytes, place, catalog, .. } = self;
        write!(
            f,
            "the catalog {catalog} looks older than its packs: {packs} ({bytes} bytes) in {place} {are} known to no repo and "
        )?;
        match self.last_known {
            Some(last) => write!(f, "newer than what it knew last, at {last}"),
            None => write!(f, "it has never had a pack"),
        }
    }
}

/// What to do about it.
pub const NEWER_WAY_OUT: &str = "If the catalog was restored from a backup, or copied without its -wal file, restore the right one, or repeat the pushes since then. If a push was interrupted, push again";
