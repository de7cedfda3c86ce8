//! How the connection to a server is.

use std::time::Duration;

use jiff::Timestamp;

/// How the connection to a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Since when the server is unreachable, and why; none: it is reachable, or was not called yet.
    pub down: Option<(Timestamp, String)>,
    /// How long the last request and its response took.
    pub latency: Option<Duration>,
    /// When the server was last heard.
    pub heard_at: Option<Timestamp>,
}

impl ConnectionStatus {
    /// Since when the server is unreachable; none while it is reachable.
    pub fn down_since(&self) -> Option<Timestamp> {
        self.down.as_ref().map(|(since, _)| *since)
    }
}
