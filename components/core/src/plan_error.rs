//! Why there is no plan.

use crate::id::{EntityId, Kind};
use crate::ports::{AccessError, Span};

/// A branch for which no head is led to by all the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BranchConflict {
    /// The branch.
    pub branch: String,
    /// The head that the repo has.
    pub stored: Option<EntityId>,
    /// The heads that the push gives, in the order of its packs.
    pub given: Vec<EntityId>,
}

/// Why there is no plan. Nothing was changed: the core changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")
)]
pub enum PlanError {
    /// A record is not what the format asks for.
    #[error("{kind} {id} at byte {} of pack {}: {reason} (at byte {offset})", .at.offset, .at.pack)]
    Malformed {
        /// What the record is.
        kind: Kind,
        /// What it is called.
        id: EntityId,
        /// Where it stands.
        at: Span,
        /// The byte at which it is wrong, from the pack's start.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// Two encodings of one entity disagree on what it reaches.
    #[error("two encodings of {kind} {id} disagree: {detail}")]
    Conflicting {
        /// What the entity is.
        kind: Kind,
        /// What it is called.
        id: EntityId,
        /// The one encoding.
        first: Span,
        /// The other.
        second: Span,
        /// Which field differs, and how.
        detail: String,
    },
    /// The index knows an entity that no pack of the repo gives.
    #[error("the index knows {kind} {id}, wanted by {wanted_by}, and no pack gives it")]
    Lost {
        /// What the entity is.
        kind: Kind,
        /// What it is called.
        id: EntityId,
        /// The record that refers to it.
        wanted_by: String,
    },
    /// Ids that were asked for and are no commits of the repo.
    #[error("the repo knows no commit {}", .0.first().map_or_else(String::new, EntityId::to_string))]
    UnknownWant(Vec<EntityId>),
    /// Branches whose heads do not follow from each other.
    #[error("branch `{}` has heads that do not lead to each other", .0.first().map_or("", |c| c.branch.as_str()))]
    HeadConflict(Vec<BranchConflict>),
    /// The host refused a call, or did not answer as its interface promises.
    #[error("the host refused a call: {0}")]
    Access(AccessError),
    /// Any other reason, which the host or the component states.
    #[error("{0}")]
    Other(String),
}

impl From<AccessError> for PlanError {
    /// [`AccessError::Other`] keeps its text.
    fn from(error: AccessError) -> PlanError {
        match error {
            AccessError::Other(text) => PlanError::Other(text),
            error => PlanError::Access(error),
        }
    }
}
