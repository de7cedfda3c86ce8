//! What can go wrong, with the name of the thing it went wrong with.

use crate::id::Id;

/// The outcome of a call of this client.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A snapshot.
    Snapshot,
    /// An object.
    Object,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kind::Commit => "commit",
            Kind::Snapshot => "snapshot",
            Kind::Object => "object",
        })
    }
}

/// Why a call failed. `request` is the path under the remote, or the whole URL of something that a
/// server pointed to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of a remote, or one from a server, is malformed.
    #[error("{url}: not a URL to speak to: {why}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token could be read in transit.
    #[error("{url}: a token is not sent over plain http, except to loopback")]
    TokenInTheClear {
        /// The remote.
        url: String,
    },
    /// The HTTP client could not be made.
    #[error("no HTTP client")]
    Client(#[source] reqwest::Error),
    /// The request did not get through, or its answer did not come whole.
    #[error("{request}: no whole answer")]
    Http {
        /// The request.
        request: String,
        /// What the HTTP client says.
        source: reqwest::Error,
    },
    /// The server answered with another status than 2xx.
    #[error("{request}: {status}: {detail}")]
    Refused {
        /// The request.
        request: String,
        /// The HTTP status.
        status: u16,
        /// `detail` of the answer, or the beginning of an answer that has none.
        detail: String,
    },
    /// The server points elsewhere. It is not followed: the token would go there too.
    #[error("{request}: a redirect to {location:?}, which is not followed")]
    Redirect {
        /// The request.
        request: String,
        /// The HTTP status; that of the last answer where a client that was handed in has followed
        /// it already.
        status: u16,
        /// Where to.
        location: String,
    },
    /// The answer is longer than the client reads.
    #[error("{request}: the answer is longer than {limit} bytes")]
    TooLarge {
        /// The request.
        request: String,
        /// How much is read, in bytes.
        limit: u64,
    },
    /// The answer is not what the protocol says it is.
    #[error("{request}: an answer that can't be read: {why}")]
    Answer {
        /// The request.
        request: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pack or a record of it has another shape than the format says.
    #[error("{what}: {why}")]
    Malformed {
        /// The pack or record.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bytes of an object are not those its id names.
    #[error("object {id}: its content has the id {found}")]
    WrongContent {
        /// What the pack says.
        id: Id,
        /// What the content says.
        found: Id,
    },
    /// The bytes of a downloaded pack are not those its key names.
    #[error("{url}: the bytes have the key sha256:{found}")]
    WrongKey {
        /// Where they come from.
        url: String,
        /// What the bytes say.
        found: Id,
    },
    /// Something refers to an id that is neither here nor in the pack.
    #[error("{kind} {id} is missing: {needed_by} refers to it")]
    Missing {
        /// What is missing.
        kind: Kind,
        /// Its id.
        id: Id,
        /// Which record, branch or tag needs it.
        needed_by: String,
    },
    /// Delta snapshots that depend on each other.
    #[error("snapshot {id} is its own ancestor")]
    Cycle {
        /// One of them.
        id: Id,
    },
    /// There is no such branch.
    #[error("no branch {name:?}")]
    NoBranch {
        /// Its name.
        name: String,
    },
}

impl Error {
    /// The HTTP status, where a server answered with one that is not 2xx.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Refused { status, .. } | Error::Redirect { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What the server says about a refusal.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Error::Refused { detail, .. } => Some(detail),
            _ => None,
        }
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl ToString) -> Self {
        Error::Malformed { what: what.into(), why: why.to_string() }
    }

    pub(crate) fn missing(kind: Kind, id: &Id, needed_by: impl Into<String>) -> Self {
        Error::Missing { kind, id: id.clone(), needed_by: needed_by.into() }
    }
}
