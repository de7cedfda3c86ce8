//! Pushes a second, by the number of clients that push at once: what the group commit is worth.
//!
//! ```text
//! cargo bench -p packhouse-tests --bench commits             three rounds
//! cargo bench -p packhouse-tests --bench commits -- 5        five rounds
//! ```
//!
//! Clients push to sixteen repos of one store on SQLite and files, each to a branch of its own: a
//! commit with eight objects of 4 KiB, one after the other. The *limit* is a program that writes as
//! many files of that size one after the other, syncs each and its folder, and appends a page to a
//! log and syncs that. The numbers of clients are measured in turns.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use packhouse_host::sample::{CommitSpec, IdForm, PackBuilder, Random, SnapshotSpec};
use packhouse_host::{Progress, PushOptions, RepoName, Store, StoreOptions, Visibility};

const CLIENTS: [usize; 4] = [1, 4, 16, 64];
const REPOS: usize = 16;
/// Pushes of all clients together.
const PUSHES: usize = 1024;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "--test") {
        return println!("benchmarks don't run as tests");
    }
    let rounds = arguments.first().and_then(|n| n.parse().ok()).unwrap_or(3);
    let root = std::env::var_os("PACKHOUSE_BENCH_DIR")
        .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
        .join("commits");
    let mut measured: Vec<Vec<Rate>> = vec![Vec::new(); CLIENTS.len()];
    let mut limits = Vec::new();
    for _ in 0..rounds {
        limits.push(limit(&root.join("limit")));
        for (clients, measured) in CLIENTS.iter().zip(&mut measured) {
            let _ = std::fs::remove_dir_all(&root);
            measured.push(measure(&root, *clients));
        }
    }
    let _ = std::fs::remove_dir_all(&root);
    let limit = median(limits);
    println!("limit, one after the other: {limit:.0} a second");
    println!("| clients | pushes a second | of one client | of the limit | p50 | p99 |");
    println!("|---|---|---|---|---|---|");
    let rate = |rates: &[Rate]| median(rates.iter().map(|rate| rate.pushes).collect());
    let alone = rate(&measured[0]);
    for (clients, rates) in CLIENTS.iter().zip(&measured) {
        let pushes = rate(rates);
        let [half, most] = [|r: &Rate| r.half, |r: &Rate| r.most]
            .map(|of| median(rates.iter().map(of).collect()) * 1000.0);
        println!(
            "| {clients} | {pushes:.0} | {:.2} | {:.2} | {half:.1} ms | {most:.1} ms |",
            pushes / alone,
            pushes / limit
        );
    }
}

/// How fast some clients were.
#[derive(Clone)]
struct Rate {
    /// Pushes a second.
    pushes: f64,
    /// How long a push took, in seconds: the median, and the 99th percentile.
    half: f64,
    most: f64,
}

fn measure(root: &Path, clients: usize) -> Rate {
    let files: Vec<Vec<PathBuf>> =
        (0..clients).map(|client| packs_of(root, client, PUSHES / clients)).collect();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (mut times, elapsed) = runtime.block_on(async {
        let mut options = StoreOptions::embedded(root.join("store"));
        options.cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-cache"));
        let store = options.open().await.unwrap();
        for repo in 0..REPOS {
            store.create_repo(&repo_of(repo), Visibility::Public).await.unwrap();
        }
        let began = Instant::now();
        let pushing = files
            .into_iter()
            .enumerate()
            .map(|(client, files)| tokio::spawn(push_all(store.clone(), repo_of(client), files)));
        let mut times = Vec::with_capacity(PUSHES);
        for client in pushing.collect::<Vec<_>>() {
            times.extend(client.await.unwrap());
        }
        (times, began.elapsed())
    });
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64();
    Rate { pushes: times.len() as f64 / elapsed.as_secs_f64(), half: at(0.5), most: at(0.99) }
}

fn repo_of(client: usize) -> RepoName {
    format!("bench/repo-{}", client % REPOS).parse().unwrap()
}

async fn push_all(store: Store, repo: RepoName, files: Vec<PathBuf>) -> Vec<Duration> {
    let (progress, mut times) = (Progress::new(|_| {}), Vec::with_capacity(files.len()));
    for file in files {
        let began = Instant::now();
        store.push(&repo, &[file], PushOptions::default(), &progress).await.unwrap();
        times.push(began.elapsed());
    }
    times
}

/// The packs of a client: a commit each, on top of the last, on its own branch.
fn packs_of(root: &Path, client: usize, pushes: usize) -> Vec<PathBuf> {
    let folder = root.join(format!("client-{client}"));
    std::fs::create_dir_all(&folder).unwrap();
    let mut random = Random::new(client as u64);
    let mut parent: Option<String> = None;
    let pack = |number: usize| {
        let mut pack = PackBuilder::new();
        let object = |at| {
            let mut content = vec![0; 4096];
            random.fill(&mut content);
            (format!("file-{at}"), pack.object(&content))
        };
        let upsert = (0..8).map(object).collect();
        let id = IdForm::Bare.id_of(format!("tree {number} of {client}").as_bytes());
        let snapshot =
            SnapshotSpec::Delta { id: id.clone(), parent: None, upsert, remove: Vec::new() };
        let (form, message) = (IdForm::Bare, format!("push {number}"));
        let time = "2026-01-01T00:00:00+00:00";
        let commit = CommitSpec::new(form, [parent.as_deref(), None], &id, &message, time);
        pack.snapshot(&snapshot)
            .commit(&commit)
            .branch_head(format!("client-{client}"), &commit.id);
        parent = Some(commit.id);
        let path = folder.join(format!("{number:04}.mpack"));
        std::fs::write(&path, pack.finish()).unwrap();
        path
    };
    let paths: Vec<PathBuf> = (0..pushes).map(pack).collect();
    // On disk before the clock starts.
    paths.iter().for_each(|path| File::open(path).unwrap().sync_all().unwrap());
    paths
}

/// Durable writes of one thread, in a second.
fn limit(folder: &Path) -> f64 {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let (pack, page) = (vec![7; 8 * 4096 + 2048], [7; 4096]);
    let mut log = OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
    let began = Instant::now();
    let writes = 256;
    for number in 0..writes {
        let mut file = File::create(folder.join(format!("{number}"))).unwrap();
        file.write_all(&pack).unwrap();
        file.sync_all().unwrap();
        File::open(folder).unwrap().sync_all().unwrap();
        log.write_all(&page).unwrap();
        log.sync_data().unwrap();
    }
    f64::from(writes) / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
