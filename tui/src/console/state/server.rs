//! The server behind a remote store: its load over the last minutes, from its own metrics.
//!
//! Metrics count since the start of the server. A sample is the difference between two polls; when
//! a counter falls, the server was restarted, and sampling begins anew.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use packhouse_host::report::ServerReport;

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Time between two polls, in milliseconds.
const POLL: i128 = 2000;
/// Samples that are kept: five minutes.
const SAMPLES: usize = 150;
/// Samples that latencies and shares are computed from: one minute.
const RECENT: usize = 30;

/// Requests that wait by design: their duration says nothing about the server.
const WAITING: &[&str] = &["/changes", "/events"];

/// What the metrics of a server counted since its start, and what runs now.
#[derive(Clone, Debug, Default, PartialEq)]
struct Counts {
    started_at: Option<Timestamp>,
    requests: f64,
    /// Those with a status of 500 or above.
    errors: f64,
    running: u64,
    /// Open connections; none: the server is older, and does not count them.
    connections: Option<u64>,
    received: f64,
    sent: f64,
    /// Requests by the upper limit of their duration, in milliseconds; the last has none. Each
    /// counts those of the limits before, too.
    buckets: BTreeMap<u64, f64>,
}

impl Counts {
    /// Reads metrics in the text format of OpenMetrics; what is unknown is skipped.
    fn read(text: &str) -> Counts {
        let mut counts = Counts::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let label = |name: &str| {
                let value = labels.split_once(&format!("{name}=\""))?.1;
                value.split_once('"').map(|(value, _)| value)
            };
            let waits =
                || label("route").is_some_and(|route| WAITING.iter().any(|it| route.ends_with(it)));
            match name {
                "packhouse_http_requests_total" => {
                    counts.requests += value;
                    let status = label("status").and_then(|status| status.parse::<u16>().ok());
                    if status.is_some_and(|status| status >= 500) {
                        counts.errors += value;
                    }
                }
                "packhouse_http_request_duration_seconds_bucket" if !waits() => {
                    let limit = label("le").and_then(|limit| limit.parse::<f64>().ok());
                    let limit = limit.filter(|limit| limit.is_finite());
                    let limit = limit.map_or(u64::MAX, |limit| (limit * 1000.0).round() as u64);
                    *counts.buckets.entry(limit).or_default() += value;
                }
                "packhouse_http_under_way" => counts.running = value as u64,
                "packhouse_http_connections" => counts.connections = Some(value as u64),
                "packhouse_http_received_bytes_total" => counts.received = value,
                "packhouse_http_sent_bytes_total" => counts.sent = value,
                "packhouse_http_start_time_seconds" => {
                    counts.started_at = Timestamp::from_second(value as i64).ok();
                }
                _ => {}
            }
        }
        counts
    }
}

/// Whether the metrics of a server that has answered requests say so: when it started, how many there
/// were, and how long they took.
#[cfg(test)]
pub(in crate::console) fn tells_its_load(metrics: &str) -> bool {
    let counts = Counts::read(metrics);
    let took = counts.buckets.values().any(|requests| *requests > 0.0);
    counts.started_at.is_some() && counts.requests > 0.0 && took
}

/// What happened between two polls.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::console) struct Sample {
    /// Requests in a thousand seconds.
    pub(in crate::console) requests: u64,
    /// Requests in progress at its end.
    pub(in crate::console) running: u64,
    /// Open connections at its end, if the server counts them.
    pub(in crate::console) connections: Option<u64>,
    /// Bytes per second.
    pub(in crate::console) received: u64,
    pub(in crate::console) sent: u64,
    /// Requests, and those that failed with a status of 500 or above.
    handled: f64,
    errors: f64,
    /// As in the counts, but in this time.
    buckets: BTreeMap<u64, f64>,
}

impl Sample {
    /// The difference; none if a counter has fallen, or no time has passed.
    fn between(before: &Counts, after: &Counts, milliseconds: i128) -> Option<Sample> {
        let risen = |before: f64, after: f64| (after >= before).then_some(after - before);
        let handled = risen(before.requests, after.requests)?;
        let errors = risen(before.errors, after.errors)?;
        let (received, sent) =
            (risen(before.received, after.received)?, risen(before.sent, after.sent)?);
        let bucket = |(limit, now): (&u64, &f64)| {
            Some((*limit, risen(before.buckets.get(limit).copied().unwrap_or(0.0), *now)?))
        };
        let buckets = after.buckets.iter().map(bucket).collect::<Option<_>>()?;
        if before.started_at != after.started_at || milliseconds <= 0 {
            return None;
        }
        let rate = |number: f64, per: f64| (number * per / milliseconds as f64).round() as u64;
        Some(Sample {
            requests: rate(handled, 1_000_000.0),
            running: after.running,
            connections: after.connections,
            received: rate(received, 1000.0),
            sent: rate(sent, 1000.0),
            handled,
            errors,
            buckets,
        })
    }

    /// A quantile of the durations in milliseconds, interpolated within its bucket; none without
    /// requests.
    fn quantile<'a>(samples: impl Iterator<Item = &'a Sample>, part: f64) -> Option<u64> {
        let mut sums: BTreeMap<u64, f64> = BTreeMap::new();
        for (limit, number) in samples.flat_map(|sample| &sample.buckets) {
            *sums.entry(*limit).or_default() += number;
        }
        let all = sums.values().copied().fold(0.0, f64::max);
        let sought = (all > 0.0).then_some(all * part)?;
        let (mut low, mut below) = (0, 0.0);
        for (limit, number) in sums {
            if number >= sought && limit == u64::MAX {
                return Some(low);
            }
            if number >= sought {
                let within = (sought - below) / (number - below).max(f64::MIN_POSITIVE);
                return Some(low + ((limit - low) as f64 * within).round() as u64);
            }
            (low, below) = (limit, number);
        }
        Some(low)
    }
}

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Server {
    /// The version of the server, once it is known.
    pub(in crate::console) version: Option<String>,
    /// The counts of the last poll, and when it ended.
    last: Option<(Timestamp, Counts)>,
    /// The oldest first.
    pub(in crate::console) samples: VecDeque<Sample>,
    /// Whether the server was restarted while it was watched.
    pub(in crate::console) restarted: bool,
    /// The pending request, and when the last one began.
    pub(in crate::console) loading: Option<Ticket>,
    asked_at: Option<Timestamp>,
    /// Why the last request failed. The samples stay.
    pub(in crate::console) failure: Option<Failure>,
    /// The first visible line.
    pub(in crate::console) top: Cursor,
}

impl Server {
    /// Whether it is time for another poll.
    pub(in crate::console) fn is_due(&self, now: Timestamp) -> bool {
        let passed = |at: Timestamp| now.duration_since(at).as_millis();
        self.loading.is_none() && self.asked_at.is_none_or(|at| passed(at) >= POLL)
    }

    /// It is time for a poll.
    pub(in crate::console) fn expire(&mut self) {
        self.asked_at = None;
    }

    /// Begins a poll.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket, now: Timestamp) {
        (self.loading, self.asked_at) = (Some(ticket), Some(now));
    }

    /// Begins anew when the screen is shown: nothing was sampled meanwhile.
    pub(in crate::console) fn clear(&mut self) {
        *self = Server { version: self.version.take(), ..Server::default() };
    }

    /// Takes a poll.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Option<Box<ServerReport>>>,
        now: Timestamp,
    ) {
        self.loading = None;
        let report = match answer {
            Ok(Some(report)) => report,
            Ok(None) => return,
            Err(failure) => {
                self.failure = Some(failure);
                return;
            }
        };
        let counts = Counts::read(&report.metrics);
        if let Some((then, before)) = &self.last {
            let passed = now.duration_since(*then).as_millis();
            match Sample::between(before, &counts, passed) {
                Some(sample) => self.samples.push_back(sample),
                None if passed <= 0 => {}
                None => {
                    self.samples.clear();
                    self.restarted = true;
                }
            }
        }
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        (self.last, self.failure) = (Some((now, counts)), None);
        self.version = Some(report.version);
    }

    /// When the server was started, if it says so.
    pub(in crate::console) fn started_at(&self) -> Option<Timestamp> {
        self.last.as_ref()?.1.started_at
    }

    fn recent(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().rev().take(RECENT)
    }

    /// Requests of the last minute, and how many of them failed with a status of 500 or above.
    pub(in crate::console) fn handled(&self) -> (u64, u64) {
        let sum = |of: fn(&Sample) -> f64| self.recent().map(of).sum::<f64>().round() as u64;
        (sum(|sample| sample.handled), sum(|sample| sample.errors))
    }

    /// A quantile of the durations of the last minute in milliseconds, without requests that wait
    /// by design; none without requests.
    pub(in crate::console) fn latency(&self, part: f64) -> Option<u64> {
        Sample::quantile(self.recent(), part)
    }

    /// The same of each sample, for a curve.
    pub(in crate::console) fn latencies(&self, part: f64) -> Vec<u64> {
        let one = |sample| Sample::quantile(std::iter::once(sample), part).unwrap_or(0);
        self.samples.iter().map(one).collect()
    }

    /// Failed requests of each sample, in a thousand of its requests.
    pub(in crate::console) fn errors(&self) -> Vec<u64> {
        let share = |sample: &Sample| match sample.handled {
            0.0 => 0,
            all => (sample.errors * 1000.0 / all).round() as u64,
        };
        self.samples.iter().map(share).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::console::tests::fake::{now, server_report};

    #[test]
    fn samples_are_differences_and_a_restart_begins_anew() {
        let mut server = Server::default();
        let mut poll = |seconds: i64, requests: u64, started: i64| {
            let at = now() + seconds.seconds();
            assert!(server.is_due(at));
            server.begin(Ticket(1), at);
            assert!(!server.is_due(at + 9.seconds()), "it is pending");
            server.take(Ok(Some(Box::new(server_report(requests, started)))), at);
            (server.samples.len(), server.samples.back().map(|sample| sample.requests))
        };
        assert_eq!(poll(0, 1000, 50), (0, None));
        assert_eq!(poll(2, 1100, 50), (1, Some(50_000)));
        assert_eq!(poll(4, 1100, 50), (2, Some(0)));
        assert_eq!(poll(6, 20, 99), (0, None), "the counter has fallen");
        assert_eq!(poll(8, 30, 99), (1, Some(5000)));
        assert_eq!(poll(10, 3000, 120), (0, None), "it was started again, and was fast");
        assert!(server.restarted && server.version.is_some());
        assert_eq!(server.started_at().unwrap().as_second(), 120);
        server.clear();
        assert!(server.is_due(now()) && server.started_at().is_none());
    }

    #[test]
    fn quantiles_and_shares_are_of_the_last_minute_without_requests_that_wait() {
        let mut server = Server::default();
        for poll in 0..3 {
            let report = server_report(1000 * poll, 50);
            server.take(Ok(Some(Box::new(report))), now() + (2 * poll as i64).seconds());
        }
        // Of 1,000 requests, 900 took up to 4 ms, 98 up to 64 ms, and 2 longer; 10 failed.
        assert_eq!(server.handled(), (2000, 20));
        assert_eq!(server.latency(0.5), Some(2));
        assert_eq!(server.latency(0.99), Some(59));
        assert_eq!(server.latency(1.0), Some(64), "the last bucket has no end");
        assert_eq!((server.errors(), server.latencies(0.5)), (vec![10, 10], vec![2, 2]));
        assert_eq!(Server::default().latency(0.5), None);
    }
}
