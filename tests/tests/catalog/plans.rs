//! What a catalog on Postgres says does not depend on how the server plans its statements, nor on
//! how its databases order texts.

use std::pin::Pin;
use std::sync::Arc;

use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, PublishOutcome, PushedPack};
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::{
    CatalogPlace, FetchRequest, Progress, PushOptions, PushStatus, StoreOptions, VerifyOptions,
    Visibility,
};
use packhouse_tests::conformance::desk;
use packhouse_tests::model;
use packhouse_tests::postgres::{Cluster, cluster};
use packhouse_tests::store::options;

use super::postgres_only::{open, run, scalar};

/// A law of the suite, with its subject and its name.
pub(crate) type Law =
    (&'static str, &'static str, fn(Arc<dyn Catalog>) -> Pin<Box<dyn Future<Output = ()>>>);

/// Removes everything from a catalog.
const EMPTY: &str = "DO $$ DECLARE tables text; BEGIN
        SELECT string_agg(quote_ident(tablename), ', ') INTO tables FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations';
        EXECUTE 'TRUNCATE ' || tables || ' RESTART IDENTITY CASCADE';
    END $$";

/// Runs the laws of the suite, one after the other, on a catalog whose sessions have some settings.
async fn run_laws(url: &str, settings: &[&str]) {
    let set: String =
        settings.iter().map(|setting| format!("-c%20{}%20", setting.replace('=', "%3D"))).collect();
    let catalog = open(&format!("{url}?options={set}")).await;
    for (subject, law, check) in super::LAWS {
        // Locks are not about plans; and tests with many entities take minutes without an index.
        if matches!(*subject, "races" | "locking" | "large") {
            continue;
        }
        run(url, EMPTY).await;
        let ended =
            tokio::time::timeout(std::time::Duration::from_secs(60), check(catalog.clone())).await;
        assert!(ended.is_ok(), "{subject}::{law} does not end with {settings:?}");
    }
}

/// A database with the collation of a language; none, with a loud SKIP, where this machine does not
/// have it.
fn in_language(cluster: &Cluster, name: &str, language: &str) -> Option<String> {
    let how = match language {
        "C" => "LC_COLLATE 'C' LC_CTYPE 'C'".to_owned(),
        // `tr-TR` is ICU's, `tr_TR.UTF-8` the system's.
        icu if icu.contains('-') && !icu.contains('.') => {
            format!("LOCALE_PROVIDER icu ICU_LOCALE '{icu}'")
        }
        system => format!("LC_COLLATE '{system}' LC_CTYPE '{system}'"),
    };
    match cluster.admin(format!("CREATE DATABASE {name} TEMPLATE template0 {how}")) {
        Ok(()) => Some(cluster.url(name)),
        Err(error) => {
            packhouse_tests::skipped(
                "locales",
                &format!("this machine has no {language}: {error}"),
            );
            None
        }
    }
}

const NO_HASH: &str = "enable_hashjoin=off";
const NO_MERGE: &str = "enable_mergejoin=off";
const NO_LOOP: &str = "enable_nestloop=off";

#[tokio::test]
async fn every_law_holds_where_rows_are_joined_by_hashes() {
    let Some(cluster) = cluster() else { return };
    let Some(url) = in_language(cluster, "plans_hashed", "C") else { return };
    run_laws(&url, &[NO_LOOP, NO_MERGE, "enable_hashjoin=on"]).await;
}

#[tokio::test]
async fn every_law_holds_where_rows_are_merged_and_texts_are_english() {
    let Some(cluster) = cluster() else { return };
    let Some(url) = in_language(cluster, "plans_merged", "en_US.UTF-8") else { return };
    run_laws(&url, &[NO_LOOP, NO_HASH, "enable_mergejoin=on"]).await;
}

#[tokio::test]
async fn every_law_holds_where_no_index_is_used_and_texts_are_turkish() {
    let Some(cluster) = cluster() else { return };
    let Some(url) = in_language(cluster, "plans_unindexed", "tr_TR.UTF-8") else { return };
    let none = [
        "enable_indexscan=off",
        "enable_indexonlyscan=off",
        "enable_bitmapscan=off",
        "enable_seqscan=on",
    ];
    run_laws(&url, &none).await;
}

#[tokio::test]
async fn every_law_holds_where_indexes_give_bitmaps_and_texts_are_those_of_icu() {
    let Some(cluster) = cluster() else { return };
    let Some(url) = in_language(cluster, "plans_bitmapped", "tr-TR") else { return };
    run_laws(&url, &["enable_indexscan=off", "enable_indexonlyscan=off", "enable_hashjoin=on"])
        .await;
}

/// Rows of a table that statements have read so far. Sessions report it when they end, so this
/// waits for that.
pub(crate) async fn rows_read(url: &str, catalog: Arc<dyn Catalog>) -> i64 {
    drop(catalog);
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    while scalar(url, OTHERS).await > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    scalar(
        url,
        "SELECT CAST(sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) AS BIGINT) FROM pg_stat_user_tables
         WHERE relname IN ('commits', 'old_entities', 'index_runs', 'index_blocks', 'shelves', 'freshened', 'branches', 'awaited_parents', 'tag_ids', 'complete_packs')",
    )
    .await
}

/// Statistics of other repos, and none of the one that is read: what a server has in the minutes
/// after a first push.
pub(crate) async fn with_stale_statistics(cluster: &Cluster, name: &str) -> String {
    let url = cluster.database(name);
    fill(&url).await;
    url
}

/// Twenty other repos, of which statistics are taken, and none afterwards.
async fn fill(url: &str) {
    let catalog = open(url).await;
    run(
        url,
        "ALTER TABLE commits SET (autovacuum_enabled = off); ALTER TABLE old_entities SET (autovacuum_enabled = off);
         ALTER TABLE index_runs SET (autovacuum_enabled = off); ALTER TABLE index_blocks SET (autovacuum_enabled = off);
         ALTER TABLE freshened SET (autovacuum_enabled = off); ALTER TABLE branches SET (autovacuum_enabled = off);
         ALTER TABLE shelves SET (autovacuum_enabled = off); ALTER TABLE packs SET (autovacuum_enabled = off);
         ALTER TABLE awaited_parents SET (autovacuum_enabled = off); ALTER TABLE tag_ids SET (autovacuum_enabled = off);
         ALTER TABLE complete_packs SET (autovacuum_enabled = off)",
    )
    .await;
    for number in 0..20 {
        let desk = desk::Desk::named(&catalog, &format!("other/{number}")).await;
        let mut push =
            desk.prepare(vec![desk::pack(number, number * 1000..number * 1000 + 200)]).await;
        push.edges =
            (1..100).map(|n| desk::edges(number * 1000 + n, &[number * 1000 + n - 1])).collect();
        push.packs[0].tags =
            (1..4).map(|n| desk::tag(number * 1000 + n, number * 1000 + n)).collect();
        push.complete = Some(desk::complete(200));
        push.heads = (0..5).map(|n| desk::head(&format!("b{n}"), number * 1000 + n)).collect();
        desk.done(&push).await;
        let told: Vec<_> =
            (0..5).map(|n| desk::row(Kind::Object, number * 1000 + n).entity).collect();
        assert!(catalog.freshen(&desk.row().await, &told, desk::at(10)).await.unwrap());
    }
    run(url, "ANALYZE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_of_a_large_repo_is_what_was_asked_for_even_where_statistics_are_of_others() {
    let Some(cluster) = cluster() else { return };
    let url = with_stale_statistics(cluster, "stale_reads").await;
    let catalog = open(&url).await;
    let desk = desk::Desk::named(&catalog, "new/repo").await;
    const COMMITS: u64 = 6000;
    // Ids in no order.
    let number = |n: u64| (n * 7919) % 10_007;
    let objects = desk::fresh(Kind::Object, 0..COMMITS);
    let mut push = desk.prepare(vec![PushedPack { fresh: objects, ..desk::pack(999, 0..0) }]).await;
    push.edges = (0..COMMITS)
        .map(|n| {
            desk::edges(number(n), &(n > 0).then(|| number(n - 1)).into_iter().collect::<Vec<_>>())
        })
        .collect();
    push.packs[0].tags = (0..COMMITS).map(|n| desk::tag(n, number(n))).collect();
    push.complete = Some(desk::complete(COMMITS));
    desk.done(&push).await;
    // As many that are awaited.
    let mut push = desk.prepare(vec![]).await;
    push.edges = (0..COMMITS).map(|n| desk::edges(20_000 + n, &[30_000 + number(n)])).collect();
    desk.done(&push).await;
    drop((desk, push));

    let mut read = rows_read(&url, catalog).await;
    let reading: [(&str, i64); 9] = [
        ("a history of 300", 2 * 300),
        ("a lookup of 300", 300),
        ("300 moved", 3 * 300),
        ("a push of 300 commits", 2 * 300),
        ("300 late parents", 2 * 300),
        ("300 numbers", 2 * 300),
        ("300 tags", 300),
        ("a page of 300 commits", 300),
        ("the complete pack and tags without a commit", 0),
    ];
    for (what, most) in reading {
        let catalog = open(&url).await;
        let desk = desk::Desk {
            catalog: catalog.clone(),
            name: desk::name("new/repo"),
            repo: catalog.repo(&desk::name("new/repo")).await.unwrap().unwrap().id,
        };
        match what {
            "a history of 300" => {
                let found = desk
                    .snapshot()
                    .await
                    .history(&[desk::id(number(COMMITS - 1))], 300)
                    .await
                    .unwrap();
                let expected = (COMMITS - 300..COMMITS).rev().map(|n| desk::id(number(n)));
                assert!(found.iter().map(|found| found.edges.commit).eq(expected));
            }
            "a lookup of 300" => {
                let asked: Vec<_> =
                    (0..300).rev().map(|n| desk::row(Kind::Object, n).entity).collect();
                assert!(
                    desk.snapshot().await.lookup(&asked).await.unwrap().iter().all(Option::is_some)
                );
            }
            "a push of 300 commits" => {
                let mut push = desk.prepare(vec![]).await;
                push.edges =
                    (0..300).map(|n| desk::edges(40_000 + n, &[number(n), 50_000 + n])).collect();
                desk.done(&push).await;
            }
            "300 late parents" => {
                let mut push = desk.prepare(vec![]).await;
                push.edges = (0..300).map(|n| desk::edges(30_000 + number(n), &[])).collect();
                desk.done(&push).await;
                assert_eq!(desk.snapshot().await.walk_floor().await.unwrap(), Some(1));
            }
            "300 numbers" => {
                let raised: Vec<_> = (0..300).map(|n| (desk::id(number(n)), 99_999 - n)).collect();
                let renumbered = catalog.renumber(&desk.row().await, &raised).await.unwrap();
                assert_eq!(renumbered, PublishOutcome::Done { rows: 300 });
            }
            "300 tags" => {
                let asked: Vec<_> = (0..300).map(|n| desk::id(number(n))).collect();
                assert_eq!(desk.snapshot().await.tags_of(&asked).await.unwrap().len(), 300);
            }
            "a page of 300 commits" => {
                let page = desk.snapshot().await.commits(Some(desk::id(77)), 300).await;
                assert_eq!(page.unwrap().len(), 300);
            }
            "the complete pack and tags without a commit" => {
                let mut snapshot = desk.snapshot().await;
                let complete = snapshot.complete_pack().await.unwrap().unwrap();
                assert_eq!(complete.complete, desk::complete(COMMITS));
                assert_eq!(snapshot.tags_without_commit(300).await.unwrap(), []);
            }
            _ => {
                let from = desk.shelf(0).await;
                let moved = desk::moved(0..300, from);
                let push = desk.prepare(vec![PushedPack { moved, ..desk::pack(1000, 0..0) }]).await;
                desk.done(&push).await;
            }
        }
        drop(desk);
        let now = rows_read(&url, catalog).await;
        // Besides, what opens the repo: a few rows.
        assert!(now - read <= most + 200, "{what} has read {} rows", now - read);
        read = now;
    }
}

/// As it was seen: `fetch` said that something was lost, `verify` that all was, an older head was a
/// conflict, and who had all got most of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_push_of_1500_commits_is_read_right_before_postgres_knows_of_it() {
    let Some(cluster) = cluster() else { return };
    let url = cluster.database("stale_store");
    let folder = tempfile::tempdir().unwrap();
    let store =
        StoreOptions { catalog: CatalogPlace::Postgres(url.clone()), ..options(folder.path()) };
    let store = store.open().await.unwrap();
    let (repo, silent) = (desk::name("a/b"), Progress::silent());
    // First: a catalog whose packs are all elsewhere would be refused.
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    fill(&url).await;
    let long = HistoryOptions {
        pushes: 1,
        commits_per_push: 1500,
        objects_per_commit: 1,
        object_bytes: 8..16,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    let pack = history(&long).remove(0);
    let file = folder.path().join("pack.mpack");
    std::fs::write(&file, &pack).unwrap();
    let pushed = store
        .push(&repo, std::slice::from_ref(&file), PushOptions::default(), &silent)
        .await
        .unwrap();
    assert!(pushed[0].commits >= 1500 && pushed[0].status == PushStatus::Stored);

    let all = store.fetch(&repo, &FetchRequest::default(), &silent).await.unwrap();
    assert_eq!((all.commit_count, all.missing), (pushed[0].commits, 0));
    let verified = store.verify(&repo, VerifyOptions::default(), &silent).await.unwrap();
    assert!(verified.ok, "{:?}", &verified.problems[..1]);

    let heads: Vec<String> = model::heads_of(&[pack]).into_values().collect();
    let had = FetchRequest { want: heads.clone(), have: heads.clone(), ..FetchRequest::default() };
    let none = store.fetch(&repo, &had, &silent).await.unwrap();
    assert_eq!(none.commit_count, 0, "all of it is had");

    // A commit far back in it, as the head of another push: the branch descends from it already.
    let older = history(&HistoryOptions { commits_per_push: 300, ..long }).remove(0);
    let file = folder.path().join("older.mpack");
    std::fs::write(&file, &older).unwrap();
    let again = store.push(&repo, &[file], PushOptions::default(), &silent).await.unwrap();
    assert_eq!(again[0].branch_heads, pushed[0].branch_heads, "nothing moved");
}
