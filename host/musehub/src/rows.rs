//! What is read from the tables of a MuseHub.

use std::collections::HashSet;
use std::result::Result as StdResult;

use futures::TryStreamExt;
use packhouse_model::error::Result;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};

use crate::database::{Hub, HubRepo};

/// SQL: a time in UTC, with microseconds.
macro_rules! utc {
    ($column:literal) => {
        concat!("to_char(", $column, " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')")
    };
}

/// A row, with a field for each column.
macro_rules! row {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name {
            $($(#[$field_doc])* pub(crate) $field: $type,)*
        }

        impl FromRow<'_, PgRow> for $name {
            fn from_row(row: &PgRow) -> StdResult<Self, sqlx::Error> {
                Ok($name { $($field: row.try_get(stringify!($field))?,)* })
            }
        }
    };
}

/// One state of a MuseHub's database.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) hub: &'a Hub,
    pub(crate) connection: PgConnection,
}

row!(
    /// A commit of the graph, as the database has it.
    GraphRow {
        commit_id: String,
        repo_id: String,
        snapshot_id: Option<String>,
        /// JSON.
        parent_ids: String,
    }
);

row!(
    /// A commit, whole.
    CommitRow {
        commit_id: String,
        repo_id: String,
        branch: String,
        snapshot_id: Option<String>,
        message: String,
        /// In UTC, with microseconds and without a zone; so are all times.
        committed_at: String,
        /// JSON, as is `commit_meta`.
        parent_ids: String,
        author: String,
        commit_meta: String,
    }
);

row!(
    /// A snapshot.
    SnapshotRow {
        snapshot_id: String,
        repo_id: String,
        /// JSON.
        manifest: String,
        created_at: String,
    }
);

row!(
    /// Where the bytes of an object should be.
    ObjectRow {
        object_id: String,
        repo_id: String,
        size_bytes: i32,
        disk_path: String,
        storage_uri: Option<String>,
    }
);

row!(
    /// A tag, or a release as one.
    TagRow {
        tag_id: String,
        repo_id: String,
        commit_id: String,
        tag: String,
        created_at: String,
    }
);

impl View<'_> {
    /// The branches of a repo, with their heads. A name may come several times.
    pub(crate) async fn branches(&mut self, repo: &HubRepo) -> Result<Vec<(String, String)>> {
        sqlx::query_as(
            "SELECT name, head_commit_id FROM musehub_branches
             WHERE repo_id = $1 AND head_commit_id IS NOT NULL AND head_commit_id <> ''
             ORDER BY name, branch_id",
        )
        .bind(&repo.id)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading branches", &error))
    }

    /// The tags of a repo by ID, and its releases that name a commit.
    pub(crate) async fn tags(&mut self, repo: &HubRepo) -> Result<Vec<TagRow>> {
        sqlx::query_as(concat!(
            "SELECT tag_id, repo_id, commit_id, tag, ",
            utc!("created_at"),
            " AS created_at FROM musehub_wire_tags WHERE repo_id = $1
             UNION ALL
             SELECT release_id, repo_id, commit_id, 'release:' || tag, ",
            utc!("created_at"),
            " FROM musehub_releases
             WHERE repo_id = $1 AND commit_id IS NOT NULL AND commit_id <> ''
             ORDER BY 1"
        ))
        .bind(&repo.id)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading tags and releases", &error))
    }

    /// The private repos that don't belong to the owner of a repo.
    pub(crate) async fn private_to_others(&mut self, repo: &HubRepo) -> Result<HashSet<String>> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT repo_id FROM musehub_repos
             WHERE visibility <> 'public' AND NOT (owner = $1 AND owner_user_id = $2)",
        )
        .bind(&repo.owner)
        .bind(&repo.owner_user_id)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading the visibility of repos", &error))?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Calls `each` for every commit that some commits reach, in no order.
    pub(crate) async fn reached(
        &mut self,
        roots: &[String],
        mut each: impl FnMut(GraphRow),
    ) -> Result<()> {
        let hub = self.hub;
        let failed = |error: sqlx::Error| hub.failed("reading the commit graph", &error);
        let mut rows = sqlx::query_as::<_, GraphRow>(
            "WITH RECURSIVE reached (id) AS (
                 SELECT unnest($1::text[])
                 UNION
                 SELECT parent.id
                 FROM reached
                 JOIN musehub_commits c ON c.commit_id = reached.id
                 CROSS JOIN LATERAL json_array_elements_text(
                     CASE WHEN json_typeof(c.parent_ids) = 'array' THEN c.parent_ids ELSE '[]' END
                 ) AS parent (id)
                 WHERE parent.id IS NOT NULL
             )
             SELECT c.commit_id, c.repo_id, c.snapshot_id, c.parent_ids::text AS parent_ids
             FROM reached JOIN musehub_commits c ON c.commit_id = reached.id",
        )
        .bind(roots)
        .fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            each(row);
        }
        Ok(())
    }

    /// A commit.
    pub(crate) async fn commit(&mut self, id: &str) -> Result<Option<CommitRow>> {
        let rows: Vec<CommitRow> = sqlx::query_as(concat!(
            "SELECT commit_id, repo_id, branch, snapshot_id, message, ",
            utc!("\"timestamp\""),
            " AS committed_at, parent_ids::text AS parent_ids, author,
             commit_meta::text AS commit_meta
             FROM musehub_commits WHERE commit_id = $1"
        ))
        .bind(id)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading commits", &error))?;
        Ok(rows.into_iter().next())
    }

    /// A snapshot.
    pub(crate) async fn snapshot(&mut self, id: &str) -> Result<Option<SnapshotRow>> {
        let rows: Vec<SnapshotRow> = sqlx::query_as(concat!(
            "SELECT snapshot_id, repo_id, manifest::text AS manifest, ",
            utc!("created_at"),
            " AS created_at FROM musehub_snapshots WHERE snapshot_id = $1"
        ))
        .bind(id)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading snapshots", &error))?;
        Ok(rows.into_iter().next())
    }

    /// Those of some objects that it has.
    pub(crate) async fn objects(&mut self, ids: &[String]) -> Result<Vec<ObjectRow>> {
        sqlx::query_as(
            "SELECT object_id, repo_id, size_bytes, disk_path, storage_uri
             FROM musehub_objects WHERE object_id = ANY($1)",
        )
        .bind(ids)
        .fetch_all(&mut self.connection)
        .await
        .map_err(|error| self.hub.failed("reading objects", &error))
    }
}
