//! How the line to a server is.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

/// How the line to a server is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Since when it is down, and why; none: it is up, or nobody has asked yet.
    pub down: Option<(Timestamp, String)>,
    /// How long the last question and its answer took.
    pub latency: Option<Duration>,
    /// When the server was last heard.
    pub heard_at: Option<Timestamp>,
}

/// Whoever asks tells here what came of it.
#[derive(Debug)]
pub(super) struct Lineman(watch::Sender<Line>);

impl Lineman {
    pub(super) fn new() -> Lineman {
        Lineman(watch::Sender::new(Line::default()))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Line> {
        self.0.subscribe()
    }

    /// The server was heard; as the answer to a question, after so long.
    pub(super) fn heard(&self, at: Timestamp, latency: Option<Duration>) {
        self.0.send_modify(|line| {
            line.down = None;
            line.heard_at = Some(at);
            line.latency = latency.or(line.latency);
        });
    }

    /// The server could not be asked.
    pub(super) fn lost(&self, at: Timestamp, why: &str) {
        self.0.send_modify(|line| match &mut line.down {
            // It has been down since then, perhaps for another reason by now.
            Some((_, before)) => why.clone_into(before),
            None => line.down = Some((at, why.to_owned())),
        });
    }
}
