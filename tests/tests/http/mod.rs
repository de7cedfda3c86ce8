//! `packhouse serve` and HTTP: connections, limits, malformed requests, attacks. The catalog has no
//! part in it, so one kind is enough.

#![allow(clippy::unwrap_used, missing_docs)]

mod attacks;
mod connections;
mod limits;
mod proxies;
mod refusals;
mod stopping;
