//! The files of a commit, by path: all, or those below a folder.
//!
//! They are loaded page by page, as the cursor moves down.

use packhouse_host::{CommittedFile, FilesPage, FilesQuery, RepoName};

use super::pages::Pages;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

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
    /// The words that paths have to contain.
    text: String,
    /// How many files were looked at.
    pub(in crate::console) searched: u64,
    /// The list before another folder was asked for, until that one is here.
    before: Option<Box<Files>>,
    /// Why there is no such folder.
    pub(in crate::console) refused: Option<Failure>,
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
        Files {
            repo,
            commit,
            subject,
            path: None,
            text: String::new(),
            searched: 0,
            before: None,
            refused: None,
            pages: Pages::default(),
            missing_snapshot: None,
        }
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

    /// Lists another folder or file; without one, all files. If there is none, this list stays.
    pub(in crate::console) fn go_to(&mut self, path: &str) {
        let path = Some(path.trim()).filter(|path| !path.is_empty()).map(str::to_owned);
        let subject = self.subject.clone();
        let anew = Files { path, ..Files::new(self.repo.clone(), self.commit.clone(), subject) };
        let mut before = std::mem::replace(self, anew);
        (before.pages.loading, before.before, before.refused) = (None, None, None);
        self.before = Some(Box::new(before));
    }

    /// Lists only the files with these words in their paths. Nothing is known of them yet.
    pub(in crate::console) fn search(&mut self, text: &str) {
        let (path, subject) = (self.path.clone(), self.subject.clone());
        let text = text.trim().to_owned();
        let anew = Files::new(self.repo.clone(), self.commit.clone(), subject);
        *self = Files { path, text, ..anew };
    }

    /// The words that paths have to contain.
    pub(in crate::console) fn text(&self) -> &str {
        &self.text
    }

    /// The folder or file; empty: all files.
    pub(in crate::console) fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }

    /// Takes a page.
    pub(super) fn take(&mut self, answer: BackendResult<FilesPage>) {
        let answer = match (answer, self.before.take()) {
            // The list that was there before stays.
            (Err(failure), Some(before)) => {
                *self = Files { refused: Some(failure), ..*before };
                return;
            }
            (answer, _) => answer,
        };
        self.pages.take(answer.map(|page| {
            self.missing_snapshot = page.missing_snapshot;
            let mut files = page.files;
            self.searched =
                if self.pages.replaces() { 0 } else { self.searched } + files.len() as u64;
            files.retain(|file| contains_words(&file.path, &self.text));
            (files, page.next)
        }));
    }

    /// Whether a search has found less than a page, and more may come.
    pub(super) fn is_searching(&self) -> bool {
        !self.text.is_empty() && self.pages.entries.len() < FILES_PAGE as usize
    }
}

/// Whether a path contains all words of a text. Case is ignored unless the text has an uppercase letter.
fn contains_words(path: &str, text: &str) -> bool {
    let exact = text.chars().any(char::is_uppercase);
    let path = if exact { path.to_owned() } else { path.to_lowercase() };
    text.split_whitespace().all(|word| path.contains(word))
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

    #[test]
    fn a_search_is_for_words_of_the_path_and_goes_through_all_pages() {
        let page = |paths: &[&str], next: Option<&str>| FilesPage {
            files: paths.iter().map(|path| file(path)).collect(),
            next: next.map(str::to_owned),
            missing_snapshot: None,
        };
        let mut files = Files::new("a/b".parse().unwrap(), "c".to_owned(), None);
        files.search(" bridge WAV");
        files.begin(Ticket(1));
        files.take(Ok(page(&["takes/bridge.wav", "README"], Some("x"))));
        assert!(files.pages.entries.is_empty() && files.is_searching(), "case counts");
        files.search("bridge wav");
        files.begin(Ticket(2));
        files.take(Ok(page(&["takes/Bridge.wav", "README", "bridge.txt"], Some("x"))));
        assert_eq!((files.pages.entries.len(), files.searched), (1, 3));
        assert_eq!(files.more(Ticket(3)).unwrap().after.as_deref(), Some("x"));
        files.take(Ok(page(&["y.wav", "z/bridge.wav"], None)));
        assert_eq!((files.pages.entries.len(), files.searched), (2, 5));
        assert_eq!(files.more(Ticket(4)), None);
    }

    #[test]
    fn an_unknown_folder_leaves_the_list_as_it_was() {
        let mut files = Files::new("a/b".parse().unwrap(), "c".to_owned(), None);
        files.begin(Ticket(1));
        let all = vec![file("a"), file("takes/b")];
        files.take(Ok(FilesPage { files: all, next: None, missing_snapshot: None }));
        files.pages.cursor.set(1);
        files.go_to("no");
        files.begin(Ticket(2));
        files.take(Err(Failure::from(packhouse_host::Error::Cancelled)));
        assert_eq!(files.pages.current().map(|file| file.path.as_str()), Some("takes/b"));
        assert!(
            files.refused.is_some() && files.path().is_empty() && files.pages.failure.is_none()
        );
    }
}
