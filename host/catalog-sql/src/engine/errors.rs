//! What errors of a database mean.

use packhouse_model::error::{DamageError, Error};

/// The meaning of an error of a database.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ErrorKind {
    /// Another writer caused it.
    pub(crate) busy: bool,
    /// The same transaction would succeed if retried at once.
    pub(crate) again: bool,
    /// The disk is full.
    pub(crate) full: bool,
    /// It is read-only.
    pub(crate) read_only: bool,
    /// It is damaged.
    pub(crate) damaged: bool,
    /// What to do about it, as the end of a sentence.
    pub(crate) way_out: &'static str,
}

/// The text of an error, without the line of the server's source code.
pub(crate) fn without_line(error: &impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some((said, line)) = text.rsplit_once(" at line ")
        && line.bytes().all(|byte| byte.is_ascii_digit())
    {
        text.truncate(said.len());
    }
    text
}

/// What to do about a damaged catalog, as the end of a sentence.
pub(crate) const RESTORE: &str = ". Restore the catalog from a backup (made with packhouse backup), then run: packhouse verify. Keep the damaged one until that is done";

impl ErrorKind {
    /// The error of a catalog, with its location and the operation.
    pub(crate) fn of(self, error: &sqlx::Error, place: &str, doing: &str) -> Error {
        let (catalog, doing) = (place.to_owned(), doing.to_owned());
        // A row with a value that packhouse never writes.
        if let sqlx::Error::Decode(inner) = error
            && let Some(Error::Damage(DamageError::DamagedCatalog { reason, .. })) =
                inner.downcast_ref()
        {
            return Error::Damage(DamageError::DamagedCatalog {
                catalog,
                doing,
                reason: reason.clone(),
            });
        }
        let reason = format!("{}{}", without_line(error), self.way_out);
        if self.damaged {
            return Error::Damage(DamageError::DamagedCatalog { catalog, doing, reason });
        }
        Error::Catalog {
            catalog,
            doing,
            reason,
            busy: self.busy,
            read_only: self.read_only,
            full: self.full,
        }
    }
}
