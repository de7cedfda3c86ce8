//! What only a catalog in a file promises.

use packhouse_host::{CatalogPlace, Error};
use packhouse_tests::conformance::desk::{Desk, pack};
use sqlx::Connection;

async fn run(file: &std::path::Path, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_uses_at_once_both_work() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let place = CatalogPlace::Sqlite(folder.path().join("new/catalog.db"));
        let (one, other) = tokio::join!(tokio::spawn(open(place.clone())), tokio::spawn(open(place)));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.identity(), other.identity());
        Desk::named(&one, "a/b").await;
        Desk::named(&other, "c/d").await.push(vec![pack(1, 0..1)]).await;
        assert_eq!(one.repos(None, 9).await.unwrap().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_ask_for_a_secret_at_once_get_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = CatalogPlace::Sqlite(folder.path().join("catalog.db"));
    let (one, other) = (open(place.clone()).await, open(place).await);
    for round in 0..20 {
        let ask = |catalog: &std::sync::Arc<dyn packhouse_host::catalog::Catalog>, fresh| {
            let catalog = catalog.clone();
            tokio::spawn(async move { catalog.secret(&round.to_string(), [fresh; 32]).await.unwrap() })
        };
        let (first, second) = tokio::join!(ask(&one, 1), ask(&other, 2));
        assert_eq!(first.unwrap(), second.unwrap());
    }
}

async fn open(place: CatalogPlace) -> std::sync::Arc<dyn packhouse_host::catalog::Catalog> {
    place.open().await.unwrap()
}

#[tokio::test]
async fn a_catalog_from_the_future_is_refused_by_name_and_asking_for_migrations_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let place = CatalogPlace::Sqlite(file.clone());
    let none = place.migrations().await.unwrap();
    assert!(none.applied.is_empty() && none.pending().count() == none.known.len() && !file.exists());
    drop(place.open().await.unwrap());
    let all = place.migrations().await.unwrap();
    assert_eq!((all.pending().count(), all.unknown()), (0, None));
    run(
        &file,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)",
    )
    .await;
    assert_eq!(place.migrations().await.unwrap().unknown(), Some(99));
    let error = place.open().await.expect_err("it is newer");
    assert!(matches!(&error, Error::NewerStore { found: 99, .. }), "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}
