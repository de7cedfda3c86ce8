//! The meaning of errors of SQLite, and what to do about them.

use super::ErrorKind;
use crate::engine::RESTORE;

/// Result codes of SQLite (the low byte of extended codes) for a disk that is full, or may be.
const FULL: u32 = 13;
/// A corrupt page, or a file that is not a database.
const CORRUPT: u32 = 11;
const NOT_A_DATABASE: u32 = 26;
/// The shared-memory file can't be enlarged.
const IOERR_SHMSIZE: u32 = 4874;
/// The result of a full disk or an exhausted quota on some file systems, and of a failing disk on
/// all.
const PERHAPS_FULL: [u32; 5] = [778, 1034, 1290, 1546, 5386];

/// The meaning of an error.
pub(super) fn error_kind(error: &sqlx::Error) -> ErrorKind {
    let extended = extended(error);
    let code = extended & 0xff;
    let busy =
        matches!(code, 5 | 6) || matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_));
    let full = matches!(extended, FULL | IOERR_SHMSIZE);
    let way_out = match code {
        _ if matches!(error, sqlx::Error::Io(_)) => ". Run it again",
        _ if busy => ". Another process is writing: try again",
        _ if full => ". The disk is full: free some space and run it again; nothing was changed",
        8 | 14 => {
            ". Its folder is missing, read-only or full: mount it writable, free some space, or use another --data folder"
        }
        10 if PERHAPS_FULL.contains(&extended) => {
            ". The disk is full or failed: check free space, quotas and the system log; nothing was changed"
        }
        10 => ". The disk failed: check the system log",
        CORRUPT | NOT_A_DATABASE => RESTORE,
        _ => "",
    };
    ErrorKind {
        busy,
        again: false,
        full,
        read_only: matches!(code, 8 | 14),
        damaged: matches!(code, CORRUPT | NOT_A_DATABASE),
        way_out,
    }
}

/// The meaning of an error of a commit. Its pages may have reached the disk before it failed: then
/// the next process that opens the catalog finds the commit.
pub(super) fn commit_error_kind(error: &sqlx::Error) -> ErrorKind {
    let error_kind = error_kind(error);
    match extended(error) & 0xff {
        10 if !error_kind.full => ErrorKind {
            way_out: ". The disk is full or failed, so the commit may or may not have happened: check before you run it again",
            ..error_kind
        },
        _ => error_kind,
    }
}

/// SQLite's extended result code; 0 for other errors.
pub(super) fn extended(error: &sqlx::Error) -> u32 {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Coded(u32);

    impl std::fmt::Display for Coded {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "code {}", self.0)
        }
    }

    impl std::error::Error for Coded {}

    impl sqlx::error::DatabaseError for Coded {
        fn message(&self) -> &'static str {
            "it failed"
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn a_full_disk_is_called_full_whatever_sqlite_calls_it() {
        let of = |code| error_kind(&sqlx::Error::Database(Box::new(Coded(code))));
        for code in [FULL, IOERR_SHMSIZE] {
            assert!(
                of(code).full && of(code).way_out.contains("The disk is full: free some space"),
                "{code}"
            );
        }
        for code in PERHAPS_FULL {
            assert!(!of(code).full && of(code).way_out.contains("full or failed"), "{code}");
        }
        assert!(
            of(266).way_out.contains("The disk failed") && !of(266).way_out.contains("full"),
            "reading needs no space"
        );
        assert!(of(8).read_only && of(14).read_only && of(1032).read_only && !of(13).read_only);
        for code in [CORRUPT, NOT_A_DATABASE, 267, 779] {
            assert!(of(code).damaged && of(code).way_out.contains("packhouse backup"), "{code}");
        }
        assert!(!of(1).damaged && !of(10).damaged);
        assert!(of(5).busy && of(261).busy && !of(13).busy);
    }

    #[test]
    fn of_a_commit_whose_pages_may_be_on_disk_it_is_not_said_that_nothing_was_changed() {
        let of = |code| commit_error_kind(&sqlx::Error::Database(Box::new(Coded(code))));
        assert!(
            of(1034).way_out.contains("may or may not")
                && !of(1034).way_out.contains("nothing was changed")
        );
        assert!(of(FULL).way_out.contains("nothing was changed"));
    }
}
