//! Values that requests with the same key share, as long as one of them holds it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The value of a key, made if no one holds it.
pub fn shared<K: Clone + Eq + Hash, T>(
    all: &Mutex<HashMap<K, Weak<T>>>,
    key: &K,
    make: impl FnOnce() -> Arc<T>,
) -> Arc<T> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|_, one| one.strong_count() > 0);
    if let Some(one) = all.get(key).and_then(Weak::upgrade) {
        return one;
    }
    let one = make();
    all.insert(key.clone(), Arc::downgrade(&one));
    one
}
