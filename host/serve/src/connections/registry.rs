//! All connections: their limit, and which ones are closed to make room for others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::super::address::client_network;
use super::super::limits::{RESERVED, ServeLimits};
use super::super::metrics::ConnectionCounts;
use super::super::proxy::Proxies;
use super::connection::Connection;

/// How often all connections are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

type Open = HashMap<u64, Arc<Connection>>;

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Mutex<Open>,
    next: AtomicU64,
    /// Their maximum number, without the reserve.
    most: usize,
    most_of_one: usize,
    idle: Duration,
    /// Minimum rate at which a client must read, in bytes per second.
    pub(super) slowest: u64,
    /// These may have any number of connections: they serve many clients.
    proxies: Proxies,
    counts: ConnectionCounts,
}

impl Connections {
    /// None yet. `counts` has those of all listeners that share it.
    pub(crate) fn new(
        limits: &ServeLimits,
        proxies: Proxies,
        counts: ConnectionCounts,
    ) -> Arc<Connections> {
        let most = limits.connections.max(1);
        Arc::new(Connections {
            open: Mutex::default(),
            next: AtomicU64::new(0),
            most,
            most_of_one: limits.connections_per_address.unwrap_or(most.div_ceil(2)).clamp(1, most),
            idle: limits.idle,
            slowest: limits.slowest.max(1),
            proxies,
            counts,
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. If there is no room for it, an idle one is closed; if none is idle, it
    /// gets a slot of the reserve.
    pub(super) fn admit(&self, peer: SocketAddr) -> Arc<Connection> {
        let from = client_network(peer.ip());
        let mut open = self.open();
        let before = open.len();
        let reserved = !self.make_room(&mut open, peer.ip(), from);
        if reserved {
            make_reserve(&mut open);
        }
        let connection = Connection::new(self.next_number(), from, reserved);
        open.insert(connection.number, connection.clone());
        self.counts.accepted.inc();
        self.counts.open.inc_by(open.len() as i64 - before as i64);
        connection
    }

    /// Whether there is room for one more from an address.
    fn make_room(&self, open: &mut Open, peer: IpAddr, from: IpAddr) -> bool {
        let regular = |connection: &&Arc<Connection>| !connection.reserved;
        let of_one =
            |connection: &&Arc<Connection>| connection.from == from && !connection.reserved;
        let one_has_all =
            !self.proxies.trusts(peer) && open.values().filter(of_one).count() >= self.most_of_one;
        if one_has_all && !shed(open, of_one) {
            return false;
        }
        open.values().filter(regular).count() < self.most || shed(open, regular)
    }

    /// The next number, of a connection or of a response.
    pub(super) fn next_number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Removes a closed connection.
    pub(super) fn remove(&self, number: u64) {
        if self.open().remove(&number).is_some() {
            self.counts.open.dec();
        }
    }

    /// Periodically checks all connections.
    pub(crate) async fn watch(self: Arc<Self>) -> Infallible {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            self.check(Instant::now());
        }
    }

    pub(super) fn check(&self, now: Instant) {
        let all: Vec<_> = self.open().values().cloned().collect();
        for connection in all {
            if connection.should_end(now, self.idle) {
                connection.end.cancel();
            }
        }
    }
}

/// Frees a slot of the reserve: the newest connections are most likely to be served at once, so the
/// oldest one is closed.
fn make_reserve(open: &mut Open) {
    let reserved = open.values().filter(|connection| connection.reserved);
    let numbers: Vec<u64> = reserved.map(|connection| connection.number).collect();
    if let (true, Some(first)) = (numbers.len() >= RESERVED, numbers.iter().min()) {
        open.remove(first).inspect(|connection| connection.end.cancel());
    }
}

/// Of some connections, closes the one that has been idle for longest; returns whether there was
/// one.
fn shed(open: &mut Open, of: impl Fn(&&Arc<Connection>) -> bool) -> bool {
    let idle = open
        .values()
        .filter(of)
        .filter_map(|connection| Some((connection.idle_since()?, connection.number)));
    match idle.min() {
        None => false,
        Some((_, number)) => {
            open.remove(&number).inspect(|connection| connection.end.cancel());
            true
        }
    }
}
