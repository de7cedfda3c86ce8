//! A store as a Muse remote, and its admin API.
//!
//! ```text
//! /{owner}/{slug}/…          the protocol of Muse clients        mwp
//! /{owner}/{slug}/packs/KEY  packs, by signed URLs that expire   packs
//! /{owner}/{slug}/fetch/ETAG answers to fetches, the same way    answers
//! /admin/v1/…                every verb, for consoles and CLIs   admin
//! /health /healthz /readyz /metrics                              health
//! ```
//!
//! Every request passes `guard` first: authentication and rate limits. Every error is JSON
//! (`json_errors`), and the rest of a refused body is read (`drain`), so that clients get the
//! reason. Only this folder names axum.
//!
//! Imports go one way, from the server down to the parts, which don't import anything above them:
//!
//! ```text
//! server      listener ▸ connections
//!   router    request_id, drain, json_errors
//!     routes  mwp, admin, packs, answers, health
//!       guard, body, ranges            who may do what, with the state that all requests share
//!         state
//!           parts: runs, permits, tasks, body_memory, rate_limit, metrics, readiness, signed, proxy
//!             problem, limits, decode, negotiation, permission, revocation, address
//! ```

mod address;
mod admin;
mod answers;
mod bearers;
mod body;
mod body_memory;
mod connections;
mod decode;
mod drain;
mod guard;
mod health;
mod hub_tokens;
mod json_errors;
mod limits;
mod listener;
mod metrics;
mod mwp;
mod negotiation;
mod open_files;
mod options;
mod packs;
mod permission;
mod permits;
mod problem;
mod proxy;
mod ranges;
mod rate_limit;
mod readiness;
mod request_id;
mod revocation;
mod router;
mod runs;
mod server;
mod signed;
mod state;
mod tasks;
#[cfg(test)]
mod testing;

pub use address::Network;
pub use limits::ServeLimits;
pub use open_files::OpenFiles;
pub use options::{HubTokenFiles, ServeOptions, TlsFiles};
pub use server::Server;
