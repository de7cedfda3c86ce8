//! What the core asks of a host. The WIT says the same in `wit/storage.wit` and `wit/database.wit`,
//! with the limits; the guest maps one to the other.

use crate::id::{EntityId, Kind};

/// Rows of a directory that one call may answer.
pub const MAX_ROWS: u32 = 4096;
/// Records, pairs, ids, heads or edges that one call may answer or take.
pub const MAX_ITEMS: u32 = 1024;
/// Bytes of records that one call may answer, unless it asks for a single record.
pub const MAX_RECORD_BYTES: u64 = 4 << 20;

/// Bytes of a pack: `length` bytes from `offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Span {
    /// Number of the pack in this run.
    pub pack: u32,
    /// First byte, counted from the pack's start.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// A branch and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Head {
    /// The branch's name.
    pub branch: String,
    /// The commit it stands at.
    pub commit: EntityId,
}

/// What a commit reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Edges {
    /// The commit.
    pub commit: EntityId,
    /// First and second parent.
    #[cfg_attr(feature = "serde", serde(with = "crate::serde_impls::parents"))]
    pub parents: [Option<EntityId>; 2],
    /// The snapshot it stands for.
    pub snapshot: Option<EntityId>,
}

impl Edges {
    /// The parents that there are.
    pub fn parents(&self) -> impl Iterator<Item = EntityId> + use<> {
        self.parents.into_iter().flatten()
    }
}

/// A commit of the index, as a walk needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ancestor {
    /// What it reaches.
    pub edges: Edges,
    /// 1 + the greatest generation of its known parents; 0: not numbered yet.
    pub generation: u64,
}

/// Where the index has an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Location {
    /// Its record.
    pub at: Span,
    /// Number of its row in the pack's directory.
    pub row: u64,
}

/// A pack of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PackInfo {
    /// `sha256:` and the hex of the SHA-256 of its bytes.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows in its directory.
    pub rows: u64,
}

/// A record that is being pushed, and a different encoding of the same entity that the repo has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rival {
    /// What the entity is.
    pub kind: Kind,
    /// In a pack of the push.
    pub pushed: Span,
    /// In a pack of the repo.
    pub stored: Span,
}

/// Why a host did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum AccessError {
    /// No pack of this run has that number.
    #[error("no pack of this run has number {0}")]
    NoSuchPack(u32),
    /// The span, or the page, does not lie inside the pack or its directory.
    #[error("bytes {}+{} do not lie inside pack {}", .0.offset, .0.length, .0.pack)]
    OutOfRange(Span),
    /// The span is not exactly one record that may cross.
    #[error("bytes {}+{} of pack {} are not one commit, snapshot or tag", .0.offset, .0.length, .0.pack)]
    NotARecord(Span),
    /// More was asked for than one call may answer.
    #[error("a call may ask for {0} at most")]
    TooMuch(u32),
}

/// The packs of a run. See `wit/storage.wit` for order and limits.
pub trait Storage {
    /// Rows of a directory, encoded, from number `first`, in the order of offsets.
    fn directory_rows(&mut self, pack: u32, first: u64, limit: u32)
    -> Result<Vec<u8>, AccessError>;
    /// Bytes of commits, snapshots and tags, in the order asked for.
    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError>;
    /// How pairs of records compare, as strings of bytes.
    fn compare_records(
        &mut self,
        pairs: &[(Span, Span)],
    ) -> Result<Vec<std::cmp::Ordering>, AccessError>;
    /// The branch heads of a pushed pack, by name, from number `first`.
    fn branch_heads(&mut self, pack: u32, first: u32, limit: u32)
    -> Result<Vec<Head>, AccessError>;
}

/// The index of a repo. See `wit/database.wit` for order and limits.
pub trait Database {
    /// The packs of this run, from number `first`.
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError>;
    /// The repo's branch heads, by name, after a branch.
    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError>;
    /// What commits reach: those of `from`, then their ancestors breadth first.
    fn history(&mut self, from: &[EntityId], limit: u32) -> Result<Vec<Edges>, AccessError>;
    /// Whether the index maps each id.
    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError>;
    /// Pushed records whose entity the repo has in another encoding.
    fn rivals(&mut self, first: u64, limit: u32) -> Result<Vec<Rival>, AccessError>;
}

/// All the packs of the run, paged in.
pub fn all_packs<H: Database + ?Sized>(host: &mut H) -> Result<Vec<PackInfo>, AccessError> {
    let mut packs = Vec::new();
    loop {
        let page = host.packs(packs.len() as u32, MAX_ITEMS)?;
        if page.is_empty() {
            return Ok(packs);
        }
        packs.extend(page);
    }
}

/// All the heads of the repo, paged in.
pub fn all_heads<H: Database + ?Sized>(host: &mut H) -> Result<Vec<Head>, AccessError> {
    let mut heads: Vec<Head> = Vec::new();
    loop {
        let page = host.heads(heads.last().map(|h| h.branch.as_str()), MAX_ITEMS)?;
        if page.is_empty() {
            return Ok(heads);
        }
        heads.extend(page);
    }
}

/// Reads records in batches that keep to the limits of [`Storage::read_records`], and hands each to
/// `each` with its number in `spans`.
pub fn for_each_record<H, E>(
    host: &mut H,
    spans: &[Span],
    mut each: impl FnMut(&mut H, usize, &[u8]) -> Result<(), E>,
) -> Result<(), E>
where
    H: Storage + ?Sized,
    E: From<AccessError>,
{
    let mut start = 0;
    while start < spans.len() {
        let end = batch_end(spans, start);
        let records = host.read_records(&spans[start..end])?;
        for (i, bytes) in records.iter().enumerate() {
            each(host, start + i, bytes)?;
        }
        start = end;
    }
    Ok(())
}

/// The end of the longest batch from `start` that one call may ask for; never `start` itself.
pub(crate) fn batch_end(spans: &[Span], start: usize) -> usize {
    let mut bytes = 0u64;
    let mut end = start;
    while end < spans.len() && end - start < MAX_ITEMS as usize {
        bytes = bytes.saturating_add(spans[end].length);
        if bytes > MAX_RECORD_BYTES && end > start {
            break;
        }
        end += 1;
    }
    end
}
