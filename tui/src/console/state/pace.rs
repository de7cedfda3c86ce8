//! When something that is expensive to load is loaded again: if the store has changed, but not for more
//! than a small part of the time.

use jiff::Timestamp;

use super::ticket::Ticket;

/// Time between two loads, in milliseconds, at least; and how much longer than a load it is.
const PAUSE: u64 = 2000;
const TIMES: u64 = 10;

/// The pending load and the last one.
#[derive(Debug, Default)]
pub(in crate::console) struct Pace {
    /// The pending request, and when it began.
    loading: Option<(Ticket, Timestamp)>,
    /// When the last request ended, and how many milliseconds it took.
    read: Option<(Timestamp, u64)>,
    /// Whether the store may have changed since.
    stale: bool,
}

impl Pace {
    /// Begins a load.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket, now: Timestamp) {
        (self.loading, self.stale) = (Some((ticket, now)), false);
    }

    /// Ends the load. Returns when it began; none: there was none.
    pub(in crate::console) fn end(&mut self, now: Timestamp) -> Option<Timestamp> {
        let (_, began) = self.loading.take()?;
        self.read = Some((now, u64::try_from(now.duration_since(began).as_millis()).unwrap_or(0)));
        Some(began)
    }

    /// Ends a load that has failed, as if it had not been tried.
    pub(in crate::console) fn give_up(&mut self) {
        self.loading = None;
    }

    /// The store may have changed.
    pub(in crate::console) fn outdate(&mut self) {
        self.stale = true;
    }

    /// What is loaded is out of date, and is to be loaded again at once.
    pub(in crate::console) fn expire(&mut self) {
        (self.stale, self.read) = (true, None);
    }

    /// Whether to load again.
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
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::console::tests::fake::now;

    #[test]
    fn a_store_that_changes_all_the_time_is_read_for_a_tenth_of_it() {
        let at = |seconds: i64| now() + seconds.seconds();
        let mut pace = Pace::default();
        pace.begin(Ticket(1), now());
        assert_eq!((pace.end(at(1)), pace.end(at(1))), (Some(now()), None));
        assert!(!pace.is_due(at(99)), "nothing has changed");
        pace.outdate();
        assert_eq!((pace.is_due(at(10)), pace.is_due(at(11))), (false, true));
        pace.expire();
        assert!(pace.is_due(at(1)));
        pace.begin(Ticket(2), at(1));
        pace.outdate();
        assert!(!pace.is_due(at(99)), "it is being loaded");
    }
}
