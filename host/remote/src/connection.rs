//! How the connection to a server is: kept up to date after each request.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_model::connection::ConnectionStatus;
use tokio::sync::watch;

/// Keeps the status up to date after each request.
#[derive(Debug)]
pub(super) struct ConnectionMonitor(watch::Sender<ConnectionStatus>);

impl ConnectionMonitor {
    pub(super) fn new() -> ConnectionMonitor {
        ConnectionMonitor(watch::Sender::new(ConnectionStatus::default()))
    }

    pub(super) fn watch(&self) -> watch::Receiver<ConnectionStatus> {
        self.0.subscribe()
    }

    /// The server has sent data; for a response, with the latency of the request.
    pub(super) fn heard(&self, at: Timestamp, latency: Option<Duration>) {
        self.0.send_modify(|status| {
            status.down = None;
            status.heard_at = Some(at);
            status.latency = latency.or(status.latency);
        });
    }

    /// The server could not be reached.
    pub(super) fn lost(&self, at: Timestamp, why: &str) {
        self.0.send_modify(|status| match &mut status.down {
            // It has been unreachable since then, perhaps for another reason by now.
            Some((_, before)) => why.clone_into(before),
            None => status.down = Some((at, why.to_owned())),
        });
    }
}
