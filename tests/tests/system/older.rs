//! Catalogs that a verb must leave as they are: those of an older packhouse, of another program, and
//! damaged ones.

use std::path::Path;

use packhouse_tests::binary::Packhouse;
use packhouse_tests::fixtures;

async fn sql(catalog: &Path, statements: &'static str) {
    use sqlx::Connection;
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(catalog).create_if_missing(true);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn filled() -> Packhouse {
    let store = Packhouse::with_repo();
    store.push(&fixtures::muse_cli()[..2]).ok();
    store
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_by_name_and_stays_as_it_is() {
    let store = filled();
    let catalog = store.data().join("catalog.db");
    let file = fixtures::muse_cli()[2].display().to_string();
    for beside_packs in [true, false] {
        for ending in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(store.data().join(format!("catalog.db{ending}")));
        }
        if !beside_packs {
            std::fs::remove_dir_all(store.data().join("packs")).unwrap();
        }
        sql(&catalog, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").await;
        let before = std::fs::read(&catalog).unwrap();
        for words in [
            &["repo", "list"][..],
            &["repo", "show", "a/b"],
            &["repo", "create", "c/d"],
            &["push", "a/b", &file],
            &["gc", "--all"],
            &["verify"],
            &["migrate"],
            &["migrate", "--check"],
        ] {
            let name = catalog.display().to_string();
            store.run(words).exits(1).says(&[&name, "another program", "--data"]);
            assert_eq!(std::fs::read(&catalog).unwrap(), before, "{words:?}");
        }
    }
}

#[tokio::test]
async fn verbs_that_read_do_not_migrate_and_say_how_to() {
    let store = filled();
    let catalog = store.data().join("catalog.db");
    // As the packhouse before the last migration left it.
    let older = "DELETE FROM _sqlx_migrations WHERE version = 10; DROP TABLE fetch_requests";
    sql(&catalog, older).await;
    let before = std::fs::read(&catalog).unwrap();
    for words in [
        &["repo", "list"][..],
        &["repo", "show", "a/b"],
        &["branch", "list", "a/b"],
        &["jobs", "list"],
        &["token", "list"],
        &["policy", "show", "a/b"],
        &["policy", "check"],
        &["metrics"],
        &["gc", "a/b", "--dry-run"],
        &["prune", "--dry-run"],
    ] {
        let way_out = ["older packhouse", "migration 10 (fetch requests)", "packhouse migrate"];
        store.run(words).exits(1).says(&way_out);
        assert_eq!(std::fs::read(&catalog).unwrap(), before, "{words:?}");
    }
    let checks = store.run(["doctor"]).exits(1).documents();
    let told =
        |check: &serde_json::Value| check["detail"].to_string().contains("packhouse migrate");
    assert!(checks.iter().any(told), "{checks:?}");
    store.run(["migrate"]).ok();
    assert_eq!(store.run(["repo", "list"]).ok().documents().len(), 1);
    // A verb that writes migrates by itself.
    sql(&catalog, older).await;
    store.push(&fixtures::muse_cli()[2..3]).ok();
    assert_eq!(store.run(["migrate", "--check"]).ok().json()["up_to_date"], true);
}

#[test]
fn a_damaged_catalog_is_damage_with_a_way_out() {
    let store = filled();
    let catalog = store.data().join("catalog.db");
    let sound = std::fs::read(&catalog).unwrap();
    let mut malformed = sound.clone();
    malformed[100..4096].fill(0xff);
    let mut overwritten = sound.clone();
    overwritten[4096..].fill(0xff);
    for damaged in
        [malformed, overwritten, b"not a database ".repeat(10_000), b"not a database".repeat(100)]
    {
        std::fs::write(&catalog, &damaged).unwrap();
        for words in [&["repo", "list"][..], &["verify"], &["repo", "create", "c/d"]] {
            let name = catalog.display().to_string();
            let way_out = [&name, "is damaged", "backup", "packhouse verify"];
            store.run(words).exits(4).says(&way_out);
        }
        assert_eq!(std::fs::read(&catalog).unwrap(), damaged, "it is left as it is");
    }
    std::fs::write(&catalog, &sound).unwrap();
    store.run(["verify"]).ok();
}

/// Somebody put a file where a folder of the store should be.
#[test]
fn a_file_in_the_place_of_a_folder_is_named_with_the_way_out() {
    let file = fixtures::muse_cli()[0].display().to_string();
    for name in ["catalogs", "packs", "staging"] {
        let store = Packhouse::new();
        std::fs::create_dir_all(store.data()).unwrap();
        let blocked = store.data().join(name);
        std::fs::write(&blocked, "").unwrap();
        let created = store.run(["repo", "create", "a/b"]);
        let refused = if created.code == 0 { store.push([file.as_str()]) } else { created };
        let told = refused.exits(1);
        told.says(&[blocked.to_str().unwrap(), "move it away"]);
        std::fs::remove_file(&blocked).unwrap();
    }
}
