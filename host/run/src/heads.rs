//! A cache of the heads of directories.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use packhouse_model::names::MpackKey;
use packhouse_pack::directory::DirectoryHead;

/// Bytes of memory for heads of directories in a process.
pub const HEADS_BYTES: usize = 32 << 20;

/// Heads of directories that were read, by pack: the least recently used are dropped. A process has
/// one; its runs share it.
#[derive(Debug)]
pub struct DirectoryHeads {
    budget: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    heads: HashMap<MpackKey, (Arc<DirectoryHead>, u64)>,
    by_use: BTreeMap<u64, MpackKey>,
    uses: u64,
    bytes: usize,
    /// Packs whose directories were rebuilt.
    rebuilt: HashSet<MpackKey>,
}

impl Default for DirectoryHeads {
    fn default() -> DirectoryHeads {
        DirectoryHeads::new(HEADS_BYTES)
    }
}

impl DirectoryHeads {
    /// A cache of at most this many bytes.
    pub fn new(budget: usize) -> DirectoryHeads {
        DirectoryHeads { budget, state: Mutex::default() }
    }

    /// No panic leaves it half changed: it is only moved in and out.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a pack's directory, if it is cached.
    pub(crate) fn get(&self, key: &MpackKey) -> Option<Arc<DirectoryHead>> {
        let mut state = self.state();
        let head = state.remove(key)?;
        state.insert(*key, head.clone());
        Some(head)
    }

    /// Caches a head.
    pub(crate) fn put(&self, key: MpackKey, head: Arc<DirectoryHead>) {
        let mut state = self.state();
        state.remove(&key);
        state.insert(key, head);
        while state.bytes > self.budget
            && let Some((_, oldest)) = state.by_use.first_key_value()
        {
            let oldest = *oldest;
            state.remove(&oldest);
        }
    }

    /// Drops the head of a pack's directory, which is written again.
    pub fn forget(&self, key: &MpackKey) {
        self.state().remove(key);
    }

    /// Notes that the directory of a pack was rebuilt: another time would give the same.
    pub(crate) fn note_rebuilt(&self, key: MpackKey) {
        self.state().rebuilt.insert(key);
    }

    /// Whether the directory of a pack was rebuilt.
    pub(crate) fn was_rebuilt(&self, key: &MpackKey) -> bool {
        self.state().rebuilt.contains(key)
    }
}

impl State {
    fn insert(&mut self, key: MpackKey, head: Arc<DirectoryHead>) {
        self.uses += 1;
        self.bytes += head.memory();
        self.by_use.insert(self.uses, key);
        self.heads.insert(key, (head, self.uses));
    }

    fn remove(&mut self, key: &MpackKey) -> Option<Arc<DirectoryHead>> {
        let (head, used) = self.heads.remove(key)?;
        self.by_use.remove(&used);
        self.bytes -= head.memory();
        Some(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packhouse_pack::Directory;

    #[test]
    fn the_least_recently_used_heads_are_dropped() {
        let key = |n| MpackKey::new([n; 32]);
        let head = |n| {
            let file = Directory::new(key(n), 0, &[]).to_file();
            Arc::new(DirectoryHead::of(key(n), file.into()).unwrap())
        };
        let cache = DirectoryHeads::new(3 * head(1).memory());
        (1..=3).for_each(|n| cache.put(key(n), head(n)));
        cache.put(key(3), head(3));
        assert!(cache.get(&key(1)).is_some(), "it is used");
        cache.put(key(4), head(4));
        let cached = [1, 2, 3, 4].map(|n| cache.get(&key(n)).is_some());
        assert_eq!(cached, [true, false, true, true]);
        cache.forget(&key(1));
        assert!(cache.get(&key(1)).is_none());
        assert!(!cache.was_rebuilt(&key(1)), "no one said so");
        cache.note_rebuilt(key(1));
        assert!(cache.was_rebuilt(&key(1)));
    }
}
