//! What an error means: its class, and what it says of disks and callers.

use super::{DamageError, Error, PushError, TapeError};

/// What an error means for the store and for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused or failed; nothing changed.
    Refused,
    /// The arguments are wrong.
    Usage,
    /// Another writer was there first; safe to retry.
    Conflict,
    /// The store is damaged.
    Damage,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 4] = [Class::Refused, Class::Usage, Class::Conflict, Class::Damage];

    /// The class with this name; `Refused` for an unknown name.
    pub fn named(name: &str) -> Class {
        Class::ALL.into_iter().find(|class| class.as_str() == name).unwrap_or(Class::Refused)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Refused => "refused",
            Class::Usage => "usage",
            Class::Conflict => "conflict",
            Class::Damage => "damage",
        }
    }
}

impl Error {
    /// The [`Error::code`] of damage that the catalog remembers of a repo until it is repaired: a
    /// pack or a record that is missing or damaged.
    pub const DAMAGE_CODE: &str = "damage";

    /// A code of the error for what outlives it: [`Error::DAMAGE_CODE`]; `damaged-catalog`;
    /// `remote-damage` of another server; `diverged` of a tape; or its class. The catalog keeps it: codes
    /// never change their meaning.
    pub fn code(&self) -> &'static str {
        use DamageError::{DamagedCatalog, DamagedPack, Lost, MissingPack};
        match self {
            Error::Damage(MissingPack { .. } | DamagedPack { .. } | Lost { .. }) => {
                Error::DAMAGE_CODE
            }
            Error::Damage(DamagedCatalog { .. }) => "damaged-catalog",
            Error::PruneUnfinished { cause, .. } => cause.code(),
            // Repairs of this store don't heal these.
            Error::Remote { class: Class::Damage, .. } => "remote-damage",
            Error::Tape(TapeError::Diverged(_)) => "diverged",
            other => other.class().as_str(),
        }
    }

    /// What the error means for the store and for the caller.
    pub fn class(&self) -> Class {
        match self {
            Error::Usage(_) | Error::Name(_) => Class::Usage,
            Error::PruneUnfinished { cause, .. } => cause.class(),
            Error::Remote { class, .. } => *class,
            Error::Push(PushError::HeadConflict(_))
            | Error::Busy { .. }
            | Error::LeaseLost { .. }
            | Error::RequestsFull { .. }
            | Error::PlanChanged(_)
            | Error::Catalog { busy: true, .. } => Class::Conflict,
            Error::Damage(_) | Error::Tape(TapeError::Diverged(_)) => Class::Damage,
            _ => Class::Refused,
        }
    }

    /// Whether a file, folder or database is read-only.
    pub fn is_read_only(&self) -> bool {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_read_only(),
            Error::Catalog { read_only, .. } => *read_only,
            Error::Io { source, .. } => {
                matches!(source.kind(), ReadOnlyFilesystem | PermissionDenied)
            }
            _ => false,
        }
    }

    /// Whether a disk is full.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_full(),
            Error::Catalog { full, .. } => *full,
            Error::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }

    /// Whether the caller cancelled it, be it after something was done.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_cancelled(),
            error => matches!(error, Error::Cancelled),
        }
    }
}
