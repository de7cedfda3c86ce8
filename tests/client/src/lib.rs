//! A small Muse client for tests, written from the protocol page alone.
//!
//! Nothing of the server is used here, on purpose: where the two of them read the protocol
//! differently, a test fails. In reading order: [`Id`] and the formulas that make ids, the records
//! ([`Commit`], [`Snapshot`], [`Object`], [`Tag`]), which are kept as the bytes they came in, the
//! [`Pack`] they travel in, the [`Local`] repository that makes and holds them, and the [`Remote`]
//! that speaks to a server. [`Local::push`], [`Local::pull`] and [`Local::clone_from`] are whole
//! conversations; every request of the protocol is also there alone.

mod answer;
mod download;
mod error;
mod fetch;
mod history;
mod id;
mod local;
mod pack;
mod push;
mod record;
mod remote;
mod requests;
mod take_in;
#[cfg(test)]
mod tests;
mod wire;

pub use answer::{
    Branches, Direction, FetchedMpack, Missing, Negotiated, Presigned, Pushed, Stored, TagsStored,
};
pub use error::{Error, Kind, Result};
pub use fetch::{Fetching, Pulled};
pub use id::{Id, commit_id, object_id, snapshot_id};
pub use local::{Files, Form, Local};
pub use pack::Pack;
pub use push::Report;
pub use record::{Commit, NewCommit, Object, Snapshot, Tag, Tree};
pub use remote::{ANSWER_LIMIT, Remote};
pub use requests::Upload;
