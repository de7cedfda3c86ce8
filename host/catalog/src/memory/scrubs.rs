//! Leases of packs to those who read them.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::report::ScrubState;

use super::MemoryCatalog;
use super::state::State;
use crate::{PackRow, ScrubTask, Scrubs};

impl State {
    /// The packs on shelves, those first that were read longest ago.
    fn by_check(&self) -> Vec<&PackRow> {
        let mut packs: Vec<&PackRow> =
            self.packs.values().filter(|pack| self.is_held(&pack.key)).collect();
        packs.sort_unstable_by_key(|pack| (pack.last_check(), pack.id));
        packs
    }

    fn take_scrub(
        &mut self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Option<ScrubTask> {
        let is_free = |pack: &&&PackRow| {
            self.scrubs.get(&pack.key).is_none_or(|until| *until < now)
                && !self.damaged_packs.contains_key(&pack.key)
        };
        let packs = self.by_check();
        let pack = packs.iter().find(is_free).filter(|pack| pack.last_check() < verified_before)?;
        let task = ScrubTask { pack: (**pack).clone(), lease_until: until };
        self.scrubs.insert(task.pack.key, until);
        Some(task)
    }

    fn renew_scrub(&mut self, task: &ScrubTask, until: Timestamp) -> Option<ScrubTask> {
        let key = &task.pack.key;
        if !self.is_held(key) || self.scrubs.get(key) != Some(&task.lease_until) {
            return None;
        }
        self.scrubs.insert(*key, until);
        Some(ScrubTask { lease_until: until, ..task.clone() })
    }
}

#[async_trait]
impl Scrubs for MemoryCatalog {
    async fn take_scrub(
        &self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ScrubTask>> {
        Ok(self.write().take_scrub(now, verified_before, until))
    }

    async fn renew_scrub(&self, task: &ScrubTask, until: Timestamp) -> Result<Option<ScrubTask>> {
        Ok(self.write().renew_scrub(task, until))
    }

    async fn scrub_state(&self, verified_before: Timestamp) -> Result<ScrubState> {
        let state = self.read();
        let packs = state.by_check();
        let due = packs.iter().filter(|pack| pack.last_check() < verified_before).count() as u64;
        Ok(ScrubState { oldest: packs.first().map(|pack| pack.last_check()), due })
    }
}
