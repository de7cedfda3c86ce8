//! Two packs compared: what is in only one, in both, and in both in different encodings.

use packhouse_host::{
    ComparedRecord, ComparedTotals, MpackKey, PackComparison, PackComparisonQuery, RecordClass,
    RepoName,
};

use super::pages::Pages;
use super::ticket::Ticket;
use crate::console::failure::BackendResult;

/// Records per page.
pub(in crate::console) const COMPARED_PAGE: u32 = 500;

/// The classes to filter by.
const FILTERS: [Option<RecordClass>; 5] = [
    None,
    Some(RecordClass::OnlyA),
    Some(RecordClass::OnlyB),
    Some(RecordClass::OtherEncoding),
    Some(RecordClass::Same),
];

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Comparison {
    pub(in crate::console) repo: RepoName,
    pub(in crate::console) a: MpackKey,
    pub(in crate::console) b: MpackKey,
    /// Counts and bytes of each class, once they are known.
    pub(in crate::console) totals: Option<ComparedTotals>,
    /// The class whose records are listed; none: all.
    pub(in crate::console) class: Option<RecordClass>,
    /// The loaded records.
    pub(in crate::console) pages: Pages<ComparedRecord, String>,
}

impl Comparison {
    /// A comparison of which nothing is loaded.
    pub(in crate::console) fn new(repo: RepoName, [a, b]: [MpackKey; 2]) -> Comparison {
        Comparison { repo, a, b, totals: None, class: None, pages: Pages::default() }
    }

    /// Begins to load the first page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> PackComparisonQuery {
        self.pages.begin(ticket);
        self.query(None)
    }

    /// Begins to load again what failed: returns its query. The loaded records stay.
    pub(in crate::console) fn again(&mut self, ticket: Ticket) -> PackComparisonQuery {
        let from = self.pages.again(ticket);
        self.query(from)
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<PackComparisonQuery> {
        let next = self.pages.more(ticket, COMPARED_PAGE)?;
        Some(self.query(Some(next)))
    }

    fn query(&self, after: Option<String>) -> PackComparisonQuery {
        let (a, b, class, limit) = (self.a, self.b, self.class, COMPARED_PAGE);
        let totals = after.is_none() && self.totals.is_none();
        PackComparisonQuery { a, b, class, after, limit, totals }
    }

    /// Lists the class that is `by` further; the first follows the last. Nothing is known of its
    /// records yet.
    pub(in crate::console) fn step_class(&mut self, by: isize) {
        let at = FILTERS.iter().position(|class| *class == self.class).unwrap_or_default() as isize;
        let class = FILTERS[(at + by).rem_euclid(FILTERS.len() as isize) as usize];
        let totals = self.totals;
        let anew = Comparison::new(self.repo.clone(), [self.a, self.b]);
        *self = Comparison { class, totals, ..anew };
    }

    /// Takes a page.
    pub(super) fn take(&mut self, answer: BackendResult<PackComparison>) {
        self.pages.take(answer.map(|page| {
            self.totals = page.totals.or(self.totals);
            (page.records, page.next)
        }));
    }

    /// Whether a search has found less than a page, and more may come.
    pub(super) fn is_searching(&self) -> bool {
        self.class.is_some() && self.pages.entries.len() < COMPARED_PAGE as usize
    }
}
