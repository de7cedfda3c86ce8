//! Where the stores of a test binary are: by the name of the binary, so that the same tests run on
//! all of them.
//!
//! `tests/on_postgres.rs` takes in the files of others as modules: what is the binary `laws` on
//! SQLite is `on_postgres` on Postgres.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use packhouse_host::CatalogPlace;
use ring::digest::{SHA256, digest};

use crate::postgres::{self, Cluster};

/// Whether this binary's catalogs are on Postgres; then the cluster, if there is one.
fn postgres() -> Option<Option<&'static Cluster>> {
    static POSTGRES: OnceLock<bool> = OnceLock::new();
    let on = POSTGRES.get_or_init(|| {
        let test = std::env::current_exe().unwrap_or_default();
        test.file_name().is_some_and(|name| name.to_string_lossy().starts_with("on_postgres"))
    });
    on.then(postgres::cluster)
}

/// Whether catalogs are files: for tests of what one can do with those only.
pub fn has_files() -> bool {
    !matches!(postgres(), Some(Some(_)))
}

/// Copies the catalog of a folder's store, which is not open, if a folder's copy does not have it.
///
/// # Panics
/// When it can't be copied.
pub fn copy_catalog(from: &Path, to: &Path) {
    if let Some(Some(cluster)) = postgres() {
        cluster.copy(&database(from), &database(to), test_of(to));
    }
}

/// Runs statements on the catalog of a folder's store.
///
/// # Panics
/// When they can't be run.
pub async fn sql(folder: &Path, statements: String) {
    sql_in(&catalog(folder), statements).await;
}

/// Runs statements on a catalog.
///
/// # Panics
/// When they can't be run.
pub async fn sql_in(catalog: &CatalogPlace, statements: String) {
    use sqlx::{AssertSqlSafe, Connection};
    match catalog {
        CatalogPlace::Postgres(url) => {
            let mut connection = sqlx::PgConnection::connect(url).await.expect("the cluster runs");
            sqlx::raw_sql(AssertSqlSafe(statements))
                .execute(&mut connection)
                .await
                .expect("the statements are right");
        }
        CatalogPlace::Sqlite(file) => {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
            let mut connection =
                sqlx::SqliteConnection::connect_with(&options).await.expect("the file is there");
            sqlx::raw_sql(AssertSqlSafe(statements))
                .execute(&mut connection)
                .await
                .expect("the statements are right");
        }
    }
}

/// Waits until all connections of this process to a catalog in SQLite that was dropped are closed,
/// and its log is copied into it and removed.
///
/// They are closed in the background, each by a thread of its own. The last one removes the log; two
/// that are closed at the same moment each see the other, and leave it. Then it takes one more.
///
/// # Panics
/// When somebody still has it open after a minute.
pub async fn closed(file: &Path) {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let log = PathBuf::from(log);
    let gone = async {
        while log.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let last = CatalogPlace::Sqlite(file.to_owned()).open().await;
            last.expect("it was open before").close().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), gone).await;
    assert!(waited.is_ok(), "{} is still open", file.display());
}

/// The temporary folder that a folder is in: it lives as long as its test.
fn test_of(folder: &Path) -> &Path {
    let temporary = std::env::temp_dir();
    folder.ancestors().find(|ancestor| ancestor.parent() == Some(&temporary)).unwrap_or(folder)
}

/// The name of a folder's database.
fn database(folder: &Path) -> String {
    format!(
        "store_{}",
        hex::encode(&digest(&SHA256, folder.as_os_str().as_encoded_bytes()).as_ref()[..10])
    )
}

/// The catalog of the store in a folder.
pub fn catalog(folder: &Path) -> CatalogPlace {
    match postgres() {
        // Skipped was said already; on SQLite the tests still say something.
        None | Some(None) => CatalogPlace::Sqlite(folder.join("catalog.db")),
        Some(Some(cluster)) => {
            CatalogPlace::Postgres(cluster.with_catalog(&database(folder), test_of(folder)))
        }
    }
}
