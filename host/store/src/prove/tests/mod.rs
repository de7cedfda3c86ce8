//! The proof of an answer, over repos in memory.

mod answers;
mod history;
mod repo;
mod walks;

use packhouse_core::{EntityId, Form};

pub(super) use repo::{Entity, MemoryRepo};

/// The id of a number.
fn id(number: u64) -> EntityId {
    let mut digest = [0; 32];
    // Ids come in another order than their numbers.
    digest[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    digest[24..].copy_from_slice(&number.to_be_bytes());
    EntityId::new(Form::Bare, digest)
}
