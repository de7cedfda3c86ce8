//! Connections: how many, how long they may be idle, and how slowly clients may read.
//!
//! ```text
//! accept ─▶ room? ─▶ TrackedStream: the socket, and what can end it ─▶ TLS ─▶ HTTP ─▶ TrackedService: requests under way, answers on their way
//!             │ none: the connection that has been idle for longest ends
//!             └ all are at work: a place of the reserve, where health is answered and all else with 503
//! ```
//!
//! One task checks all of them each second. It shuts down idle ones, and closes those that don't
//! react and those whose clients read too slowly: a response holds memory, an open file and a slot
//! as long as it is read.

mod accept;
mod connection;
mod registry;
mod response;
#[cfg(test)]
mod tests;

pub(super) use accept::ConnectionAcceptor;
pub(super) use registry::Connections;
pub(super) use response::count;
