//! The files of a commit, by path: all, or those below a folder.
//!
//! They are loaded page by page, as the cursor moves down.

use packhouse_host::{CommittedFile, FilesPage, FilesQuery, RepoName};

use super::pages::Pages;
use super::ticket::Ticket;
use crate::console::failure::BackendResult;

/// Files per page. The store goes through all files of a commit for each.
pub(in crate::console) const FILES_PAGE: u32 = 2000;

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Files {
    pub(in crate::console) repo: RepoName,
    pub(in crate::console) commit: String,
    /// The first line of its message, if that is known.
    pub(in crate::console) subject: Option<String>,
    /// The folder or file; none: all files.
    path: Option<String>,
    /// The loaded files; the next page starts after a path.
    pub(in crate::console) pages: Pages<CommittedFile, String>,
    /// A snapshot that the repo does not have: files that only it lists are left out.
    pub(in crate::console) missing_snapshot: Option<String>,
}

impl Files {
    /// The files of a commit, of which nothing is loaded.
    pub(in crate::console) fn new(
        repo: RepoName,
        commit: String,
        subject: Option<String>,
    ) -> Files {
        Files { repo, commit, subject, path: None, pages: Pages::default(), missing_snapshot: None }
    }

    /// Begins to load the first page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> FilesQuery {
        self.pages.begin(ticket);
        self.query(None)
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<FilesQuery> {
        let next = self.pages.more(ticket, FILES_PAGE)?;
        Some(self.query(Some(next)))
    }

    fn query(&self, after: Option<String>) -> FilesQuery {
        FilesQuery {
            commit: self.commit.clone(),
            path: self.path.clone(),
            after,
            limit: FILES_PAGE,
        }
    }

    /// Takes a page.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<FilesPage>) {
        self.pages.take(answer.map(|page| {
            self.missing_snapshot = page.missing_snapshot;
            (page.files, page.next)
        }));
    }

    /// Lists another folder or file; without one, all files. Nothing is known of them yet.
    pub(in crate::console) fn go_to(&mut self, path: &str) {
        let path = Some(path.trim()).filter(|path| !path.is_empty()).map(str::to_owned);
        let (repo, commit, subject) = (self.repo.clone(), self.commit.clone(), self.subject.take());
        *self = Files { path, ..Files::new(repo, commit, subject) };
    }

    /// The folder or file; empty: all files.
    pub(in crate::console) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keys::Action;
    use crate::console::tests::fake::file;

    #[test]
    fn pages_continue_after_the_last_path_and_another_path_begins_anew() {
        let mut files = Files::new("a/b".parse().unwrap(), "c".to_owned(), None);
        let page = |from: u32, to: u32, next: bool| {
            let path = |n: u32| format!("takes/{n:05}.wav");
            let files: Vec<CommittedFile> = (from..to).map(|n| file(&path(n))).collect();
            let next = files.last().filter(|_| next).map(|last| last.path.clone());
            Ok(FilesPage { files, next, missing_snapshot: None })
        };
        assert_eq!(files.begin(Ticket(1)).after, None);
        files.take(page(0, FILES_PAGE, true));
        assert_eq!(files.more(Ticket(2)), None, "the end is far");
        files.pages.cursor.act(Action::Last, FILES_PAGE as usize, 1);
        let more = files.more(Ticket(2)).unwrap();
        assert_eq!(more.after.as_deref(), Some("takes/01999.wav"));
        files.take(page(FILES_PAGE, FILES_PAGE + 3, false));
        assert_eq!(files.pages.entries.len(), 2003);
        assert!(files.pages.is_complete() && files.more(Ticket(3)).is_none());
        files.go_to(" takes ");
        assert_eq!(files.begin(Ticket(4)).path.as_deref(), Some("takes"));
        assert!(
            !files.pages.known && files.pages.entries.is_empty() && files.pages.cursor.at(9) == 0
        );
        files.go_to("");
        assert_eq!(files.begin(Ticket(5)).path, None);
    }
}
