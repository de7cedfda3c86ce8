//! What an error of Postgres means, and what to do about it.

use super::Meaning;

/// What to do where a pooler gives each transaction another session.
pub(super) const POOLER: &str = ". This is what a pooler in transaction mode (PgBouncer) leads to: let it pool sessions (pool_mode = session), or name the server itself in --database";

/// What an error means.
pub(super) fn meaning(error: &sqlx::Error) -> Meaning {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match (code.as_ref(), error) {
        // Two transactions in each other's way: the other one has gone on.
        ("40001" | "40P01", _) => Meaning {
            busy: true,
            again: true,
            way_out: ". Another process is writing: try again",
            ..Meaning::default()
        },
        // Two workers took consolidations of one repo: whoever comes second looks again. (Nothing
        // else clashes.)
        ("23505", _) => Meaning { busy: true, again: true, way_out: "", ..Meaning::default() },
        ("55P03", _) => Meaning {
            busy: true,
            again: false,
            way_out: ". Another process is writing: try again",
            ..Meaning::default()
        },
        ("53300", _) => Meaning {
            busy: true,
            again: false,
            way_out: ". Raise max_connections of the server, or run fewer workers",
            ..Meaning::default()
        },
        ("57P01" | "57P02" | "57P03", _) => Meaning {
            busy: true,
            again: false,
            way_out: ". The server is being restarted: try again",
            ..Meaning::default()
        },
        ("28P01" | "28000", _) => Meaning {
            way_out: ". Check the user and the password of --database",
            ..Meaning::default()
        },
        ("3D000", _) => {
            Meaning { way_out: ". Make the database first: createdb NAME", ..Meaning::default() }
        }
        ("42501", _) => Meaning {
            read_only: true,
            way_out: ". To write to it, the user must own the database, or be granted CREATE on its schema",
            ..Meaning::default()
        },
        ("25006", _) => Meaning {
            read_only: true,
            way_out: ". The database can only be read: name the one that is written to in --database; nothing was changed",
            ..Meaning::default()
        },
        ("53100", _) => Meaning {
            full: true,
            way_out: ". Free some space on the server and run it again; nothing was changed",
            ..Meaning::default()
        },
        // Statements that were prepared are those of another session, or another client's.
        ("26000" | "42P05" | "08P01", _) => Meaning { way_out: POOLER, ..Meaning::default() },
        (_, sqlx::Error::PoolTimedOut) => Meaning {
            busy: true,
            way_out: ". The server does not answer, or all connections are in use: try again",
            ..Meaning::default()
        },
        (_, sqlx::Error::Io(_) | sqlx::Error::Tls(_)) => Meaning {
            busy: true,
            way_out: ". Is the server running, and does --database name it? Nothing was changed",
            ..Meaning::default()
        },
        _ => Meaning::default(),
    }
}

/// What it means when a commit is answered with it. Where the server does not say that it failed,
/// it may have been done.
pub(super) fn meaning_of_commit(error: &sqlx::Error) -> Meaning {
    let known = match error.as_database_error().and_then(sqlx::error::DatabaseError::code) {
        // The session or the server was ended.
        Some(code) => !code.starts_with("57P") && !code.starts_with("08"),
        None => false,
    };
    if known {
        return meaning(error);
    }
    let way_out = ". The server did not confirm it, and whether it was done is not known: look before you run it again";
    Meaning { way_out, ..meaning(error) }
}
