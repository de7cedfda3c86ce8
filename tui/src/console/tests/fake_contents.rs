//! What is inside the repos of the fake store: the same commits, files and records in each.

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream;
use packhouse_host::{
    CommittedFile, ComparedRecord, ComparedTotals, Content, Contents, Error, FilesPage, FilesQuery,
    FoundRecord, LogPage, LogQuery, LoggedCommit, PackComparison, PackComparisonQuery, PackRecord,
    PackRecordsPage, PackRecordsQuery, RecordReport, RepoName, Result,
};

use super::fake::opened;
use super::fake_store::{Fake, FakeStore};

/// What each repo has.
#[derive(Clone, Debug, Default)]
pub(super) struct FakeContents {
    commits: Vec<LoggedCommit>,
    files: Vec<CommittedFile>,
    records: Vec<(RecordReport, Vec<u8>)>,
    pack_records: Vec<PackRecord>,
    compared: Vec<ComparedRecord>,
}

impl Fake {
    /// Each repo has these commits, newest first.
    pub(super) fn put_commits(&self, commits: Vec<LoggedCommit>) {
        self.inner.contents().commits = commits;
        self.notify();
    }

    /// Each commit has these files.
    pub(super) fn put_files(&self, files: Vec<CommittedFile>) {
        self.inner.contents().files = files;
    }

    /// Each repo has an object of these bytes, whose ID has this digit.
    pub(super) fn put_object(&self, id: &str, bytes: &[u8]) {
        let record = opened(id, bytes).record;
        self.inner.contents().records.push((record, bytes.to_vec()));
    }

    /// Each pack has these records.
    pub(super) fn put_pack_records(&self, records: Vec<PackRecord>) {
        self.inner.contents().pack_records = records;
    }

    /// Each two packs differ so.
    pub(super) fn put_compared(&self, compared: Vec<ComparedRecord>) {
        self.inner.contents().compared = compared;
    }

    /// Each repo has this record, of these bytes.
    pub(super) fn put_record(&self, record: RecordReport, bytes: &[u8]) {
        self.inner.contents().records.push((record, bytes.to_vec()));
    }
}

impl FakeStore {
    fn one(&self, repo: &RepoName, id: &str) -> Result<(RecordReport, Vec<u8>)> {
        let contents = self.contents();
        let is_it = |(record, _): &&(RecordReport, Vec<u8>)| {
            let own = &record.place.id;
            own.starts_with(id) || own.trim_start_matches("sha256:").starts_with(id)
        };
        let found = contents.records.iter().find(is_it).cloned();
        let unknown =
            || Error::UnknownRecord { repo: repo.clone(), what: "record", id: id.to_owned() };
        let (mut record, bytes) = found.ok_or_else(unknown)?;
        record.place.repo = repo.clone();
        Ok((record, bytes))
    }
}

#[async_trait]
impl Contents for FakeStore {
    async fn log(&self, _: &RepoName, query: &LogQuery) -> Result<LogPage> {
        let commits = self.contents().commits.clone();
        let from = query.from.first();
        let first = from.and_then(|id| commits.iter().position(|commit| commit.commit == *id));
        let (first, limit) = (first.unwrap_or(0), query.limit as usize);
        let next = commits.get(first + limit).map(|commit| commit.commit.clone());
        let commits = commits.into_iter().skip(first).take(limit).collect();
        Ok(LogPage { commits, next: next.into_iter().collect() })
    }

    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage> {
        let mut files = self.contents().files.clone();
        let path = query.path.as_deref().unwrap_or_default();
        files.retain(|file| file.path.starts_with(path));
        if files.is_empty() && !path.is_empty() {
            let (repo, commit) = (repo.clone(), query.commit.clone());
            return Err(Error::UnknownPath { repo, commit, path: path.to_owned() });
        }
        files.retain(|file| query.after.as_ref().is_none_or(|after| file.path > *after));
        let more = files.len() > query.limit as usize;
        files.truncate(query.limit as usize);
        let next = files.last().filter(|_| more).map(|last| last.path.clone());
        Ok(FilesPage { files, next, missing_snapshot: None })
    }

    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport> {
        Ok(self.one(repo, id)?.0)
    }

    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content> {
        let (_, bytes) = self.one(repo, id)?;
        let chunks: Vec<Result<_>> =
            bytes.chunks(1000).map(|chunk| Ok(chunk.to_vec().into())).collect();
        Ok(Content { bytes: bytes.len() as u64, stream: stream::iter(chunks).boxed() })
    }

    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>> {
        Ok(self.one(repo, id).map(|(record, _)| record.place).into_iter().collect())
    }

    async fn pack_records(
        &self,
        _: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        let all = self.contents().pack_records.clone();
        let (pack_bytes, pack_records) =
            (all.last().map_or(0, |last| last.offset + last.length), all.len() as u64);
        let left = all.into_iter().skip_while(|record| record.offset < query.from);
        // As a store: a search looks at so many records for a page.
        let searched: Vec<PackRecord> = left.take(2 * query.limit as usize + 1).collect();
        let is_wanted = |record: &PackRecord| {
            let id = record.id.trim_start_matches("sha256:");
            query.kind.is_none_or(|kind| kind == record.kind)
                && query.id.as_ref().is_none_or(|wanted| id.starts_with(wanted))
        };
        let (mut records, mut next) = (Vec::new(), None);
        for (at, record) in searched.into_iter().enumerate() {
            if records.len() == query.limit as usize || at == 2 * query.limit as usize {
                next = Some(record.offset);
                break;
            }
            records.extend(Some(record).filter(is_wanted));
        }
        Ok(PackRecordsPage { records, next, pack_bytes, pack_records })
    }

    async fn compare_packs(
        &self,
        _: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        let all = self.contents().compared.clone();
        let mut totals = ComparedTotals::default();
        all.iter().for_each(|record| totals.add(record.class, record.a, record.b));
        let first: usize = query.after.as_ref().map_or(0, |after| after.parse().unwrap());
        // As a store: a page looks at so many records.
        let end = all.len().min(first + query.limit as usize);
        let wanted = |record: &&ComparedRecord| query.class.is_none_or(|it| it == record.class);
        let records = all[first..end].iter().filter(wanted).cloned().collect();
        let next = (end < all.len()).then(|| end.to_string());
        Ok(PackComparison { totals: (first == 0).then_some(totals), records, next })
    }
}
