//! What every adapter of a port must do, as functions that are run on each of them.

pub mod memory_vault;
pub mod vault;
