//! Locks: what publishes and what deletes exclude each other.

/// The purpose of a lock. The two exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Makes packs visible: stores them in the vault, then puts them on shelves. Shared.
    Publishing,
    /// Deletes packs that no shelf holds. Exclusive.
    Deleting,
}

impl LockMode {
    /// What its holder does, for messages.
    pub fn own(self) -> &'static str {
        match self {
            LockMode::Publishing => "publish packs",
            LockMode::Deleting => "delete packs",
        }
    }

    /// What the holders of the other mode do, for messages.
    pub fn other(self) -> &'static str {
        match self {
            LockMode::Publishing => "deletes packs",
            LockMode::Deleting => "publishes packs",
        }
    }
}

/// A held lock, until it is dropped or the process exits.
#[must_use = "it ends when it is dropped"]
#[derive(Debug)]
pub struct LockGuard(Vec<Box<dyn std::any::Any + Send + Sync>>);

impl LockGuard {
    /// A guard that holds the lock as long as `of` lives.
    pub fn new(of: impl Send + Sync + 'static) -> LockGuard {
        LockGuard(vec![Box::new(of)])
    }

    /// The same, with something that is dropped after it.
    pub fn along(mut self, with: impl Send + Sync + 'static) -> LockGuard {
        self.0.push(Box::new(with));
        self
    }

    /// The value that holds the lock, for the catalog that returned it.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.first()?.downcast_ref()
    }
}
