//! What the line to a store that is elsewhere means for what is known: while it is down, all stays
//! as it was last heard.

use super::{Model, Run};
use crate::console::backend::{Failure, FailureKind};
use crate::console::msg::Effect;

/// Said of all that can't go on before the line is back, or of which that can't be known.
pub(in crate::console) const RECONNECTING: &str = "waiting for the line";

impl Model {
    /// Whether the line to the store is down.
    pub(in crate::console) fn is_disconnected(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.down_since().is_some())
    }

    /// Takes note that a reading failed. True if it did for no other reason than that the line is
    /// down: that says nothing about the store, so what was read before stays as it is, and is read
    /// again as soon as it can be.
    pub(in crate::console) fn misses(&mut self, failure: &Failure) -> bool {
        let unreachable = failure.kind == FailureKind::Unreachable;
        self.missed |= unreachable;
        unreachable && self.is_disconnected()
    }

    /// Reads again all that the operator sees, and watches the store again.
    pub(in crate::console) fn catch_up(&mut self) -> Vec<Effect> {
        self.missed = false;
        let mut effects = self.refresh();
        effects.extend(self.watch_again());
        effects
    }

    /// Goes on to watch the store, if that has ended.
    pub(in crate::console) fn watch_again(&mut self) -> Option<Effect> {
        std::mem::take(&mut self.unwatched).then_some(Effect::Watch(self.stamp))
    }

    /// Where work is, in a few words; while the line is down, only that it waits: the last step is
    /// told where there is room to say how old it is.
    pub(in crate::console) fn step_words(&self, run: &Run) -> Option<String> {
        if run.is_running() && self.is_disconnected() {
            Some(RECONNECTING.to_owned())
        } else {
            run.step_words()
        }
    }
}
