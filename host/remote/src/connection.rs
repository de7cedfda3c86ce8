//! How the line to a server is.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// How the line to a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Since when the server is unreachable, and why; none: it is reachable, or was not called yet.
    pub down: Option<(Timestamp, String)>,
    /// How long the last question and its answer took.
    pub latency: Option<Duration>,
    /// When the server was last heard.
    pub heard_at: Option<Timestamp>,
}

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

    /// The server was heard; as the answer to a question, after so long.
    pub(super) fn heard(&self, at: Timestamp, latency: Option<Duration>) {
        self.0.send_modify(|status| {
            status.down = None;
            status.heard_at = Some(at);
            status.latency = latency.or(status.latency);
        });
    }

    /// The server could not be asked.
    pub(super) fn lost(&self, at: Timestamp, why: &str) {
        self.0.send_modify(|status| match &mut status.down {
            // It has been down since then, perhaps for another reason by now.
            Some((_, before)) => why.clone_into(before),
            None => status.down = Some((at, why.to_owned())),
        });
    }
}
