//! Migrations: append-only. A catalog records which ones were applied, with their checksums.

use packhouse_model::error::{Error, OpenError, Result};
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::engine::without_line;

/// A migration: its number, its name, its SQL.
pub type MigrationStep = (i64, &'static str, &'static str);

/// Which migrations a catalog has, and which it should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    /// Where the catalog is.
    pub catalog: String,
    /// The applied ones, by number.
    pub applied: Vec<i64>,
    /// The ones that this build knows, by number, with their names.
    pub known: Vec<(i64, &'static str)>,
}

impl Migrations {
    pub(super) fn of(catalog: &str, steps: &[MigrationStep], applied: &[Applied]) -> Migrations {
        let applied = applied.iter().map(|(version, _)| *version).collect();
        let known = steps.iter().map(|(version, name, _)| (*version, *name)).collect();
        Migrations { catalog: catalog.to_owned(), applied, known }
    }

    /// The pending ones, by number, with their names.
    pub fn pending(&self) -> impl Iterator<Item = (i64, &'static str)> {
        self.known.iter().filter(|(version, _)| !self.applied.contains(version)).copied()
    }

    /// The first applied one that this build does not know: a newer build migrated the catalog.
    pub fn unknown(&self) -> Option<i64> {
        self.applied
            .iter()
            .find(|applied| !self.known.iter().any(|(version, _)| version == *applied))
            .copied()
    }
}

/// What to do if migrations are pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PendingMigrations {
    /// Run them: for verbs that write.
    Run,
    /// Refuse: verbs that only read change nothing.
    Refuse,
}

/// The tables of a database.
#[derive(Debug, Default)]
pub(super) struct Schema {
    /// Its migrations, if it is a catalog.
    pub(super) applied: Vec<Applied>,
    /// Whether it has tables, but none of a catalog.
    pub(super) is_foreign: bool,
}

impl Schema {
    /// The applied migrations.
    ///
    /// # Errors
    /// [`OpenError::ForeignDatabase`].
    pub(super) fn of_catalog(self, place: &str) -> Result<Vec<Applied>> {
        match self.is_foreign {
            true => Err(Error::Open(OpenError::ForeignDatabase { database: place.to_owned() })),
            false => Ok(self.applied),
        }
    }
}

/// The error for a catalog with pending migrations, for verbs that only read.
pub(super) fn pending_error(place: &str, steps: &[MigrationStep], applied: &[Applied]) -> Error {
    let missing = Migrations::of(place, steps, applied)
        .pending()
        .map(|(version, name)| format!("{version} ({name})"))
        .collect();
    Error::Open(OpenError::PendingMigrations { catalog: place.to_owned(), missing })
}

/// An applied migration: its number, and the checksum of its SQL.
pub(super) type Applied = (i64, Vec<u8>);

/// The statement that lists applied migrations.
pub(super) const APPLIED: &str =
    "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// Whether a catalog needs migrations. If not, it is opened without writing.
///
/// # Errors
/// [`OpenError::NewerStore`] for one with a migration that this build does not know.
pub(super) fn are_pending(
    place: &str,
    steps: &[MigrationStep],
    applied: &[Applied],
) -> Result<bool> {
    if let Some(found) = Migrations::of(place, steps, applied).unknown() {
        return Err(newer(place, steps, found));
    }
    let known = migrator(steps);
    Ok(!known
        .iter()
        .map(|step| (step.version, &step.checksum[..]))
        .eq(applied.iter().map(|(n, sum)| (*n, &sum[..]))))
}

fn newer(place: &str, steps: &[MigrationStep], found: i64) -> Error {
    Error::Open(OpenError::NewerStore {
        catalog: place.to_owned(),
        found,
        known: steps.last().map_or(0, |step| step.0),
    })
}

/// Migrates a catalog. Concurrent migrations run one after the other: on Postgres under sqlx's
/// advisory lock; on SQLite one of two processes that run the same migration fails, and continues
/// with the next one. That may happen for each of them.
pub(super) async fn run(
    place: &str,
    steps: &[MigrationStep],
    connection: &mut impl Migrate,
) -> Result<()> {
    let migrator = migrator(steps);
    let mut done = migrator.run_direct(None, connection, false).await;
    for _ in 0..=steps.len() {
        match &done {
            Ok(()) | Err(MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_)) => {
                break;
            }
            Err(_) => done = migrator.run_direct(None, connection, false).await,
        }
    }
    match done {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => Err(newer(place, steps, found)),
        Err(error) => Err(Error::Catalog {
            catalog: place.to_owned(),
            doing: "migrating it".into(),
            reason: format!(
                "{}. Migrate it where it is writable: packhouse migrate",
                without_line(&error)
            ),
            busy: false,
            read_only: false,
            full: false,
        }),
    }
}

/// Runs migrations in order.
pub fn migrator(steps: &[MigrationStep]) -> Migrator {
    let migration = |&(version, name, sql): &MigrationStep| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(steps.iter().map(migration).collect())
}
