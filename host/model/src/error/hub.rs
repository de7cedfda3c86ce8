//! A MuseHub whose repos are imported.

use crate::text::escaped;

/// Why a MuseHub can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Its database failed, or can't be reached.
    #[error("the MuseHub database {place} failed while {doing}: {reason}")]
    Database {
        /// The database, without a password.
        place: String,
        /// The operation.
        doing: &'static str,
        /// The database's error.
        reason: String,
    },

    /// The database of another program.
    #[error(
        "the database {place} has no table `musehub_repos`: it is not that of a MuseHub. Check --hub-database"
    )]
    NotAHub {
        /// The database, without a password.
        place: String,
    },

    /// No such repo.
    #[error(
        "the MuseHub at {place} has no repo `{}`, or has deleted it; --all imports all of its repos",
        escaped(repo)
    )]
    UnknownRepo {
        /// The database, without a password.
        place: String,
        /// The name.
        repo: String,
    },

    /// A name that no repo of a store can have.
    #[error("repo `{}` of the MuseHub is left out: {reason}", escaped(repo))]
    BadName {
        /// The name.
        repo: String,
        /// Why it can't be one.
        reason: String,
    },

    /// An object was replaced or deleted while it was imported.
    #[error(
        "object {id} of `{repo}` changed in {place} during the import; its branches are as before. Run it again"
    )]
    ObjectChanged {
        /// The repo.
        repo: String,
        /// The object.
        id: String,
        /// Where its bytes are.
        place: String,
    },
}
