//! What only a catalog on Postgres promises: errors that say where and what to do and never the
//! password, locks that go with their connection, and the same order whatever the planner knows.

use std::sync::Arc;
use std::time::Duration;

use packhouse_host::catalog::{Catalog, LockMode};
use packhouse_host::{CatalogPlace, Class, Error, OpenError};
use packhouse_tests::conformance;
use packhouse_tests::conformance::desk;
use packhouse_tests::postgres::{Cluster, cluster};
use tokio::time::timeout;

const SECRET: &str = "s3cr3t-w0rd";

pub(crate) async fn open(url: &str) -> Arc<dyn Catalog> {
    CatalogPlace::Postgres(url.to_owned()).open().await.unwrap()
}

/// The error of opening it, which must come soon, and contain some texts.
async fn refused(url: &str, words: &[&str]) -> Error {
    let place = CatalogPlace::Postgres(url.to_owned());
    let begun = tokio::time::Instant::now();
    let error = place.open().await.expect_err("it can't be opened");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let asked = place.migrations().await.expect_err("nor looked at");
    for told in [
        error.to_string(),
        format!("{error:?}"),
        asked.to_string(),
        place.to_string(),
        format!("{place:?}"),
    ] {
        assert!(!told.contains(SECRET), "it tells the password");
    }
    for word in words {
        assert!(
            error.to_string().contains(word) && asked.to_string().contains(word),
            "`{error}` and `{asked}` lack `{word}`"
        );
    }
    error
}

/// The cluster, with a role that must give its password and owns a database.
fn guarded(cluster: &Cluster) -> String {
    // The second caller finds it created.
    let _ = cluster.admin(format!("CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'"));
    cluster.database("of_guarded");
    cluster.admin("ALTER DATABASE of_guarded OWNER TO guarded".into()).unwrap();
    cluster.url("of_guarded").replace("packhouse@", &format!("guarded:{SECRET}@"))
}

#[tokio::test]
async fn what_is_no_url_is_refused_without_repeating_it() {
    for url in [
        format!("postgres://u:{SECRET}@host:port/d"),
        format!("postgres://u:{SECRET}@[::1/d"),
        format!("postgres://u:{SECRET}@h:1/d?sslmode=never"),
        SECRET.to_string(),
    ] {
        let error =
            refused(&url, &["--database", "postgres://USER:PASSWORD@HOST:PORT/DATABASE"]).await;
        assert_eq!(error.class(), Class::Usage, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once_with_its_place() {
    // A port that was just free.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("postgres://u@127.0.0.1:{port}/d");
    let error = refused(
        &place.replace("u@", &format!("u:{SECRET}@")),
        &[&place, "Check that the server is running", "--database"],
    )
    .await;
    assert_eq!(error.class(), Class::Conflict, "it may be there in a moment: {error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_asked_for_and_never_told() {
    let Some(cluster) = cluster() else { return };
    let url = guarded(cluster);
    let place = url.replace(&format!(":{SECRET}"), "");
    let way_out = "Check the user and the password of --database";
    refused(&url.replace(SECRET, "s3cr3t-w0rd-but-wrong"), &[&place, way_out]).await;
    refused(&place, &[&place]).await;
    refused(&format!("{place}?password={SECRET}-but-wrong"), &[&place, way_out]).await;
    refused(&url.replace("guarded:", "nobody:"), &["nobody@"]).await;
    // With the right one, a role that owns its database can do everything, and needs to be no
    // superuser.
    let catalog = open(&url).await;
    assert!(
        !catalog.place().contains(SECRET)
            && !catalog.identity().contains(SECRET)
            && !format!("{catalog:?}").contains(SECRET)
    );
    conformance::pushes::a_push_is_all_there_when_it_returns(catalog.clone()).await;
    conformance::locking::who_deletes_is_alone(catalog).await;
}

#[tokio::test]
async fn a_missing_database_is_told_with_how_to_make_it() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.url("nowhere");
    let error =
        refused(&url.replace("packhouse@", &format!("packhouse:{SECRET}@")), &[&url, "createdb"])
            .await;
    assert_eq!(error.class(), Class::Refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_uses_at_once_both_work() {
    let Some(cluster) = cluster() else { return };
    for round in 0..3 {
        let url = cluster.database(&format!("first_use_{round}"));
        let opening: Vec<_> = (0..4)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move { open(&url).await })
            })
            .collect();
        for (number, one) in opening.into_iter().enumerate() {
            desk::Desk::named(&one.await.unwrap(), &format!("a/{number}"))
                .await
                .push(vec![desk::pack(number as u64, 0..1)])
                .await;
        }
    }
}

#[tokio::test]
async fn a_catalog_from_the_future_is_refused_by_name_and_asking_for_migrations_changes_nothing() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("future");
    let place = CatalogPlace::Postgres(url.clone());
    for _ in 0..2 {
        let none = place.migrations().await.unwrap();
        assert!(none.applied.is_empty() && none.pending().count() == none.known.len(), "{none:?}");
        assert_eq!(
            scalar(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").await,
            0,
            "nothing was created"
        );
    }
    drop(open(&url).await);
    let all = place.migrations().await.unwrap();
    assert_eq!((all.pending().count(), all.unknown()), (0, None));
    run(
        &url,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', true, '', 0)",
    )
    .await;
    assert_eq!(place.migrations().await.unwrap().unknown(), Some(99));
    let error = place.open().await.expect_err("it is newer");
    assert!(matches!(&error, Error::Open(OpenError::NewerStore { found: 99, .. })), "{error}");
    assert!(error.to_string().contains(&url), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_the_right_publishes_nothing_and_may_run_it_again() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("lost_right");
    let catalog = open(&url).await;
    let desk = desk::Desk::new(&catalog).await;
    desk.push(vec![desk::pack(1, 0..1)]).await;
    let (push, plan) = (desk.prepare(vec![desk::pack(2, 1..2)]).await, desk.plan(3).await);
    let lock = desk.publishing().await;
    assert_eq!(kill_holders(&url).await, 1);
    for error in [
        catalog.publish_push(&push, &lock).await.expect_err("the right was lost"),
        catalog.publish_consolidation(&plan, &lock).await.expect_err("the right was lost"),
    ] {
        assert_eq!(error.class(), Class::Conflict, "{error}");
        assert!(
            error.to_string().contains("nothing was changed") && error.to_string().contains(&url),
            "{error}"
        );
    }
    assert_eq!((desk.on_shelves().await, desk.row().await.revision), (vec![desk::key(1)], 1));
    assert_eq!(catalog.knows_packs(&[desk::key(2), desk::key(3)]).await.unwrap(), [false, false]);
    drop(lock);
    desk.done(&push).await;

    let deleting = catalog.lock(LockMode::Deleting).await.unwrap();
    kill_holders(&url).await;
    let error = catalog
        .forget_packs(&[desk::key(1)], desk::at(99), &deleting)
        .await
        .expect_err("the right was lost");
    assert_eq!(error.class(), Class::Conflict, "{error}");
    // A session that has ended holds no lock: others need not wait for a process that has not
    // noticed yet.
    let next = timeout(Duration::from_secs(20), catalog.lock(LockMode::Publishing))
        .await
        .expect("nobody is in the way")
        .unwrap();
    drop((next, deleting));
    drop(
        timeout(Duration::from_secs(20), catalog.lock(LockMode::Deleting))
            .await
            .expect("nobody is in the way")
            .unwrap(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_of_another_program_is_refused_by_name_and_stays_as_it_is() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("of_another_program");
    let place = CatalogPlace::Postgres(url.clone());
    run(&url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE repos (x INT)").await;
    let told = place.open().await.expect_err("it is somebody else's");
    assert!(matches!(told, Error::Open(OpenError::ForeignDatabase { .. })), "{told}");
    assert!(told.to_string().contains("of_another_program"), "{told}");
    place.migrations().await.expect_err("nor are its migrations known");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(scalar(&url, tables).await, 1);
    run(&url, "DROP TABLE repos").await;
    open(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_can_only_be_read_is_read() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("read_only");
    let read_only = format!("{url}?options=-c%20default_transaction_read_only%3Don");
    let place = CatalogPlace::Postgres(read_only.clone());
    let error = place.open().await.expect_err("there are no tables, and none can be made");
    assert!(error.to_string().contains("packhouse migrate"), "{error}");

    let desk = desk::Desk::new(&open(&url).await).await;
    desk.push(vec![desk::pack(1, 0..9)]).await;
    let catalog = open(&read_only).await;
    let desk = desk::Desk { catalog: catalog.clone(), ..desk };
    assert_eq!((catalog.repos(None, 9).await.unwrap().len(), desk.index().await.len()), (1, 9));
    desk.adds_up().await;
    for error in [
        catalog.probe_writing().await.expect_err("it can only be read"),
        catalog.forget_answers(desk.repo, desk::at(9)).await.expect_err("it can only be read"),
    ] {
        assert!(error.is_read_only() && error.to_string().contains("--database"), "{error}");
    }

    // As a role that may only look.
    let _ = cluster.admin("CREATE ROLE looker LOGIN".into());
    run(&url, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO looker").await;
    let catalog = open(&url.replace("packhouse@", "looker@")).await;
    assert_eq!(catalog.summaries(None, 9).await.unwrap().len(), 1);
    let told = catalog.probe_writing().await.expect_err("it may not");
    assert!(told.is_read_only(), "{told}");
    let told = told.to_string();
    assert!(told.contains("INSERT, UPDATE and DELETE") && !told.contains("at line"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_is_named_before_anything_goes_wrong() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("pooled");
    drop(open(&url).await);
    let port = packhouse_tests::pooler::pool(cluster.port()).await;
    let pooled = url.replace(&cluster.port().to_string(), &port.to_string());
    let error =
        CatalogPlace::Postgres(pooled).open().await.expect_err("two connections are one session");
    for word in ["PgBouncer", "transaction mode", "pool_mode = session", "--database"] {
        assert!(error.to_string().contains(word), "`{error}` lacks `{word}`");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_of_two_databases_of_one_server_are_two() {
    let Some(cluster) = cluster() else { return };
    let (one, other) =
        (open(&cluster.database("rights_1")).await, open(&cluster.database("rights_2")).await);
    assert_ne!(one.identity(), other.identity());
    let _deleting = one.lock(LockMode::Deleting).await.unwrap();
    drop(
        timeout(Duration::from_secs(20), other.lock(LockMode::Deleting))
            .await
            .expect("nobody is in the way")
            .unwrap(),
    );
}

/// Else the laws that say "in the order of bytes" would hold by the order of the cluster.
#[tokio::test]
async fn the_suite_is_run_where_texts_order_otherwise() {
    let Some(cluster) = cluster() else { return };
    const LANGUAGES: &str = "SELECT count(*) FROM pg_collation WHERE collprovider = 'i'
        AND current_setting('server_version_num')::int >= 150000";
    if scalar(&cluster.url("postgres"), LANGUAGES).await == 0 {
        return packhouse_tests::skipped("icu", "this Postgres knows the order of bytes only");
    }
    let english = cluster.english("in_english");
    assert_eq!(scalar(&english, "SELECT CAST('a' < 'B' AS INT)::BIGINT").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_a_history_does_not_depend_on_what_the_planner_knows() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("planner");
    let catalog = open(&url).await;
    for commits in [3_u64, 40, 2000] {
        let desk = desk::Desk::named(&catalog, &format!("a/{commits}")).await;
        // Their ids are in no order, and every fifth is a merge with an unknown one.
        let number = |n: u64| (n * 7919) % 10_007;
        let mut push = desk.prepare(vec![]).await;
        push.edges = (0..commits)
            .map(|n| {
                let parents: Vec<u64> = (n > 0)
                    .then(|| number(n - 1))
                    .into_iter()
                    .chain((n % 5 == 0).then_some(50_000 + n))
                    .collect();
                desk::edges(number(n), &parents)
            })
            .collect();
        desk.done(&push).await;
        run(&url, "ANALYZE").await;
        for limit in [2, 30, 5000] {
            let asked = [desk::id(number(commits - 1)), desk::id(99_999), desk::id(number(0))];
            let found = desk.snapshot().await.history(&asked, limit).await.unwrap();
            let expected = [commits - 1, 0]
                .into_iter()
                .chain((1..commits - 1).rev())
                .map(|n| desk::id(number(n)));
            let expected: Vec<_> = expected.take(limit as usize).collect();
            assert_eq!(
                found.iter().map(|found| found.edges.commit).collect::<Vec<_>>(),
                expected,
                "of {commits}, at most {limit}"
            );
        }
        let fresh = desk::fresh(packhouse_core::Kind::Object, 0..commits);
        desk.push(vec![packhouse_host::catalog::PushedPack { fresh, ..desk::pack(commits, 0..0) }])
            .await;
        run(&url, "ANALYZE").await;
        let asked: Vec<_> =
            (0..commits).rev().map(|n| desk::row(packhouse_core::Kind::Object, n).entity).collect();
        let found = desk.snapshot().await.lookup(&asked).await.unwrap();
        let fingerprints: Vec<_> = found.into_iter().map(|place| place.unwrap().1).collect();
        assert!(fingerprints.into_iter().eq(
            (0..commits).rev().map(|n| desk::row(packhouse_core::Kind::Object, n).fingerprint)
        ));
    }
}

async fn connect(url: &str) -> sqlx::PgConnection {
    use sqlx::Connection;
    sqlx::PgConnection::connect(url).await.unwrap()
}

pub(crate) async fn run(url: &str, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut connect(url).await).await.unwrap();
}

pub(crate) async fn scalar(url: &str, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&mut connect(url).await).await.unwrap()
}

/// Ends the sessions that hold the right to publish or to delete, and waits until they are gone;
/// gives how many there were.
async fn kill_holders(url: &str) -> i64 {
    const HELD: &str = "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory'";
    let killed = scalar(
        url,
        "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE d.datname = current_database() AND l.locktype = 'advisory'",
    )
    .await;
    let begun = tokio::time::Instant::now();
    while scalar(url, HELD).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    killed
}
