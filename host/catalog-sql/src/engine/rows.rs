//! Statements and rows, as both databases have them.

use sqlx::Row as _;

use super::SqlResult;
use super::params::Arg;

/// Runs statements that read.
///
/// All rows are fetched, always. SQLite reports a failed write of a `RETURNING` statement only
/// after the last row: a caller that stops earlier misses it. Therefore nothing here calls sqlx's
/// `fetch_one` and `fetch_optional`.
pub(crate) trait Sql: Send {
    /// The rows that it returns.
    type Row: Columns;

    /// All rows.
    fn all(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Vec<Self::Row>>> + Send;

    /// The first row, if there is one.
    fn maybe(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Option<Self::Row>>> + Send {
        async move { Ok(self.all(sql, args).await?.into_iter().next()) }
    }

    /// The first row; an error if there is none.
    fn one(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<Self::Row>> + Send {
        async move { self.maybe(sql, args).await?.ok_or(sqlx::Error::RowNotFound) }
    }
}

/// Runs statements that write, for [`super::Writing`].
pub(crate) trait Execute: Send {
    /// How many rows have changed.
    fn execute(
        &mut self,
        sql: &'static str,
        args: &[Arg<'_>],
    ) -> impl Future<Output = SqlResult<u64>> + Send;
}

/// A row, by the names of its columns.
pub(crate) trait Columns: Send + Sync + 'static {
    fn int(&self, column: &str) -> i64;
    fn maybe_int(&self, column: &str) -> Option<i64>;
    fn text(&self, column: &str) -> &str;
    fn maybe_text(&self, column: &str) -> Option<&str>;
    fn bytes(&self, column: &str) -> &[u8];
    fn maybe_bytes(&self, column: &str) -> Option<&[u8]>;

    /// A count or a size.
    fn count(&self, column: &str) -> u64 {
        self.int(column) as u64
    }
}

macro_rules! database {
    ($connection:ty, $row:ty) => {
        impl Sql for $connection {
            type Row = $row;

            async fn all(
                &mut self,
                sql: &'static str,
                args: &[Arg<'_>],
            ) -> SqlResult<Vec<Self::Row>> {
                bound!(sql, args).fetch_all(self).await
            }
        }

        impl Execute for $connection {
            async fn execute(&mut self, sql: &'static str, args: &[Arg<'_>]) -> SqlResult<u64> {
                Ok(bound!(sql, args).execute(self).await?.rows_affected())
            }
        }

        impl Columns for $row {
            fn int(&self, column: &str) -> i64 {
                self.get(column)
            }

            fn maybe_int(&self, column: &str) -> Option<i64> {
                self.get(column)
            }

            fn text(&self, column: &str) -> &str {
                self.get(column)
            }

            fn maybe_text(&self, column: &str) -> Option<&str> {
                self.get(column)
            }

            fn bytes(&self, column: &str) -> &[u8] {
                self.get(column)
            }

            fn maybe_bytes(&self, column: &str) -> Option<&[u8]> {
                self.get(column)
            }
        }
    };
}

macro_rules! bound {
    ($sql:expr, $args:expr) => {
        $args.iter().fold(sqlx::query($sql), |query, arg| match *arg {
            Arg::Int(value) => query.bind(value),
            Arg::MaybeInt(value) => query.bind(value),
            Arg::Text(value) => query.bind(value),
            Arg::MaybeText(value) => query.bind(value),
            Arg::Bytes(value) => query.bind(value),
        })
    };
}

database!(sqlx::SqliteConnection, sqlx::sqlite::SqliteRow);
database!(sqlx::PgConnection, sqlx::postgres::PgRow);
