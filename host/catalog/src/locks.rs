//! Locks: what publishes and what deletes exclude each other.

/// What a lock is for. The two exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Makes packs visible: puts them into the vault, then on shelves. Many at once.
    Publishing,
    /// Deletes packs that no shelf holds. One alone.
    Deleting,
}

impl LockMode {
    /// What it is the right to do.
    pub fn own(self) -> &'static str {
        match self {
            LockMode::Publishing => "publish packs",
            LockMode::Deleting => "delete packs",
        }
    }

    /// What those do who are waited for.
    pub fn other(self) -> &'static str {
        match self {
            LockMode::Publishing => "deletes packs",
            LockMode::Deleting => "publishes packs",
        }
    }
}

/// The right to do it, until it is dropped. It ends with the process, too.
#[must_use = "it ends when it is dropped"]
#[derive(Debug)]
pub struct LockGuard(Vec<Box<dyn std::any::Any + Send + Sync>>);

impl LockGuard {
    /// Holds for as long as `of` lives.
    pub fn new(of: impl Send + Sync + 'static) -> LockGuard {
        LockGuard(vec![Box::new(of)])
    }

    /// The same, with something that is dropped after it.
    pub fn along(mut self, with: impl Send + Sync + 'static) -> LockGuard {
        self.0.push(Box::new(with));
        self
    }

    /// What it holds by, for the catalog that gave it.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.first()?.downcast_ref()
    }
}
