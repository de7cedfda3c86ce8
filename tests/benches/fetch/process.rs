//! A measured run: a process of its own, which opens a store and fetches as a server does.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use packhouse_host::clock::SystemClock;
use packhouse_host::store::{PlannedAnswer, RequestedCommits};
use packhouse_host::vault::{Storage, Traffic};
use packhouse_host::{
    CatalogPlace, FetchRequest, GcOptions, Progress, PushOptions, RepoName, S3Options, Store,
    StoreOptions, Visibility,
};

/// Where a store is.
pub(crate) enum Place {
    Files(PathBuf),
    Servers { spool: PathBuf, database: String, storage: S3Options, log: PathBuf },
}

/// What a measured process says.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Measured {
    /// Seconds until the first byte of its first fetch was there.
    pub(crate) first_byte: f64,
    /// Seconds of its first fetch, and of the second.
    pub(crate) first: f64,
    pub(crate) again: f64,
    /// Of many fetches at once: the sum of their rates, as part of that of one.
    pub(crate) rate: f64,
    /// Peak resident memory in bytes.
    pub(crate) peak: u64,
    /// Bytes read by the first fetch.
    pub(crate) read: u64,
    /// Bytes of the answer.
    pub(crate) sent: u64,
    /// Statements of the first fetch, where a server logs them.
    pub(crate) statements: u64,
}

pub(crate) fn median(mut runs: Vec<Measured>) -> Measured {
    runs.sort_by(|a, b| a.again.total_cmp(&b.again));
    runs[runs.len() / 2].clone()
}

pub(crate) fn child_of<S: AsRef<std::ffi::OsStr>>(
    verb: &str,
    place: &Place,
    words: &[S],
) -> Measured {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", verb]);
    match place {
        Place::Files(folder) => {
            command.arg(folder);
        }
        Place::Servers { spool, database, storage, log } => {
            command.arg(spool).env("BENCH_DATABASE", database).env("BENCH_STORAGE", &storage.url);
            command.env("BENCH_LOG", log).envs(storage.settings.iter().cloned());
        }
    }
    let out = command.args(words).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    std::io::stderr().write_all(&out.stderr).unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

fn options(folder: &Path) -> StoreOptions {
    let mut options = StoreOptions::embedded(folder);
    if let (Ok(database), Ok(url)) =
        (std::env::var("BENCH_DATABASE"), std::env::var("BENCH_STORAGE"))
    {
        options.catalog = CatalogPlace::Postgres(database);
        options.packs = Storage::S3(S3Options {
            url,
            spool: folder.to_owned(),
            budget: 1 << 30,
            retry_timeout: Duration::from_secs(20),
            checksum: Default::default(),
            // They are in the environment.
            settings: Vec::new(),
        });
        options.clock = Arc::new(SystemClock);
    }
    options.cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-cache"));
    options
}

/// Runs one verb in a process of its own, and says what it cost.
pub(crate) fn child(arguments: &[String]) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (verb, folder, words) = (&arguments[0], &arguments[1], &arguments[2..]);
    let measured = runtime.block_on(async {
        let store = options(Path::new(folder)).open().await.unwrap();
        let repo: RepoName = "bench/repo".parse().unwrap();
        let silent = Progress::silent();
        match verb.as_str() {
            "push" => {
                if store.repo(&repo).await.is_err() {
                    store.create_repo(&repo, Visibility::Public).await.unwrap();
                }
                for file in words {
                    store
                        .push(&repo, &[file.into()], PushOptions::default(), &silent)
                        .await
                        .unwrap();
                }
                Measured::default()
            }
            "gc" => {
                store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
                Measured::default()
            }
            "fifty" => fifty(&store, &repo).await,
            _ => twice(&store, &repo, verb, words).await,
        }
    });
    println!("{}", serde_json::to_string(&measured).unwrap());
}

async fn twice(store: &Store, repo: &RepoName, verb: &str, have: &[String]) -> Measured {
    let mut measured = Measured::default();
    for round in 0..2 {
        let before = Counters::now(store);
        let began = Instant::now();
        let have = have.get(round).or(have.last()).cloned().into_iter().collect();
        let (first_byte, sent) = match verb {
            "show" => {
                store.summary(repo).await.unwrap();
                (0.0, 0)
            }
            "url" => (0.0, url(store, repo).await),
            _ => stream(store, repo, have).await,
        };
        let seconds = began.elapsed().as_secs_f64();
        if round == 0 {
            let after = Counters::now(store);
            measured.first_byte = first_byte;
            measured.first = seconds;
            measured.read = after.read - before.read;
            measured.statements = after.statements - before.statements;
            measured.sent = sent;
        } else {
            measured.again = seconds;
        }
    }
    measured.peak = peak_of("self").unwrap();
    measured
}

async fn planned(store: &Store, repo: &RepoName, have: Vec<String>) -> Arc<PlannedAnswer> {
    let request = FetchRequest { have, ..FetchRequest::default() };
    let requested = RequestedCommits::of(repo, &request).unwrap();
    store.plan_fetch(repo, &requested, async { Ok(()) }).await.unwrap()
}

/// What a server does for the URL of a clone; the size of its pack.
async fn url(store: &Store, repo: &RepoName) -> u64 {
    let planned = planned(store, repo, Vec::new()).await;
    store.key_of_answer(&planned).await.unwrap();
    store.stored_url(&planned.content, Duration::from_secs(3600)).await.unwrap();
    planned.content.bytes()
}

/// Reads an answer as it is sent: seconds until the first byte is there, and how many there are.
async fn stream(store: &Store, repo: &RepoName, have: Vec<String>) -> (f64, u64) {
    let began = Instant::now();
    let planned = planned(store, repo, have).await;
    let mut stream = store.open_answer(&planned, 0..u64::MAX).await.unwrap().unwrap();
    let (mut first_byte, mut sent) = (None, 0);
    while let Some(chunk) = stream.next().await {
        first_byte.get_or_insert_with(|| began.elapsed().as_secs_f64());
        sent += chunk.unwrap().len() as u64;
    }
    assert_eq!(sent, planned.content.bytes());
    (first_byte.unwrap_or_default(), sent)
}

/// One clone, and then fifty at once.
async fn fifty(store: &Store, repo: &RepoName) -> Measured {
    let (_, bytes) = stream(store, repo, Vec::new()).await;
    let began = Instant::now();
    stream(store, repo, Vec::new()).await;
    let one = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let clone = || {
        let (store, repo) = (store.clone(), repo.clone());
        tokio::spawn(async move { stream(&store, &repo, Vec::new()).await })
    };
    let clones: Vec<_> = (0..50).map(|_| clone()).collect();
    let mut sent = 0;
    for clone in clones {
        sent += clone.await.unwrap().1;
    }
    let all = began.elapsed().as_secs_f64();
    let rate = (sent as f64 / all) / (bytes as f64 / one);
    Measured {
        first: one,
        again: all,
        peak: peak_of("self").unwrap(),
        sent,
        rate,
        ..Measured::default()
    }
}

struct Counters {
    read: u64,
    statements: u64,
}

impl Counters {
    fn now(store: &Store) -> Counters {
        let Ok(log) = std::env::var("BENCH_LOG") else {
            let io = std::fs::read_to_string("/proc/self/io").unwrap();
            let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
            return Counters { read: read.parse().unwrap(), statements: 0 };
        };
        // The server writes its log a moment later.
        std::thread::sleep(Duration::from_millis(300));
        let mut text = String::new();
        File::open(log).unwrap().read_to_string(&mut text).unwrap();
        let is_statement =
            |line: &&str| line.contains("LOG:  execute") || line.contains("LOG:  statement:");
        let statements = text.lines().filter(is_statement).count() as u64;
        let Traffic { bytes_down, .. } = store.traffic();
        Counters { read: bytes_down, statements }
    }
}

/// Peak resident memory of a process, in bytes.
pub(crate) fn peak_of(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}
