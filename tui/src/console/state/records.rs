//! The records of a pack, in its order: all, or those of a kind or with the beginning of an ID.
//!
//! They are loaded page by page, as the cursor moves down. A search goes through the pack in the
//! background until a page of records is found.

use packhouse_host::contents::Kind;
use packhouse_host::{MpackKey, PackRecord, PackRecordsPage, PackRecordsQuery, RepoName};

use super::pages::Pages;
use super::ticket::Ticket;
use crate::console::failure::BackendResult;

/// Records per page.
pub(in crate::console) const RECORDS_PAGE: u32 = 500;

/// Whether the repo needs a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum RecordState {
    /// The index maps its ID to it.
    Needed,
    /// The index maps its ID to another encoding, in the same pack.
    OtherEncoding,
    /// The index maps its ID to another pack.
    Duplicate,
    /// The index does not have its ID.
    Dropped,
}

impl RecordState {
    /// It in a word.
    pub(in crate::console) const fn word(self) -> &'static str {
        match self {
            RecordState::Needed => "Needed",
            RecordState::OtherEncoding | RecordState::Duplicate => "Duplicate",
            RecordState::Dropped => "Dropped",
        }
    }
}

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Records {
    pub(in crate::console) repo: RepoName,
    pub(in crate::console) pack: MpackKey,
    /// The search text.
    text: String,
    /// The loaded records; by the byte of the pack where the next page begins.
    pub(in crate::console) pages: Pages<PackRecord, u64>,
    /// Size and records of the pack, once they are known.
    pub(in crate::console) whole: Option<(u64, u64)>,
}

impl Records {
    /// The records of a pack, of which nothing is loaded.
    pub(in crate::console) fn new(repo: RepoName, pack: MpackKey) -> Records {
        Records { repo, pack, text: String::new(), pages: Pages::default(), whole: None }
    }

    /// Begins to load the first page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> PackRecordsQuery {
        self.pages.begin(ticket);
        self.query(0)
    }

    /// Begins to load the next page when the cursor comes near the end, or when a search has found
    /// less than a page: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<PackRecordsQuery> {
        let next = self.pages.more(ticket, RECORDS_PAGE)?;
        Some(self.query(next))
    }

    fn query(&self, from: u64) -> PackRecordsQuery {
        let (kind, id) = wanted(&self.text);
        PackRecordsQuery { pack: self.pack, from, limit: RECORDS_PAGE, kind, id }
    }

    /// Shows only the records of a kind, or with the beginning of an ID. Nothing is known of them
    /// yet.
    pub(in crate::console) fn search(&mut self, text: &str) {
        let whole = self.whole;
        *self = Records {
            text: text.trim().to_owned(),
            whole,
            ..Records::new(self.repo.clone(), self.pack)
        };
    }

    /// The search text.
    pub(in crate::console) fn text(&self) -> &str {
        &self.text
    }

    /// How much of the pack was searched, in percent; none at its end.
    pub(in crate::console) fn searched(&self) -> Option<u64> {
        let (bytes, _) = self.whole?;
        Some((u128::from(*self.pages.next()?) * 100 / u128::from(bytes.max(1))) as u64)
    }

    /// Whether the repo needs a record of the pack.
    pub(in crate::console) fn state(&self, record: &PackRecord) -> RecordState {
        match record.mpack_key {
            _ if record.needed => RecordState::Needed,
            Some(key) if key == self.pack => RecordState::OtherEncoding,
            Some(_) => RecordState::Duplicate,
            None => RecordState::Dropped,
        }
    }

    /// Takes a page.
    pub(super) fn take(&mut self, answer: BackendResult<PackRecordsPage>) {
        self.pages.take(answer.map(|page| {
            self.whole = Some((page.pack_bytes, page.pack_records));
            (page.records, page.next)
        }));
    }

    /// Whether a search has found less than a page, and more may come.
    pub(super) fn is_searching(&self) -> bool {
        !self.text.is_empty() && self.pages.entries.len() < RECORDS_PAGE as usize
    }
}

/// The kind that a search begins with, and the beginning of an ID that follows, or the text of a tag.
fn wanted(text: &str) -> (Option<Kind>, Option<String>) {
    let (first, others) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let kind = kind_of(first);
    let id = if kind.is_some() { others.trim() } else { text };
    (kind, (!id.is_empty()).then(|| id.to_owned()))
}

/// The kind that a word names: `object` or `objects`.
fn kind_of(word: &str) -> Option<Kind> {
    let word = word.to_lowercase();
    let word = word.strip_suffix('s').unwrap_or(&word);
    Kind::ALL.into_iter().find(|kind| kind.to_string() == word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keys::Action;
    use crate::console::tests::fake::pack_record;

    fn page(numbers: std::ops::Range<u64>, next: Option<u64>) -> PackRecordsPage {
        let records = numbers.map(pack_record).collect();
        PackRecordsPage { records, next, pack_bytes: 100_000, pack_records: 1000 }
    }

    #[test]
    fn a_search_is_for_a_kind_for_an_id_or_for_both_and_all_of_it_counts() {
        let found = |text: &str| {
            let (kind, id) = wanted(text);
            (kind, id.unwrap_or_default())
        };
        assert_eq!(found(""), (None, String::new()));
        assert_eq!(found("commits"), (Some(Kind::Commit), String::new()));
        assert_eq!(found("commits 9f86"), (Some(Kind::Commit), "9f86".to_owned()));
        assert_eq!(found("tag the first take"), (Some(Kind::Tag), "the first take".to_owned()));
        assert_eq!(found("tag commit"), (Some(Kind::Tag), "commit".to_owned()));
        assert_eq!(found("9f86 abcd"), (None, "9f86 abcd".to_owned()));
    }

    #[test]
    fn pages_continue_where_the_one_before_has_ended() {
        let mut records = Records::new("a/b".parse().unwrap(), MpackKey::new([7; 32]));
        assert_eq!(records.begin(Ticket(1)).from, 0);
        records.take(Ok(page(0..500, Some(50_000))));
        assert_eq!((records.more(Ticket(2)), records.searched()), (None, Some(50)));
        records.pages.cursor.act(Action::Last, 500, 1);
        assert_eq!(records.more(Ticket(2)).unwrap().from, 50_000);
        records.take(Ok(page(500..501, None)));
        assert_eq!((records.pages.entries.len(), records.searched()), (501, None));
        assert!(records.pages.is_complete() && records.more(Ticket(3)).is_none());
        assert_eq!(records.begin(Ticket(4)).from, 0);
        records.take(Ok(page(0..3, None)));
        assert_eq!(records.pages.entries.len(), 3, "it is loaded again");
    }

    #[test]
    fn a_search_is_for_a_kind_or_an_id_and_goes_on_until_a_page_is_found() {
        let mut records = Records::new("a/b".parse().unwrap(), MpackKey::new([7; 32]));
        records.search(" Commits 0a0b ");
        let query = records.begin(Ticket(1));
        assert_eq!((query.kind, query.id.as_deref()), (Some(Kind::Commit), Some("0a0b")));
        records.take(Ok(page(0..0, Some(90_000))));
        assert_eq!(records.more(Ticket(2)).unwrap().from, 90_000, "nothing was found so far");
        records.search("");
        let query = records.begin(Ticket(3));
        assert_eq!((query.kind, query.id), (None, None));
    }
}
