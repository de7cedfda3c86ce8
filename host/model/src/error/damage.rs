//! What is missing or damaged.

use packhouse_core::{EntityId, Kind};

use crate::names::{MpackKey, RepoName};

/// What is missing or damaged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamageError {
    /// A pack that the catalog lists is not in storage.
    #[error(
        "pack {key} of repo `{repo}` is not in storage ({place}). Push the same bytes again, or run: packhouse verify --repair {repo}; or restore the file from a backup, then run: packhouse verify {repo}"
    )]
    MissingPack {
        /// The pack.
        key: MpackKey,
        /// The repo that needs it.
        repo: RepoName,
        /// Where it should be.
        place: String,
    },

    /// A stored pack has changed.
    #[error(
        "pack {key} of repo `{repo}` is damaged: {detail}. Nothing was changed. Push the same bytes again, or run: packhouse verify --repair {repo}; or restore {place} from a backup, then run: packhouse verify {repo}"
    )]
    DamagedPack {
        /// The pack.
        key: MpackKey,
        /// The repo that needs it.
        repo: RepoName,
        /// Where it is.
        place: String,
        /// What is wrong, with the record and the byte.
        detail: String,
    },

    /// An entity is in the index, but in no pack.
    #[error(
        "repo `{repo}` has lost {kind} {id}: it is in the index, but in no pack (wanted by {wanted_by}). Run: packhouse verify --repair {repo}; or push it again, or restore its packs from a backup"
    )]
    Lost {
        /// The repo.
        repo: RepoName,
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: EntityId,
        /// What refers to it.
        wanted_by: String,
    },

    /// The catalog is damaged.
    #[error("the catalog {catalog} is damaged, as {doing} showed: {reason}")]
    DamagedCatalog {
        /// The catalog.
        catalog: String,
        /// The operation.
        doing: String,
        /// The database's error, and the way out.
        reason: String,
    },
}
