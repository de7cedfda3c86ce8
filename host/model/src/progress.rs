//! How a verb reports progress, and how it is cancelled.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::{Error, Result};

/// What a verb is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading pushed files into staging, hashing them.
    Receive,
    /// Checking records and deciding heads.
    Index,
    /// The component plans.
    Plan,
    /// Copying records into the new pack, hashing and reading them back.
    Splice,
    /// Comparing what was written with the index.
    Prove,
    /// Making it visible.
    Publish,
    /// Reading and hashing stored packs.
    Verify,
    /// Deleting unused packs.
    Delete,
    /// Copying stored packs elsewhere, or linking them.
    Copy,
}

impl Phase {
    /// All of them.
    pub const ALL: [Phase; 9] = [
        Phase::Receive,
        Phase::Index,
        Phase::Plan,
        Phase::Splice,
        Phase::Prove,
        Phase::Publish,
        Phase::Verify,
        Phase::Delete,
        Phase::Copy,
    ];

    /// The one with that label.
    pub fn labelled(label: &str) -> Option<Phase> {
        Phase::ALL.into_iter().find(|phase| phase.label() == label)
    }

    /// A label for a progress bar.
    pub const fn label(self) -> &'static str {
        match self {
            Phase::Receive => "receiving",
            Phase::Index => "indexing",
            Phase::Plan => "planning",
            Phase::Splice => "splicing",
            Phase::Prove => "proving",
            Phase::Publish => "publishing",
            Phase::Verify => "verifying",
            Phase::Delete => "deleting",
            Phase::Copy => "copying",
        }
    }
}

/// A step forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `OWNER/SLUG`.
    pub repo: String,
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase.
    pub done: u64,
    /// Total bytes of this phase; 0 if unknown or not counted.
    pub total: u64,
}

/// Receives events, and can cancel the work. Cheap to clone; clones share their state.
#[derive(Clone)]
pub struct Progress {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    cancelled: watch::Sender<bool>,
    /// When the time is up, by a clock.
    deadline: Option<(Arc<dyn Clock>, Timestamp)>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

impl Progress {
    /// Passes every event to `sink`, which is called from worker threads and should return quickly.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Progress { sink: Arc::new(sink), cancelled: watch::Sender::new(false), deadline: None }
    }

    /// Without a sink.
    pub fn silent() -> Self {
        Progress::new(|_| {})
    }

    /// A part of the same work, whose events go to another sink. To cancel one is to cancel both.
    pub fn with_sink(&self, sink: impl Fn(Event) + Send + Sync + 'static) -> Progress {
        Progress { sink: Arc::new(sink), ..self.clone() }
    }

    /// The same work with a time limit: from `deadline` on, its steps fail with
    /// [`Error::OutOfTime`].
    pub fn until(&self, clock: Arc<dyn Clock>, deadline: Timestamp) -> Progress {
        Progress { deadline: Some((clock, deadline)), ..self.clone() }
    }

    /// Cancels the work at its next safe point. Nothing is published after that.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }

    /// Whether the work was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Waits until the work is cancelled.
    pub async fn cancelled(&self) {
        // This holds the sender.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// Passes on an event from elsewhere.
    pub fn emit(&self, event: Event) {
        (self.sink)(event);
    }

    /// Reports a step, and fails if the work was cancelled or its time is up.
    pub fn at(&self, repo: &str, phase: Phase, done: u64, total: u64) -> Result<()> {
        (self.sink)(Event { repo: repo.to_owned(), phase, done, total });
        match &self.deadline {
            _ if self.is_cancelled() => Err(Error::Cancelled),
            Some((clock, deadline)) if clock.now() >= *deadline => Err(Error::OutOfTime),
            _ => Ok(()),
        }
    }
}
