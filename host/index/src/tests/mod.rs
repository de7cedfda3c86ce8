//! Runs as a whole: written, read, looked up, merged, and damaged.

mod damage;
mod memory;
mod merging;
mod trees;
