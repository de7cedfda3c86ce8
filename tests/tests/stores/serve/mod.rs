//! `packhouse serve`, spoken to by a client that knows nothing but the protocol.

mod access;
mod answer_attacks;
mod answers;
pub(crate) mod by_hand;
mod crowd;
mod elsewhere;
pub(crate) mod history;
mod journey;
mod pushes;
mod releases;
mod revoked;
mod ways_out;
mod with_muse;
