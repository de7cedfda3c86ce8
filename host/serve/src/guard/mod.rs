//! The checks that every request passes before it is handled.
//!
//! ```text
//! request ─▶ headers: Host, web pages ─▶ auth: address, token, rate ─▶ Caller
//!         ─▶ repo: does the caller have the scope, for which repo? ─▶ Authorized
//! ```

mod auth;
mod headers;
mod repo;

pub(super) use auth::authenticate;
pub(super) use repo::Authorized;
