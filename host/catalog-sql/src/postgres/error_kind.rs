//! The meaning of errors of Postgres, and what to do about them.

use super::ErrorKind;
use crate::engine::RESTORE;

/// What to do if a pooler gives each transaction another session.
pub(super) const POOLER: &str = ". A connection pooler in transaction mode (PgBouncer) causes this: use pool_mode = session, or name the server itself in --database";

/// The meaning of an error.
pub(super) fn error_kind(error: &sqlx::Error) -> ErrorKind {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match (code.as_ref(), error) {
        // A deadlock: the other transaction has continued.
        ("40001" | "40P01", _) => ErrorKind {
            busy: true,
            again: true,
            way_out: ". Another process is writing: try again",
            ..ErrorKind::default()
        },
        // Two workers took consolidations of one repo: the second tries again. (No other conflict
        // exists.)
        ("23505", _) => ErrorKind { busy: true, again: true, way_out: "", ..ErrorKind::default() },
        ("55P03", _) => ErrorKind {
            busy: true,
            again: false,
            way_out: ". Another process is writing: try again",
            ..ErrorKind::default()
        },
        ("53300", _) => ErrorKind {
            busy: true,
            again: false,
            way_out: ". Raise max_connections of the server, or run fewer workers",
            ..ErrorKind::default()
        },
        ("57P01" | "57P02" | "57P03", _) => ErrorKind {
            busy: true,
            again: false,
            way_out: ". The server is being restarted: try again",
            ..ErrorKind::default()
        },
        ("28P01" | "28000", _) => ErrorKind {
            way_out: ". Check the user and the password of --database",
            ..ErrorKind::default()
        },
        ("3D000", _) => ErrorKind {
            way_out: ". Create the database first: createdb NAME",
            ..ErrorKind::default()
        },
        ("42501", _) => ErrorKind {
            read_only: true,
            way_out: ". To write to it, the user needs SELECT, INSERT, UPDATE and DELETE on its tables; to create or migrate it, CREATE on its schema. Grant them, or name another user in --database",
            ..ErrorKind::default()
        },
        ("25006", _) => ErrorKind {
            read_only: true,
            way_out: ". The database is read-only: name the primary in --database; nothing was changed",
            ..ErrorKind::default()
        },
        ("53100", _) => ErrorKind {
            full: true,
            way_out: ". Free some space on the server and run it again; nothing was changed",
            ..ErrorKind::default()
        },
        ("XX001" | "XX002", _) => {
            ErrorKind { damaged: true, way_out: RESTORE, ..ErrorKind::default() }
        }
        // The prepared statements belong to another session, or to another client.
        ("26000" | "42P05" | "08P01", _) => ErrorKind { way_out: POOLER, ..ErrorKind::default() },
        (_, sqlx::Error::PoolTimedOut) => ErrorKind {
            busy: true,
            way_out: ". The server does not answer, or all connections are in use: try again",
            ..ErrorKind::default()
        },
        (_, sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => ErrorKind {
            busy: true,
            way_out: ". Check that the server is running, and that --database is right. Nothing was changed",
            ..ErrorKind::default()
        },
        _ => ErrorKind::default(),
    }
}

/// The meaning of an error of a commit. Unless the server says that it failed, the commit may have
/// happened.
pub(super) fn commit_error_kind(error: &sqlx::Error) -> ErrorKind {
    let known = match error.as_database_error().and_then(sqlx::error::DatabaseError::code) {
        // The session or the server was terminated.
        Some(code) => !code.starts_with("57P") && !code.starts_with("08"),
        None => false,
    };
    if known {
        return error_kind(error);
    }
    let way_out = ". The server did not confirm the commit, so it may or may not have happened: check before you run it again";
    ErrorKind { way_out, ..error_kind(error) }
}
