//! What clients ask before they fetch or push: branch heads, common commits, missing objects; in
//! repos of growing size, on SQLite and on Postgres.
//!
//! The repo is a line of commits in the catalog alone, ten objects each, every tenth the head of a
//! branch: these requests read no pack. Each is made six times; the time is the median of the last
//! five. *Walks all* is what a client costs that has only the first commit.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use packhouse_core::{Edges, Kind};
use packhouse_host::catalog::{Catalog, PublishOutcome, PushedPack};
use packhouse_host::clock::SystemClock;
use packhouse_host::{CatalogPlace, Store, StoreOptions, Visibility};
use packhouse_tests::conformance::desk::{self, Desk};
use packhouse_tests::postgres;

/// Commits of the repos.
const SIZES: [u64; 3] = [1_000, 10_000, 100_000];
/// Commits of a push.
const PUSH: u64 = 5_000;
/// IDs of a request.
const IDS: u64 = 1_000;

/// A number whose id is nowhere near that of its neighbours.
fn scattered(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn commit(number: u64) -> String {
    desk::id(scattered(number)).to_string()
}

/// Measures on both engines, and prints a table.
pub(crate) async fn measure() {
    println!("| branches | commits | objects | catalog | request | took |");
    println!("|---|---|---|---|---|---|");
    for commits in SIZES {
        let folder = tempfile::tempdir().unwrap();
        let file = CatalogPlace::Sqlite(folder.path().join("catalog.db"));
        on("SQLite", folder.path(), file, commits).await;
        let cluster = postgres::cluster().expect("Postgres is installed");
        let database = cluster.database(&format!("negotiation_{commits}"));
        let folder = tempfile::tempdir().unwrap();
        on("Postgres", folder.path(), CatalogPlace::Postgres(database), commits).await;
    }
}

async fn on(engine: &str, folder: &Path, place: CatalogPlace, commits: u64) {
    let options = StoreOptions {
        catalog: place.clone(),
        clock: Arc::new(SystemClock),
        cache: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-cache")),
        ..StoreOptions::embedded(folder)
    };
    let store = options.open().await.unwrap();
    let repo = desk::name("a/b");
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    fill(place.open().await.unwrap(), commits).await;
    let asked = Asked { store, commits, engine };
    let last = commits - 1;
    let recent = (0..IDS.min(commits)).map(|n| commit(last - n)).collect::<Vec<_>>();
    let unknown = (0..IDS).map(|n| commit(1_000_000_000 + n)).collect::<Vec<_>>();
    let objects = |first: u64| -> Vec<String> {
        let mixed = |n| if n % 2 == 0 { first + n } else { 1_000_000_000 + n };
        (0..IDS).map(|n| commit(mixed(n))).collect()
    };
    asked.heads().await;
    asked.common("the last 1000 commits", &recent).await;
    asked.common("1000 commits that are unknown", &unknown).await;
    asked.common("one, a hundred commits back", &[commit(last - 100)]).await;
    asked.common("one, the first (walks all)", &[commit(0)]).await;
    asked.missing("1000 objects, half of them unknown", &objects(0), false).await;
    asked.missing("the same, by a client that may push", &objects(0), true).await;
}

/// Publishes the repo, without packs.
async fn fill(catalog: Arc<dyn Catalog>, commits: u64) {
    let name = desk::name("a/b");
    let repo = catalog.repo(&name).await.unwrap().unwrap().id;
    let desk = Desk { catalog, name, repo };
    for first in (0..commits).step_by(PUSH as usize) {
        let numbers = first..(first + PUSH).min(commits);
        let fresh = |kind, numbers: std::ops::Range<u64>| {
            let mut fresh: Vec<_> =
                numbers.flat_map(|n| desk::fresh(kind, scattered(n)..scattered(n) + 1)).collect();
            fresh.sort_unstable_by_key(|entity| entity.row.entity);
            fresh
        };
        let mut all = fresh(Kind::Object, numbers.start * 10..numbers.end * 10);
        all.extend(fresh(Kind::Commit, numbers.clone()));
        all.sort_unstable_by_key(|entity| entity.row.entity);
        let records = all.len() as u64;
        let pack = PushedPack { fresh: all, records, ..desk::pack(first, 0..0) };
        let mut push = desk.prepare(vec![pack]).await;
        let id = |n: u64| desk::id(scattered(n));
        let edges = |n: u64| Edges {
            commit: id(n),
            parents: [n.checked_sub(1).map(id), None],
            snapshot: Some(id(n)),
        };
        push.edges = numbers.clone().map(edges).collect();
        push.heads = numbers
            .filter(|n| n % 10 == 0)
            .map(|n| desk::head(&format!("branch-{n:09}"), scattered(n)))
            .collect();
        assert!(matches!(desk.publish(&push).await, PublishOutcome::Done { .. }));
    }
}

/// A store that is asked.
struct Asked<'a> {
    store: Store,
    commits: u64,
    engine: &'a str,
}

impl Asked<'_> {
    async fn heads(&self) {
        let (store, repo) = (&self.store, desk::name("a/b"));
        self.time("all branch heads", async || {
            let heads = store.refs(&repo).await.unwrap().branch_heads.len();
            assert_eq!(heads as u64, self.commits / 10);
        })
        .await;
    }

    /// The commits that the client and the repo have, for a fetch of the last.
    async fn common(&self, what: &str, have: &[String]) {
        let (store, repo) = (&self.store, desk::name("a/b"));
        let want = [commit(self.commits - 1)];
        self.time(&format!("common commits of {what}"), async || {
            store.common(&repo, &want, have.to_vec(), false).await.unwrap();
        })
        .await;
    }

    async fn missing(&self, what: &str, objects: &[String], may_push: bool) {
        let (store, repo) = (&self.store, desk::name("a/b"));
        self.time(&format!("missing of {what}"), async || {
            let missing = store.missing_objects(&repo, objects.to_vec(), may_push).await.unwrap();
            assert_eq!(missing.len() as u64, IDS / 2);
        })
        .await;
    }

    async fn time(&self, what: &str, ask: impl AsyncFn()) {
        let mut times = Vec::new();
        for _ in 0..6 {
            let began = Instant::now();
            ask().await;
            times.push(began.elapsed().as_secs_f64());
        }
        let mut last = times[1..].to_vec();
        last.sort_by(f64::total_cmp);
        let (branches, objects) = (self.commits / 10, 10 * self.commits);
        let (commits, engine, took) = (self.commits, self.engine, last[2] * 1e3);
        println!("| {branches} | {commits} | {objects} | {engine} | {what} | {took:.1} ms |");
    }
}
