//! The packs that no repo needs, as a dry run of a prune lists them: which may go, why, and when the
//! rest is due.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::{PruneOptions, PruneReport, ReplacedPack};

use super::cursor::Cursor;
use super::pace::Pace;
use crate::console::failure::{BackendResult, Failure};
use crate::text::time;

/// A dry run trusts packs that were ever hashed whole: it deletes nothing, so it only looks whether
/// they exist. The prune itself reads them.
const TRUST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Prune {
    /// The dry run, and when it was asked for.
    known: Option<(Box<PruneReport>, Timestamp)>,
    pub(in crate::console) cursor: Cursor,
    /// When it is loaded.
    pub(in crate::console) pace: Pace,
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

    /// Takes a result. The cursor stays on its pack; on the first line, on that line.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Box<PruneReport>>,
        now: Timestamp,
    ) {
        let Some(began) = self.pace.end(now) else { return };
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

    /// The dry run, once it is loaded.
    pub(in crate::console) fn report(&self) -> Option<&PruneReport> {
        self.known.as_ref().map(|(report, _)| report.as_ref())
    }

    /// The dry run and when it was asked for, if it would delete packs.
    pub(in crate::console) fn deletable(&self) -> Option<(&PruneReport, Timestamp)> {
        let (report, asked_at) = self.known.as_ref()?;
        (report.packs_deleted > 0).then_some((report.as_ref(), *asked_at))
    }

    /// Why nothing can be deleted, and when the next pack can; none while nothing is known, or if a
    /// pack is due.
    pub(in crate::console) fn nothing_due(&self, now: Timestamp) -> Option<String> {
        let report = self.report().filter(|report| report.packs_deleted == 0)?;
        Some(match report.next_due {
            Some(at) if at > now => {
                format!("Nothing can be deleted yet; the next pack is due {}", time(at))
            }
            Some(_) => "Nothing could be deleted when the list was loaded; reload it".to_owned(),
            None => "Nothing can be deleted: no pack waits for it".to_owned(),
        })
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
    use crate::console::state::Ticket;
    use crate::console::tests::fake::{now, prune_report, replaced};

    fn loaded(packs: &[u8]) -> Prune {
        let mut prune = Prune::default();
        load(&mut prune, packs);
        prune
    }

    fn load(prune: &mut Prune, packs: &[u8]) {
        prune.pace.begin(Ticket(1), now());
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
    fn nothing_that_became_due_since_is_deleted() {
        let options = Prune::of_preview(now(), now() + 75.seconds());
        assert_eq!(options.grace, PruneOptions::default().grace + Duration::from_secs(75));
        assert!(!options.dry_run && options.trust_verified.is_zero());
    }
}
