//! Why a call to the store failed, as plain data: what the model keeps and tests compare. An
//! [`Error`] can be neither copied nor compared.

use std::fmt;

use packhouse_host::{Class, Error};

/// The result of a call to the store.
pub(super) type BackendResult<T> = Result<T, Failure>;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The kind of failure.
    pub(super) kind: FailureKind,
    /// The error and what to do. Untrusted text: escape it before drawing.
    pub(super) message: String,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Refused or failed; nothing changed.
    Refused,
    /// Another writer changed the repo; safe to retry.
    Conflict,
    /// The store is damaged.
    Damage,
    /// Cancelled by the operator.
    Cancelled,
    /// The store could not be reached; the outcome is unknown.
    Unreachable,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (&error, error.class()) {
            (error, _) if error.is_cancelled() => FailureKind::Cancelled,
            (Error::Unreachable { .. }, _) => FailureKind::Unreachable,
            (_, Class::Conflict) => FailureKind::Conflict,
            (_, Class::Damage) => FailureKind::Damage,
            (_, Class::Refused | Class::Usage) => FailureKind::Refused,
        };
        Failure { kind, message: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
