//! The packs that no repo needs, as a dry run of a prune lists them: which may go, why, and when the
//! rest is due.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::{PruneOptions, PruneReport, ReplacedPack};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// A dry run trusts packs that were ever hashed whole: it deletes nothing, so it only looks whether
/// they exist. The prune itself reads them.
const TRUST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// Time between two loads, in milliseconds, at least; and how much longer than a load it is.
const PAUSE: u64 = 2000;
const TIMES: u64 = 10;

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Prune {
    /// The dry run, and when it was asked for.
    known: Option<(Box<PruneReport>, Timestamp)>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request, and when it began.
    loading: Option<(Ticket, Timestamp)>,
    /// When the last request ended, and how many milliseconds it took.
    read: Option<(Timestamp, u64)>,
    /// Whether the store may have changed since.
    stale: bool,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
}

impl Prune {
    /// The options of the dry run.
    pub(in crate::console) fn preview() -> PruneOptions {
        PruneOptions { dry_run: true, trust_verified: TRUST, ..PruneOptions::default() }
    }

    /// The options of a prune that deletes what a dry run has listed, and no pack that became due
    /// since it was asked for.
    pub(in crate::console) fn of_preview(asked_at: Timestamp, now: Timestamp) -> PruneOptions {
        let defaults = PruneOptions::default();
        let since = Duration::try_from(now.duration_since(asked_at)).unwrap_or_default();
        let grace = defaults.grace.saturating_add(Duration::from_secs(since.as_secs()));
        PruneOptions { grace, ..defaults }
    }

    /// Begins to load it.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket, now: Timestamp) {
        (self.loading, self.stale) = (Some((ticket, now)), false);
    }

    /// The store may have changed.
    pub(in crate::console) fn outdate(&mut self) {
        self.stale = true;
    }

    /// What is loaded is out of date, and is to be loaded again at once.
    pub(in crate::console) fn expire(&mut self) {
        (self.stale, self.read) = (true, None);
    }

    /// Whether to load it again: a load takes only a small part of the time.
    pub(in crate::console) fn is_due(&self, now: Timestamp) -> bool {
        self.stale
            && self.loading.is_none()
            && self.read.is_none_or(|(at, took)| {
                let pause = took.saturating_mul(TIMES).max(PAUSE);
                now.duration_since(at).as_millis() >= i128::from(pause)
            })
    }

    /// Whether it waits for this ticket.
    pub(in crate::console) fn awaits(&self, ticket: Ticket) -> bool {
        self.loading.is_some_and(|(pending, _)| pending == ticket)
    }

    /// Whether a request is pending.
    pub(in crate::console) fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Takes a result. The cursor stays on its pack; on the first line, on that line.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Box<PruneReport>>,
        now: Timestamp,
    ) {
        let Some((_, began)) = self.loading.take() else { return };
        self.read = Some((now, u64::try_from(now.duration_since(began).as_millis()).unwrap_or(0)));
        match answer {
            Ok(report) => {
                let selected = self.current().map(|pack| pack.pack);
                let selected = selected.filter(|_| self.cursor.at(self.packs().len()) > 0);
                let line =
                    selected.and_then(|key| report.packs.iter().position(|pack| pack.pack == key));
                line.into_iter().for_each(|line| self.cursor.set(line));
                (self.known, self.failure) = (Some((report, began)), None);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Ends a request that has failed; what was loaded stays.
    pub(in crate::console) fn give_up(&mut self) {
        self.loading = None;
    }

    /// The dry run, once it is loaded.
    pub(in crate::console) fn report(&self) -> Option<&PruneReport> {
        self.known.as_ref().map(|(report, _)| report.as_ref())
    }

    /// The dry run and when it was asked for, if it would delete packs.
    pub(in crate::console) fn deletable(&self) -> Option<(&PruneReport, Timestamp)> {
        let (report, asked_at) = self.known.as_ref()?;
        (report.packs_deleted > 0).then_some((report.as_ref(), *asked_at))
    }

    /// The packs: first those that may go, then those that are kept, then those that wait.
    pub(in crate::console) fn packs(&self) -> &[ReplacedPack] {
        self.report().map_or(&[], |report| &report.packs)
    }

    /// The selected pack.
    pub(in crate::console) fn current(&self) -> Option<&ReplacedPack> {
        self.packs().get(self.cursor.at(self.packs().len()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::console::tests::fake::{now, prune_report, replaced};

    fn loaded(packs: &[u8]) -> Prune {
        let mut prune = Prune::default();
        load(&mut prune, packs);
        prune
    }

    fn load(prune: &mut Prune, packs: &[u8]) {
        prune.begin(Ticket(1), now());
        let packs = packs.iter().map(|n| replaced(*n, "a/b", 12)).collect();
        prune.take(Ok(Box::new(prune_report(packs))), now() + 1.second());
    }

    #[test]
    fn the_cursor_stays_on_its_pack() {
        let mut prune = loaded(&[1, 2, 3]);
        prune.cursor.set(1);
        load(&mut prune, &[4, 1, 2, 3]);
        assert_eq!(prune.current(), Some(&replaced(2, "a/b", 12)));
        prune.cursor.set(0);
        load(&mut prune, &[5, 1]);
        assert_eq!(prune.current(), Some(&replaced(5, "a/b", 12)));
    }

    #[test]
    fn a_store_that_changes_all_the_time_is_read_for_a_tenth_of_it() {
        let mut prune = loaded(&[1]);
        let at = |seconds: i64| now() + seconds.seconds();
        assert!(!prune.is_due(at(99)), "nothing has changed");
        prune.outdate();
        assert_eq!((prune.is_due(at(10)), prune.is_due(at(11))), (false, true));
        prune.expire();
        assert!(prune.is_due(at(1)));
        prune.begin(Ticket(2), at(1));
        prune.outdate();
        assert!(!prune.is_due(at(99)), "it is being loaded");
    }

    #[test]
    fn nothing_that_became_due_since_is_deleted() {
        let options = Prune::of_preview(now(), now() + 75.seconds());
        assert_eq!(options.grace, PruneOptions::default().grace + Duration::from_secs(75));
        assert!(!options.dry_run && options.trust_verified.is_zero());
    }
}
