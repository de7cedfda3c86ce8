//! What the core asks of a host. The WIT says the same in `wit/storage.wit` and `wit/database.wit`,
//! with the limits; the guest maps one to the other.

use crate::id::{EntityId, Kind};
use crate::plan::Counts;

/// Packs, heads, commits, tags or conflicts on a page; records or pairs of them a call takes.
pub const MAX_ITEMS: u32 = 1024;
/// IDs that a call takes.
pub const MAX_IDS: u32 = 4096;
/// Rows of a pack-index, and steps of a plan, on a page.
pub const MAX_ROWS: u32 = 4096;
/// Bytes of records that a call answers, unless it takes a single record.
pub const MAX_RECORD_BYTES: u64 = 4 << 20;

/// How much a call takes and answers at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct Limits {
    /// Packs, heads, commits, tags or conflicts on a page; records or pairs of them a call takes.
    pub items: u32,
    /// IDs that a call takes.
    pub ids: u32,
    /// Rows of a pack-index on a page.
    pub rows: u32,
    /// Bytes of records that a call answers, unless it takes a single record.
    pub record_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { items: MAX_ITEMS, ids: MAX_IDS, rows: MAX_ROWS, record_bytes: MAX_RECORD_BYTES }
    }
}

/// A page of a list.
///
/// There is one rule for all lists: a `limit` of 0 means the host's maximum, and a larger one
/// means that, too. A page may be shorter than `limit`, but is not empty unless it is done. A
/// start beyond the end gives an empty page that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// Whether nothing follows.
    pub done: bool,
}

impl<T> Default for Page<T> {
    /// The page of an empty list.
    fn default() -> Page<T> {
        Page::whole(Vec::new())
    }
}

impl<T> Page<T> {
    /// All of a list.
    pub const fn whole(items: Vec<T>) -> Page<T> {
        Page { items, done: true }
    }

    /// The same page with other items.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), done: self.done }
    }
}

impl<T: Clone> Page<T> {
    /// The page of `all` from number `first`, of at most `limit` items and never more than `most`.
    pub fn of(all: &[T], first: u64, limit: u32, most: u32) -> Page<T> {
        let first = usize::try_from(first).unwrap_or(usize::MAX).min(all.len());
        let end = first.saturating_add(page_size(limit, most)).min(all.len());
        Page { items: all[first..end].to_vec(), done: end == all.len() }
    }
}

/// How many items a page holds at most, by the rule of [`Page`].
pub const fn page_size(limit: u32, most: u32) -> usize {
    if limit == 0 || limit > most { most as usize } else { limit as usize }
}

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
    /// Number of its row in the pack-index.
    pub row: u64,
}

/// A tag, and the commit that it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CommitTag {
    /// The tag's text.
    pub tag: String,
    /// The commit.
    pub commit: EntityId,
}

/// A commit, snapshot or object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entity {
    /// What it is.
    pub kind: Kind,
    /// What it is called.
    pub id: EntityId,
}

/// A stored pack in canonical form that is exactly what its heads reach.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Base {
    /// Its number in this run.
    pub pack: u32,
    /// Its records: so the rows of each kind.
    pub records: Counts,
    /// What it reaches and the index does not know, by kind and id.
    pub missing: Vec<Entity>,
}

/// A pack of this run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PackInfo {
    /// `sha256:` and the hex of the SHA-256 of its bytes.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows of its pack-index.
    pub rows: u64,
}

/// A record that is being pushed, and a different encoding of the same entity that the repo has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct EncodingConflict {
    /// What the entity is.
    pub kind: Kind,
    /// In a pack of the push.
    pub pushed: Span,
    /// In a pack of the repo.
    pub stored: Span,
}

/// Why a host did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub enum AccessError {
    /// No pack of this run has that number.
    #[error("no pack of this run has number {0}")]
    NoSuchPack(u32),
    /// The span does not lie inside the pack, or the row is not one of its pack-index.
    #[error("bytes {}+{} do not lie inside pack {}", .0.offset, .0.length, .0.pack)]
    OutOfRange(Span),
    /// The span is not exactly one record of a kind that may be read.
    #[error("bytes {}+{} of pack {} are not one commit, snapshot or tag", .0.offset, .0.length, .0.pack)]
    NotARecord(Span),
    /// The call takes at most so many IDs, spans or pairs.
    #[error("a call takes at most {0} at once")]
    TooMany(u32),
    /// The call answers at most so many bytes.
    #[error("a call answers at most {0} bytes, unless it takes a single record")]
    TooLarge(u64),
    /// Any other reason. It ends the plan with this text.
    #[error("{0}")]
    Other(String),
}

/// The packs of a run. See `wit/storage.wit` for order and limits.
pub trait Storage {
    /// How much a call of either interface takes and answers. The same for the whole run.
    fn limits(&mut self) -> Limits;
    /// Rows of a pack-index, encoded, from row number `first`, in the order of offsets. A page holds
    /// whole rows of [`crate::ROW_BYTES`]; `limit` counts rows.
    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError>;
    /// The spine of the base: a number for each of its commits, then for each of its snapshots, from
    /// row number `first`. Of a commit: how many snapshots come before its turn; of a snapshot: how
    /// many objects.
    ///
    /// # Errors
    /// [`AccessError::NoSuchPack`] for any other pack, and if the spine is damaged: the default, for
    /// hosts without a base.
    fn spine(&mut self, pack: u32, _first: u64, _limit: u32) -> Result<Page<u32>, AccessError> {
        Err(AccessError::NoSuchPack(pack))
    }
    /// Bytes of commits, snapshots and tags, in the order of `spans`: at most [`Limits::items`] of
    /// them, and at most [`Limits::record_bytes`] unless there is one span.
    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError>;
    /// How pairs of records compare, as strings of bytes: at most [`Limits::items`] pairs.
    fn compare_records(
        &mut self,
        pairs: &[(Span, Span)],
    ) -> Result<Vec<std::cmp::Ordering>, AccessError>;
    /// The branch heads of a pushed pack, by name, from number `first`.
    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError>;
}

/// The index of a repo. See `wit/database.wit` for order and limits.
pub trait Database {
    /// The packs of this run, from number `first`.
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError>;
    /// The repo's branch heads, by name, after a branch.
    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError>;
    /// The commits of `commits` that the index knows, in that order, then their ancestors breadth
    /// first, each once.
    ///
    /// Takes at most `limit` commits, and at most [`Limits::items`]. Those that the index knows are
    /// always on the page: one that is not there is unknown. If the page is not done, ancestors
    /// were left out: a walk goes on with a call for those.
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError>;
    /// Commits whose generation is not above that of each known parent have at least this
    /// generation; `None` if there are no such commits. A walk by generation may not end before
    /// all that it has left lies below that.
    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError>;
    /// Where the index has each entity, in the order of `ids`; `None` for one that it does not
    /// know. At most [`Limits::ids`] a call. Not for tags: see [`Database::locate_tags`].
    ///
    /// # Errors
    /// Also if an entity is in the index, and no pack has it in the encoding of the index.
    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError>;
    /// As [`Database::locate`], for tags by their texts.
    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError>;
    /// The tags of some commits, by text (UTF-8 bytes), after the tag `after`. Takes at most
    /// [`Limits::ids`] commits.
    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError>;
    /// The base of an answer: a consolidated pack, such that the index still has every record of it
    /// there, and knows nothing that it was missing.
    fn base(&mut self) -> Result<Option<Base>, AccessError>;
    /// The commits that the base is what they reach, by id, from number `first`. Empty without a base.
    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError>;
    /// Whether the index has each id, at most [`Limits::ids`] a call. Not for tags.
    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError>;
    /// Pushed records whose entity the repo has in another encoding, from number `first`.
    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError>;
}

/// Reads a list to its end, page by page. `next` gets the items so far.
///
/// # Errors
/// Those of `next`, or [`AccessError::Other`] for an empty page that is not done.
pub fn read_all<T>(
    mut next: impl FnMut(&[T]) -> Result<Page<T>, AccessError>,
) -> Result<Vec<T>, AccessError> {
    let mut items = Vec::new();
    loop {
        let page = next(&items)?;
        if page.items.is_empty() && !page.done {
            return Err(AccessError::Other(
                "the host answered an empty page that is not done".into(),
            ));
        }
        items.extend(page.items);
        if page.done {
            return Ok(items);
        }
    }
}

/// All the packs of the run.
///
/// # Errors
/// As [`read_all`].
pub fn all_packs<H: Database + ?Sized>(host: &mut H) -> Result<Vec<PackInfo>, AccessError> {
    read_all(|packs: &[PackInfo]| host.packs(packs.len() as u32, 0))
}

/// All the heads of the repo.
///
/// # Errors
/// As [`read_all`].
pub fn all_heads<H: Database + ?Sized>(host: &mut H) -> Result<Vec<Head>, AccessError> {
    read_all(|heads: &[Head]| host.heads(heads.last().map(|head| head.branch.as_str()), 0))
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
    let limits = host.limits();
    let mut start = 0;
    while start < spans.len() {
        let end = batch_end(spans, start, &limits);
        let records = host.read_records(&spans[start..end])?;
        for (i, bytes) in records.iter().enumerate() {
            each(host, start + i, bytes)?;
        }
        start = end;
    }
    Ok(())
}

/// The end of the longest batch from `start` that one call takes; never `start` itself.
pub(crate) fn batch_end(spans: &[Span], start: usize, limits: &Limits) -> usize {
    let mut bytes = 0u64;
    let mut end = start;
    while end < spans.len() && end - start < limits.items as usize {
        bytes = bytes.saturating_add(spans[end].length);
        if bytes > limits.record_bytes && end > start {
            break;
        }
        end += 1;
    }
    end
}
