//! Two workers and two pushers on Postgres and S3, and every few seconds a worker is killed. For
//! `PACKHOUSE_SOAK_SECONDS`: a few by default, ten minutes by hand (docs/operations.md).

#![allow(clippy::disallowed_methods)]

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use packhouse_host::sample::Random;
use packhouse_tests::binary::Packhouse;
use packhouse_tests::seed::chain;
use packhouse_tests::{model, postgres, s3};

/// How long it goes on.
fn duration() -> Duration {
    let seconds =
        std::env::var("PACKHOUSE_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

fn start_worker(packhouse: &Packhouse, number: u64) -> Child {
    let name = format!("w{number}");
    let words =
        ["worker", "--name", &name, "--lease", "2s", "--policies", "1s", "--concurrency", "2"];
    packhouse.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Stops the killer of workers when it is dropped, also by a panic: otherwise the scope would wait
/// for the killer forever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Kills one of two workers every few seconds and starts another, until it is asked to stop; then
/// lets both end.
fn kill_workers(packhouse: &Packhouse, stop: &AtomicBool, kills: &AtomicU64) {
    let mut random = Random::new(7);
    let mut workers = [start_worker(packhouse, 0), start_worker(packhouse, 1)];
    let mut number = 2;
    while !stop.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(500 + random.below(3500) as u64));
        let worker = &mut workers[number as usize % 2];
        worker.kill().unwrap();
        worker.wait().unwrap();
        kills.fetch_add(1, Ordering::SeqCst);
        *worker = start_worker(packhouse, number);
        number += 1;
    }
    // Give the last one time to start: before that, a signal ends it as any program.
    std::thread::sleep(Duration::from_secs(2));
    for mut worker in workers {
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&worker),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        assert!(worker.wait().unwrap().success(), "a worker that is asked to stop ends well");
    }
}

/// Pushes one pack after the other, reads the repo now and then, and returns what it has pushed.
fn push(packhouse: &Packhouse, repo: &str, later: bool, until: Instant) -> Vec<Vec<u8>> {
    let (mut pushed, mut tip) = (Vec::new(), None::<String>);
    while Instant::now() < until {
        let number = pushed.len();
        let next = chain(1 + number % 3, &format!("{repo}-{number}"), tip.as_deref());
        let file =
            packhouse.file(&format!("{}-{number}.mpack", repo.replace('/', "-")), &next.pack);
        let words = ["push", repo, &file, "--async"];
        // Others consolidate at the same time; a conflict with another writer is safe to retry, and
        // says so.
        for tries in 0.. {
            let ran = packhouse.run(&words[..if later { 4 } else { 3 }]);
            if ran.code == 3 && tries < 20 {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
            ran.ok();
            break;
        }
        tip = Some(next.tip);
        pushed.push(next.pack);
        if number % 10 == 9 {
            packhouse.run(["prune", "--grace", "0s", "--async"]).ok();
            packhouse.run(["fetch", repo]).ok();
        }
        if number % 25 == 24 {
            packhouse.run(["verify", repo]).ok();
            packhouse.run(["gc", repo, "--async"]).ok();
        }
    }
    pushed
}

#[test]
fn two_workers_and_two_pushers_lose_nothing_however_often_a_worker_is_killed() {
    let Some(cluster) = postgres::cluster() else { return };
    let server = s3::S3Server::start();
    let packhouse = Packhouse::new()
        .with_env("PACKHOUSE_DATABASE_URL", &cluster.database("soak"))
        .in_bucket(&server);
    packhouse.run(["repo", "create", "a/b"]).ok();
    packhouse.run(["repo", "create", "c/d"]).ok();
    packhouse.run(["policy", "set", "--max-packs", "4", "--growth", "1"]).ok();
    let (stop, kills) = (AtomicBool::new(false), AtomicU64::new(0));
    let until = Instant::now() + duration();
    let (now, later) = std::thread::scope(|threads| {
        let stopped = Stop(&stop);
        let killer = threads.spawn(|| kill_workers(&packhouse, &stop, &kills));
        let now = threads.spawn(|| push(&packhouse, "a/b", false, until));
        let later = threads.spawn(|| push(&packhouse, "c/d", true, until));
        let pushed = (now.join().unwrap(), later.join().unwrap());
        drop(stopped);
        killer.join().unwrap();
        pushed
    });
    // What the dead had is taken over, what waits for another attempt is done.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        packhouse.run(["worker", "--drain", "--no-policies"]).ok();
        let open = |status: &str| {
            packhouse
                .run(["jobs", "list", "--status", status, "--limit", "1"])
                .ok()
                .documents()
                .len()
        };
        if open("queued") + open("running") == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "jobs are left: {}",
            packhouse.run(["jobs", "list", "--status", "queued"]).stdout
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    let failed = packhouse.run(["jobs", "list", "--status", "failed"]).ok().stdout;
    assert_eq!(failed, "", "jobs were given up");
    packhouse.run(["verify"]).ok();
    for (repo, packs) in [("a/b", &now), ("c/d", &later)] {
        // Every record of every push, byte for byte: the one pack is as if no process had ever
        // died.
        let key = packhouse.run(["gc", repo]).ok().json()["consolidated_key"].clone();
        assert_eq!(key, model::key(&model::consolidate(packs, &model::heads_of(packs))), "{repo}");
        assert_eq!(packhouse.run(["fetch", repo]).ok().json()["missing"], 0, "{repo}");
    }
    packhouse.run(["prune", "--grace", "0s"]).ok();
    packhouse.run(["verify"]).ok();
    let jobs = packhouse.run(["metrics"]).ok().stdout;
    let jobs: Vec<&str> = jobs.lines().filter(|line| line.starts_with("packhouse_jobs{")).collect();
    println!(
        "{} and {} pushes, {} workers killed; {jobs:?}",
        now.len(),
        later.len(),
        kills.load(Ordering::SeqCst)
    );
    assert!(kills.load(Ordering::SeqCst) >= 3);
}
