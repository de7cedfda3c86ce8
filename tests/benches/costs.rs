//! What pushes and consolidations cost on Postgres and S3, in requests, bytes and statements, and
//! how that grows.
//!
//! ```text
//! cargo bench -p packhouse-tests --bench costs             all cases
//! cargo bench -p packhouse-tests --bench costs -- 1000     the case with 1000 packs
//! ```
//!
//! Statements are those that the server logs. Costs are counts: they don't depend on the machine;
//! times do, and are shown for their ratios.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use packhouse_host::clock::SystemClock;
use packhouse_host::vault::{Storage, Traffic};
use packhouse_host::{
    CatalogPlace, GcOptions, Progress, PushOptions, RepoName, Store, StoreOptions, Visibility,
};
use packhouse_tests::cases::{Case, write_case};
use packhouse_tests::postgres::{self, Cluster};
use packhouse_tests::s3::S3Server;

/// Packs, and objects in each.
const CASES: [(usize, usize); 4] = [(10, 100), (100, 100), (1000, 100), (20, 50_000)];

/// What was asked of the two servers.
#[derive(Clone, Copy)]
struct Asked {
    traffic: Traffic,
    statements: usize,
    at: Instant,
}

struct Costs {
    store: Store,
    cluster: &'static Cluster,
}

impl Costs {
    fn now(&self) -> Asked {
        // The server writes its log a moment later.
        std::thread::sleep(Duration::from_millis(300));
        let log = std::fs::read_to_string(&self.cluster.log).unwrap();
        let statements = log
            .lines()
            .filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement:"))
            .count();
        Asked { traffic: self.store.traffic(), statements, at: Instant::now() }
    }

    fn tell(&self, packs: usize, objects: usize, what: &str, before: Asked) -> Asked {
        let elapsed = before.at.elapsed();
        let after = self.now();
        let (a, b) = (after.traffic, before.traffic);
        println!(
            "| {packs} × {objects} | {what} | {} | {} | {} | {} | {} | {:.2} s |",
            a.requests - b.requests,
            a.write_requests - b.write_requests,
            a.bytes_down - b.bytes_down,
            a.bytes_up - b.bytes_up,
            after.statements - before.statements,
            elapsed.as_secs_f64()
        );
        after
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.iter().any(|a| a == "--test") {
        println!("benchmarks don't run as tests");
        return;
    }
    let chosen: Option<usize> = arguments.first().and_then(|packs| packs.parse().ok());
    println!(
        "| packs × objects | what | requests | writing | bytes down | bytes up | statements | took |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for (packs, objects) in CASES {
        if chosen.is_none_or(|chosen| chosen == packs) {
            runtime.block_on(measure(packs, objects));
        }
    }
}

async fn measure(packs: usize, objects: usize) {
    let cluster = postgres::cluster().expect("Postgres is installed");
    let server = S3Server::start();
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions {
        catalog: CatalogPlace::Postgres(cluster.database(&format!("costs_{packs}"))),
        packs: Storage::S3(server.options("costs", &folder.path().join("spool"))),
        clock: Arc::new(SystemClock),
        ..StoreOptions::embedded(folder.path())
    };
    let repo: RepoName = "a/b".parse().unwrap();
    let store = options.clone().open().await.unwrap();
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    let silent = Progress::silent();
    let costs = Costs { store: store.clone(), cluster };
    let case = Case { name: "costs", packs, objects, bytes: 64, duplicates: false };
    let files = write_case(folder.path(), &case);
    let mut at = costs.now();
    for (number, file) in files.iter().enumerate() {
        store
            .push(&repo, std::slice::from_ref(file), PushOptions::default(), &silent)
            .await
            .unwrap();
        if number == 0 {
            at = costs.tell(packs, objects, "the first push", at);
        }
        if number + 2 == packs {
            at = costs.now();
        }
    }
    costs.tell(packs, objects, "the last push", at);
    // What was pushed here is in the cache; another machine has to download it.
    std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
    let elsewhere = Costs { store: options.open().await.unwrap(), cluster };
    let opened = elsewhere.now();
    let report = elsewhere.store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
    let at = elsewhere.tell(packs, objects, "consolidation", opened);
    println!("|  | rows that publishing changed: {} | | | | | | |", report.rows_changed);
    elsewhere.store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
    let at = elsewhere.tell(packs, objects, "again: nothing to do", at);
    elsewhere.store.fetch(&repo, &Default::default(), &silent).await.unwrap();
    elsewhere.tell(packs, objects, "a clone", at);
}
