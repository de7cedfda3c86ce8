#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
use packhouse_host::GcQuery;
use packhouse_host::catalog::Catalog;
use packhouse_host::catalog::sqlite::SqliteCatalog;
use packhouse_tests::store::TestStore;
use sqlx::Connection;
use std::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn measure() {
    for (repos, shelves, packs_shared) in [(100_000i64, 5i64, false), (100_000, 20, false), (1000, 1000, true)] {
        let store = TestStore::new().await;
        let path = store.data().join("catalog.db");
        let mut c =
            sqlx::SqliteConnection::connect_with(&sqlx::sqlite::SqliteConnectOptions::new().filename(&path)).await.unwrap();
        for sql in [
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < {repos}) INSERT INTO repos (id, repo_id, owner, slug, visibility, created_at) SELECT i+10, printf('%032x', i + 1000), 'owner' || (i % 977), 'slug' || i, 'public', '2026-03-02T09:00:00Z' FROM n"
            ),
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1 < {}) INSERT INTO packs (id, key, bytes, records, consolidated, stored_at) SELECT i+1, CAST(printf('%032d', i) AS BLOB), 100000 + i % 1000, 100, 0, '2026-03-02T09:00:00Z' FROM n",
                repos * shelves
            ),
            // pushes come interleaved over repos, as they do
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1 < {}) INSERT INTO shelves (repo, pack, commits, snapshots, objects, tags, mapped_bytes) SELECT 11 + i % {repos}, {}, 2, 2, 50, 1, 60000 FROM n",
                repos * shelves,
                if packs_shared { format!("1 + i % {repos}") } else { "i + 1".into() }
            ),
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM n WHERE i+1 < {}) INSERT INTO gc_runs (repo, finished_at, outcome, packs_before, packs_after, bytes_before, bytes_after, elapsed_ms, component, consolidated_key) SELECT 11 + i % {repos}, '2026-03-02T09:00:00.123456789Z', CASE i % 3 WHEN 0 THEN 'consolidated' ELSE 'skipped' END, 3, 1, 3, 4, 5, 'sha256:x', 'sha256:aaaaaaaaaaaaaaaa' FROM n",
                repos * 3
            ),
            format!(
                "INSERT OR IGNORE INTO retired SELECT 11 + (id*7) % {repos}, id, '2026-03-02T09:00:00Z' FROM packs WHERE id % 2 = 0"
            ),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut c).await.unwrap();
        }
        let catalog = SqliteCatalog::open(&path).await.unwrap();
        for round in 0..2 {
            let start = Instant::now();
            let mut after = None;
            let mut pages = Vec::new();
            let mut n = 0;
            loop {
                let s = Instant::now();
                let page = catalog.summaries(after.as_ref(), 1000).await.unwrap();
                pages.push(s.elapsed());
                n += page.len();
                if page.len() < 1000 {
                    break;
                }
                after = page.into_iter().last().map(|p| p.repo);
            }
            pages.sort();
            eprintln!(
                "{repos} repos x {shelves} shelves, round {round}: {n} in {:?}; page median {:?} max {:?}",
                start.elapsed(),
                pages[pages.len() / 2],
                pages[pages.len() - 1]
            );
        }
        let time = async |what: &str, n: u32| {
            let _ = (what, n);
        };
        let _ = time;
        let s = Instant::now();
        for _ in 0..100 {
            store.store.change_stamp().await.unwrap();
        }
        eprintln!("change_stamp {:?}", s.elapsed() / 100);
        for text in ["", "slug999", "no such thing"] {
            let s = Instant::now();
            let n = catalog
                .gc_runs(packhouse_host::catalog::RunsQuery { repo: None, text, before: None, limit: 0 })
                .await
                .unwrap()
                .len();
            let zero = s.elapsed();
            let s = Instant::now();
            let q = GcQuery { text: text.into(), limit: 100, ..GcQuery::default() };
            let m = store.store.gc_entries(&q).await.map(|l| l.len()).unwrap_or(usize::MAX);
            eprintln!("history {text:?}: {n} {zero:?} / {m} {:?}", s.elapsed());
        }
        let s = Instant::now();
        let paces = catalog.gc_paces(20).await.unwrap().len();
        eprintln!("paces {paces} {:?}", s.elapsed());
    }
}
