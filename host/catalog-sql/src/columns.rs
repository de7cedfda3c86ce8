//! The columns of tables, by name.
//!
//! A process may add a column while others read: it migrates the catalog. What they prepared before
//! must give the same columns then. With `*` it does not: SQLite prepares such a statement again, the
//! driver finds more values in a row than it knows names of, and the list that it gives is empty.
//! Postgres refuses the statement.

/// Names with a prefix such as `r.`, with commas.
macro_rules! each_column {
    ($of:literal, $first:literal $(, $name:literal)* $(,)?) => {
        concat!($of, $first $(, ", ", $of, $name)*)
    };
}
pub(crate) use each_column;

/// Those of `repos`.
macro_rules! repo_columns {
    () => {
        $crate::columns::repo_columns!("")
    };
    ($of:literal) => {
        $crate::columns::each_column!(
            $of,
            "id",
            "repo_id",
            "owner",
            "slug",
            "visibility",
            "accepts_shallow",
            "default_branch",
            "created_at",
            "deleted_at",
            "pruned_at",
            "revision",
            "drops",
            "freshenings",
            "walk_floor",
            "packs",
            "commits",
            "snapshots",
            "objects",
            "tags",
            "bytes",
            "needed_bytes",
            "stored_bytes",
        )
    };
}
pub(crate) use repo_columns;

/// Those of `jobs`.
macro_rules! job_columns {
    ($of:literal) => {
        $crate::columns::each_column!(
            $of,
            "id",
            "repo",
            "type",
            "payload",
            "status",
            "attempt",
            "created_at",
            "run_at",
            "started_at",
            "finished_at",
            "worker",
            "fence",
            "lease_until",
            "reason",
            "error_code",
            "result",
            "traceparent",
        )
    };
}
pub(crate) use job_columns;

/// Those of `gc_runs`.
macro_rules! run_columns {
    () => {
        $crate::columns::run_columns!("")
    };
    ($of:literal) => {
        $crate::columns::each_column!(
            $of,
            "id",
            "repo",
            "finished_at",
            "outcome",
            "packs_before",
            "packs_after",
            "consolidated_key",
            "bytes_before",
            "bytes_after",
            "elapsed_ms",
            "component",
            "error",
            "error_code",
        )
    };
}
pub(crate) use run_columns;

/// Those of `releases`.
macro_rules! release_columns {
    () => {
        "tag, release_id, channel, is_draft, commit_id, body"
    };
}
pub(crate) use release_columns;

/// Those of `tokens`.
macro_rules! token_columns {
    () => {
        "id, name, scope, repos, hash, created_at, expires_at, revoked_at"
    };
}
pub(crate) use token_columns;
