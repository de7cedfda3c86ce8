//! What is inside the repos of a store: commits, files, records.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
pub use packhouse_core::Kind;

use crate::error::Result;
use crate::names::RepoName;
use crate::report::{
    FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison, PackComparisonQuery,
    PackRecordsPage, PackRecordsQuery, RecordReport,
};

/// A store as those use it who look inside its repos. Nothing is changed.
///
/// IDs are given as clients write them, or as the first 4 digits or more of one. Tags are given as
/// text.
#[async_trait]
pub trait Contents: Send + Sync {
    /// Commits that a branch reaches, each before its parents.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownBranch`], [`crate::error::Error::UnknownRecord`].
    async fn log(&self, repo: &RepoName, query: &LogQuery) -> Result<LogPage>;

    /// Files of a commit, by path.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownRecord`], [`crate::error::Error::UnknownPath`].
    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage>;

    /// What a record says, and where it is. Of an object, its content is left out.
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownRecord`], [`crate::error::Error::AmbiguousId`].
    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport>;

    /// The content of an object; of other records, their bytes as clients wrote them.
    ///
    /// # Errors
    /// As for [`Contents::record`].
    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content>;

    /// The records of a repo with this ID, or whose ID begins so; at most
    /// [`MAX_FOUND`]. Empty: there are none.
    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>>;

    /// Records of a pack, in its order; at most [`MAX_RECORDS`].
    ///
    /// # Errors
    /// [`crate::error::Error::UnknownRecord`] for a pack that the repo does not have.
    async fn pack_records(
        &self,
        repo: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage>;

    /// Two packs compared by kind and ID, at most [`MAX_RECORDS`] records. What is compared is the
    /// length and the fingerprint of each encoding; no pack is read.
    ///
    /// # Errors
    /// As for [`Contents::pack_records`].
    async fn compare_packs(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison>;
}

/// Most records that are found by the beginning of an ID.
pub const MAX_FOUND: usize = 100;

/// Most records of a pack in a page.
pub const MAX_RECORDS: u32 = 1000;

/// Most records of a pack that a page searches: a search for few of them ends a page early.
pub const MAX_SEARCHED: u32 = 1 << 14;

/// Bytes of a record, while they are read. An object whose bytes do not match its ID ends with an
/// error, and not with its last bytes.
pub struct Content {
    /// How many there are.
    pub bytes: u64,
    /// The bytes.
    pub stream: BoxStream<'static, Result<Bytes>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
