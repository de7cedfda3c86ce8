//! The store that the console needs.

use packhouse_host::{Contents, Inspect};

/// A store that can be inspected, and looked into.
pub(super) trait Backend: Inspect + Contents {}

impl<S: Inspect + Contents + ?Sized> Backend for S {}
