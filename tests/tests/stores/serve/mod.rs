//! `packhouse serve`, spoken to by a client that knows nothing but the protocol.

mod access;
mod answer_attacks;
mod answers;
mod attacks;
mod connections;
mod crowd;
mod elsewhere;
mod history;
mod journey;
mod limits;
mod proxies;
mod pushes;
mod refusals;
mod releases;
mod revoked;
mod stopping;
mod ways_out;
mod with_muse;
