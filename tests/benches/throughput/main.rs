//! Consolidation, ingest and download against the limit of the machine, measured side by side in one run.
//!
//! ```text
//! cargo bench -p packhouse-tests --bench throughput            all cases, three rounds
//! cargo bench -p packhouse-tests --bench throughput -- a 5     case a, five rounds
//! cargo bench -p packhouse-tests --bench throughput -- rows-1e7 1    only by its name: some minutes
//! ```
//!
//! The *limit* of a case is the least that anyone could do with the bytes that it writes: one
//! SHA-256 pass over them with the fastest library here, plus one copy of them to a new file (as
//! many files as the case writes), durable. Ours hashes them twice (each object, and the pack),
//! plans, proves, reads back, indexes and publishes. A download hashes each object of the consolidated
//! pack while it is streamed, here to a file.
//!
//! Beside cases a, b and c stand git, restic and a plain job in Python, where they are installed, in turns
//! with ours ([`peers`]).
//!
//! Each measured run is a process of its own, so that its peak memory is its own. It opens the
//! store before the clock starts: compiling the component is no part of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, missing_docs)]

mod peers;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use jiff::Timestamp;
use packhouse_host::catalog::PackRow;
use packhouse_host::pack::Directory;
use packhouse_host::run::{AnswerSource, Directories};
use packhouse_host::vault::Vault;
use packhouse_host::{
    GcOptions, MpackKey, Progress, PushOptions, RepoName, StoreOptions, Visibility,
};
use packhouse_tests::cases::{Case, write_case};

use peers::{PEERS, Prepared};

const CASES: [Case; 7] = [
    Case { name: "a", packs: 64, objects: 4096, bytes: 2048, duplicates: false },
    Case { name: "b", packs: 16, objects: 64, bytes: 1 << 20, duplicates: false },
    Case { name: "c", packs: 1000, objects: 100, bytes: 256, duplicates: true },
    // Law 6: rows that publishing changes, at 10^5 and 10^6 objects in as many packs.
    Case { name: "rows-1e5", packs: 20, objects: 5_000, bytes: 16, duplicates: false },
    Case { name: "rows-1e6", packs: 20, objects: 50_000, bytes: 16, duplicates: false },
    Case { name: "rows-1e7", packs: 200, objects: 50_000, bytes: 16, duplicates: false },
    Case { name: "rows-3e7", packs: 600, objects: 50_000, bytes: 16, duplicates: false },
];

/// Cases that others are measured with as well.
const COMPARED: [&str; 3] = ["a", "b", "c"];

/// Cases that run only if they are chosen by name.
const LARGE: [&str; 2] = ["rows-1e7", "rows-3e7"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("child") => child(&arguments[1..]),
        Some("--test") => println!("benchmarks don't run as tests"),
        chosen => {
            let rounds = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(3);
            let chosen = chosen.filter(|c| *c != "all");
            println!("| case | what | limit | ours | of the limit | peak memory | rows changed |");
            println!("|---|---|---|---|---|---|---|");
            let is_chosen = |case: &&Case| match chosen {
                Some(name) => name == case.name,
                None => !LARGE.contains(&case.name),
            };
            for case in CASES.iter().filter(is_chosen) {
                measure(case, rounds);
            }
        }
    }
}

/// What a measured process says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Measured {
    seconds: f64,
    /// Peak resident memory in bytes.
    peak: u64,
    rows: u64,
}

fn measure(case: &Case, rounds: usize) {
    // Beside the build, where the disk is the one that the project lives on.
    let root = std::env::var_os("PACKHOUSE_BENCH_DIR")
        .map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
        .join("throughput");
    let _ = std::fs::remove_dir_all(&root);
    std::fs::create_dir_all(&root).unwrap();
    let packs = write_case(&root.join("packs"), case);
    let (mut limits, mut ours, mut peaks, mut rows) = (vec![], vec![], vec![], 0);
    let (mut downloads, mut download_peaks) = (vec![], vec![]);
    let (mut ingest_limits, mut ingests, mut ingest_peaks) = (vec![], vec![], vec![]);
    let (mut geometric, mut geometric_peaks) = (vec![], vec![]);
    let mut peers = prepared(&root, case, &packs);
    for round in 0..rounds {
        let store = root.join(format!("store-{round}"));
        ingest_limits.push(limit(&packs, &root, true));
        let measured = run("push", &store, &packs);
        ingests.push(measured.seconds);
        ingest_peaks.push(measured.peak);

        let copy = root.join("geometric");
        must(Command::new("cp").arg("-r").arg(&store).arg(&copy));
        // What the copy has left to write is no part of a run.
        must(&mut Command::new("sync"));
        let measured = run("gc-geometric", &copy, &[]);
        geometric.push(measured.seconds);
        geometric_peaks.push(measured.peak);
        std::fs::remove_dir_all(&copy).unwrap();

        let measured = run("gc", &store, &[]);
        ours.push(measured.seconds);
        peaks.push(measured.peak);
        rows = measured.rows;
        let pack = consolidated(&store);
        limits.push(limit(&pack, &root, false));
        let measured = run("download", &store, &pack);
        downloads.push(measured.seconds);
        download_peaks.push(measured.peak);
        std::fs::remove_dir_all(&store).unwrap();
        for (peer, seconds) in &mut peers {
            seconds.push(peer.consolidate());
        }
    }
    let line = |what: &str, limits: &[Limit], ours: &[f64], peaks: &[u64], rows: &str| {
        let limit = median(limits.iter().map(|l| l.hash + l.copy).collect());
        let hash = median(limits.iter().map(|l| l.hash).collect());
        let mine = median(ours.to_vec());
        println!(
            "| {} | {what} | {limit:.2} s ({hash:.2} hash + {:.2} copy) | {mine:.2} s | {:.2} | {} | {rows} |",
            case.name,
            limit - hash,
            limit / mine,
            peaks.iter().max().map_or(String::new(), |peak| format!("{} MB", peak / 1_000_000)),
        );
    };
    line("ingest", &ingest_limits, &ingests, &ingest_peaks, "");
    line("consolidation", &limits, &ours, &peaks, &rows.to_string());
    line("consolidation, `--geometric`", &limits, &geometric, &geometric_peaks, "");
    for (peer, seconds) in &peers {
        line(peer.name(), &limits, seconds, &[], "");
    }
    line("download", &limits, &downloads, &download_peaks, "");
    let _ = std::fs::remove_dir_all(&root);
}

/// The others that a case is measured with, and their seconds.
fn prepared(root: &Path, case: &Case, packs: &[PathBuf]) -> Vec<(Prepared, Vec<f64>)> {
    let mut all = Vec::new();
    for (number, peer) in PEERS.iter().enumerate().filter(|_| COMPARED.contains(&case.name)) {
        match peer.prepare(&root.join(format!("peer-{number}")), case, packs) {
            Ok(prepared) => all.push((prepared, Vec::new())),
            Err(why) => eprintln!("case {}: {}: {why}", case.name, peer.name),
        }
    }
    all
}

/// Runs a program that has to succeed.
fn must(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

struct Limit {
    hash: f64,
    copy: f64,
}

/// One SHA-256 pass over the files, plus one durable copy of them.
fn limit(files: &[PathBuf], root: &Path, each: bool) -> Limit {
    let mut hash = Duration::ZERO;
    let mut buffer = vec![0u8; 4 << 20];
    for file in files {
        let mut file = File::open(file).unwrap();
        let mut sum = ring::digest::Context::new(&ring::digest::SHA256);
        loop {
            // Reading is no part of the hash: the copy pays for it.
            let n = std::io::Read::read(&mut file, &mut buffer).unwrap();
            if n == 0 {
                break;
            }
            let start = Instant::now();
            sum.update(&buffer[..n]);
            hash += start.elapsed();
        }
        std::hint::black_box(sum.finish());
    }
    let start = Instant::now();
    let targets: Vec<PathBuf> =
        (0..if each { files.len() } else { 1 }).map(|i| root.join(format!("copy-{i}"))).collect();
    let mut out = File::create(&targets[0]).unwrap();
    for (i, file) in files.iter().enumerate() {
        if each && i > 0 {
            out.sync_all().unwrap();
            out = File::create(&targets[i]).unwrap();
        }
        let mut file = File::open(file).unwrap();
        loop {
            let n = std::io::Read::read(&mut file, &mut buffer).unwrap();
            if n == 0 {
                break;
            }
            out.write_all(&buffer[..n]).unwrap();
        }
    }
    out.sync_all().unwrap();
    let copy = start.elapsed();
    drop(out);
    for target in targets {
        std::fs::remove_file(target).unwrap();
    }
    Limit { hash: hash.as_secs_f64(), copy: copy.as_secs_f64() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn run(verb: &str, store: &Path, files: &[PathBuf]) -> Measured {
    let out = Command::new(std::env::current_exe().unwrap())
        .arg("child")
        .arg(verb)
        .arg(store)
        .args(files)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    std::io::stderr().write_all(&out.stderr).unwrap();
    serde_json::from_slice(&out.stdout).unwrap()
}

/// Runs one verb in a process of its own, and says how long it took and how much memory it had.
fn child(arguments: &[String]) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (verb, folder, files) = (&arguments[0], &arguments[1], &arguments[2..]);
    let measured = runtime.block_on(async {
        let mut options = StoreOptions::embedded(folder);
        options.cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("component-cache"));
        let store = options.open().await.unwrap();
        let repo: RepoName = "bench/repo".parse().unwrap();
        // With PACKHOUSE_BENCH_TRACE, the moment at which each phase is first and last heard of.
        let (trace, began) = (std::env::var_os("PACKHOUSE_BENCH_TRACE").is_some(), Instant::now());
        let last = std::sync::Mutex::new(None);
        let progress = Progress::new(move |event| {
            if trace && last.lock().unwrap().replace(event.phase) != Some(event.phase) {
                eprintln!("{:>8.3} s {}", began.elapsed().as_secs_f64(), event.phase.label());
            }
        });
        let mut rows = 0;
        let start;
        if verb == "push" {
            store.create_repo(&repo, Visibility::Public).await.unwrap();
            start = Instant::now();
            for file in files {
                store.push(&repo, &[file.into()], PushOptions::default(), &progress).await.unwrap();
            }
        } else if verb == "download" {
            let (source, out) = (download_of(folder, &repo, &files[0]).await, &files[0]);
            let mut out = File::create(format!("{out}.copy")).unwrap();
            start = Instant::now();
            let mut stream = Box::pin(source.stream(0..source.bytes()));
            while let Some(chunk) = stream.next().await {
                out.write_all(&chunk.unwrap()).unwrap();
            }
            out.sync_all().unwrap();
        } else {
            start = Instant::now();
            let options = match verb.as_str() {
                "gc-geometric" => GcOptions::GEOMETRIC,
                _ => GcOptions::default(),
            };
            rows = store.gc(&repo, options, &progress).await.unwrap().rows_changed;
        }
        Measured { seconds: start.elapsed().as_secs_f64(), peak: peak(), rows }
    });
    println!("{}", serde_json::to_string(&measured).unwrap());
}

/// The bytes of a stored pack, as a server streams them.
async fn download_of(store: &str, repo: &RepoName, pack: &str) -> Arc<AnswerSource> {
    let name = Path::new(pack).file_stem().unwrap().to_str().unwrap();
    let key: MpackKey = format!("sha256:{name}").parse().unwrap();
    let vault = Vault::local(Path::new(store)).unwrap();
    let directory = vault.directory(&key).await.unwrap().unwrap();
    let directory = Directory::read(key, directory).unwrap();
    let pack = PackRow {
        id: 1,
        key,
        bytes: directory.pack_bytes,
        records: directory.len(),
        consolidated: true,
        stored_at: Timestamp::UNIX_EPOCH,
        verified_at: None,
    };
    let directories = Directories::new(repo.clone(), vault);
    Arc::new(AnswerSource::of_pack(directories, Arc::default(), pack))
}

/// Peak resident memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The one pack of a consolidated store: the newest under `packs/`.
fn consolidated(store: &Path) -> Vec<PathBuf> {
    let mut packs: Vec<PathBuf> = Vec::new();
    for folder in std::fs::read_dir(store.join("packs")).unwrap() {
        packs.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|e| e.unwrap().path()));
    }
    packs.retain(|p| p.extension().is_some_and(|e| e == "mpack"));
    packs.sort_by_key(|p| std::fs::metadata(p).unwrap().modified().unwrap());
    packs.pop().into_iter().collect()
}
