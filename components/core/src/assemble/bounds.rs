//! How much a plan may read.

/// How much is read to plan an answer: bytes of snapshots that the client has, to find what need
/// not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of snapshots of the boundary and of haves; twice those of the sent commits, if that is more.
    pub near: u64,
    /// Of older ones; a sixteenth of what would be sent, if that is more. The last eighth of it is
    /// not begun.
    pub older: u64,
    /// Of older ones, however much would be sent.
    pub most: u64,
    /// Not bytes: ids that the index is asked to locate, however few rows the packs have.
    pub located: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { near: 16 << 20, older: 64 << 10, most: 64 << 20, located: 4096 }
    }
}
