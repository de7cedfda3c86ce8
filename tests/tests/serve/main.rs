//! `packhouse serve`, spoken to by a client that knows nothing but the protocol.

mod access;
mod crowd;
mod history;
mod journey;
mod limits;
mod pushes;
mod stopping;
