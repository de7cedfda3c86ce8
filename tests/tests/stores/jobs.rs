//! Jobs and workers: a queued job is done once, whichever worker dies on the way.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use packhouse_host::clock::{FixedClock, SystemClock};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::worker::{Stop, Worker, WorkerOptions};
use packhouse_host::{
    GcOptions, JobEnded, JobReport, JobStatus, JobsQuery, Operation, Progress, PruneOptions,
    PushOptions, PushStatus, Store, StoreOptions, VerifyOptions, Visibility,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::{self, Fault, Moment};
use packhouse_tests::fixtures;
use packhouse_tests::seed::chain;
use packhouse_tests::store::{TestStore, options};

const AN_HOUR_LATER: &str = "2026-03-02T10:00:00Z";
const TOMORROW: &str = "2026-03-03T09:00:00Z";

/// A store of a folder at a time: each has a clock of its own.
fn at(time: &str, data: &Path) -> StoreOptions {
    StoreOptions {
        clock: Arc::new(FixedClock::starting_at(time.parse().unwrap())),
        ..options(data)
    }
}

fn a_day_later(data: &Path) -> StoreOptions {
    at(TOMORROW, data)
}

fn diligent(name: &str) -> WorkerOptions {
    WorkerOptions {
        name: name.into(),
        lease: Duration::from_secs(3600),
        poll: Duration::from_millis(5),
        policies: None,
        scrubbing: None,
        merging: None,
        drain: true,
        ..WorkerOptions::default()
    }
}

/// Works until there is nothing to do; what ended, in order.
async fn work(store: &Store, options: WorkerOptions) -> Vec<JobEnded> {
    let ended = Arc::new(Mutex::new(Vec::new()));
    let kept = ended.clone();
    let told = move |one: &JobEnded| kept.lock().unwrap().push(one.clone());
    Worker::new(store.clone(), options, Stop::default()).run(told).await.unwrap();
    std::mem::take(&mut ended.lock().unwrap())
}

async fn push_async(store: &TestStore, packs: &[&[u8]]) -> Vec<packhouse_host::PushReport> {
    let files: Vec<_> = packs.iter().map(|pack| store.file(pack)).collect();
    store
        .store
        .push_async(&store.repo, &files, PushOptions::default(), &Progress::silent())
        .await
        .unwrap()
}

async fn job(store: &TestStore, id: i64) -> JobReport {
    store.store.job(id).await.unwrap()
}

#[tokio::test]
async fn a_push_that_is_left_to_a_worker_is_the_same_push() {
    let (first, second) = (chain(3, "a", None), chain(2, "b", None));
    let now = TestStore::new().await;
    now.push_each(&[&first.pack]).await;
    let later = TestStore::new().await;
    let reports = push_async(&later, &[&first.pack]).await;
    assert_eq!((reports[0].status, reports[0].job), (PushStatus::Queued, Some(1)));
    assert_eq!(later.show().await.packs, 0, "nothing is indexed before the job is done");
    let ended = work(&later.store, diligent("w")).await;
    assert_eq!(ended.iter().map(|ended| ended.outcome).collect::<Vec<_>>(), ["done"]);
    assert_eq!(ended[0].job.result.as_ref().unwrap()[0]["status"], "stored");
    let (now_shows, shows) = (now.show().await, later.show().await);
    assert_eq!(
        (shows.pack_keys, shows.branch_heads, shows.objects),
        (now_shows.pack_keys, now_shows.branch_heads, now_shows.objects)
    );
    later.sound().await;
    assert_eq!(push_async(&later, &[&first.pack]).await[0].status, PushStatus::Unchanged);
    assert_eq!(
        later.store.jobs(&JobsQuery { limit: 10, ..JobsQuery::default() }).await.unwrap().len(),
        1,
        "nothing to do asks for nothing"
    );

    // Two histories of one branch: what a push refuses, a job gives up, and says why.
    let report = push_async(&later, &[&second.pack]).await.remove(0);
    let ended = work(&later.store, diligent("w")).await;
    assert_eq!(ended[0].outcome, "failed");
    let job = job(&later, report.job.unwrap()).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Failed, 1), "a conflict is not tried again");
    let reason = job.reason.unwrap();
    assert!(
        reason.contains("branch `main`") && reason.contains("packhouse jobs retry"),
        "{reason}"
    );
    assert_eq!(later.show().await.packs, 1);
    later.sound().await;
}

#[tokio::test]
async fn a_pack_that_waits_for_its_job_is_nobodys_orphan() {
    let store = TestStore::new().await;
    let pushed = chain(2, "a", None);
    let (kept, left) = (chain(1, "kept", None), chain(2, "left", None));
    let other = "c/d".parse().unwrap();
    store.store.create_repo(&other, Visibility::Public).await.unwrap();
    store
        .store
        .push(&other, &[store.file(&kept.pack)], PushOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let queued = push_async(&store, &[&pushed.pack]).await.remove(0);
    let cancelled = push_async(&store, &[&left.pack]).await.remove(0);
    store.store.cancel_job(cancelled.job.unwrap()).await.unwrap();
    for entry in files(&store.data().join("packs")) {
        std::fs::File::options()
            .write(true)
            .open(entry)
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(60))
            .unwrap();
    }
    // The cancelled job's pack is older than the catalog's newest: else it might be the only copy
    // of a push.
    let hex = cancelled.mpack_key.hex();
    let orphan = store.data().join("packs").join(&hex[..2]).join(format!("{hex}.mpack"));
    std::fs::File::options()
        .write(true)
        .open(orphan)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    let late = a_day_later(&store.data()).open().await.unwrap();
    let options = PruneOptions { grace: Duration::ZERO, orphans: true, ..PruneOptions::default() };
    let report = late.prune(options, &Progress::silent()).await.unwrap();
    assert_eq!(
        (report.orphans_deleted, report.packs_deleted),
        (1, 0),
        "that of the job which was taken back"
    );
    assert_eq!(work(&late, diligent("w")).await[0].outcome, "done");
    assert_eq!(store.show().await.pack_keys, [queued.mpack_key]);
    let error = store.store.retry_job(cancelled.job.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("is not in storage any more"), "{error}");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The worker sleeps wherever it likes while another one takes its job over: with a fence, what it
/// wakes up to do late is nothing.
#[tokio::test]
async fn a_worker_that_was_taken_for_dead_publishes_nothing() {
    for call in 0.. {
        let store = TestStore::new().await;
        store.push_each(&[chain(2, "a", None).pack]).await;
        let next = chain(2, "b", Some(&chain(2, "a", None).tip));
        store.push_each(&[&next.pack]).await;
        store.queue(Operation::Gc(GcOptions::default())).await.unwrap();

        let theirs = Fault::never();
        // By the system's clock it is later still, and what it stages has other names.
        let late = StoreOptions { clock: Arc::new(SystemClock), ..options(&store.data()) };
        let late = faulty::open(late, Sandbox::reference(None).unwrap(), &theirs).await.unwrap();
        let data = Arc::new(Mutex::new(Vec::new()));
        let (took, other) = (data.clone(), late.clone());
        let fault = Fault::meanwhile(call, &theirs, move || {
            let (took, other) = (took.clone(), other.clone());
            async move {
                let ended = work(&other, diligent("heir")).await;
                took.lock().unwrap().extend(ended);
            }
        });
        let sleepy = faulty::open(
            at(AN_HOUR_LATER, &store.data()),
            Sandbox::reference(None).unwrap(),
            &fault,
        )
        .await
        .unwrap();
        let ended =
            work(&sleepy, WorkerOptions { lease: Duration::from_secs(3600), ..diligent("sleepy") })
                .await;
        // Where it was made to wait for the sleeper, it may still be at it.
        for _ in 0..200 {
            if !fault.struck() || job(&store, 1).await.status == JobStatus::Done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        let heirs: Vec<&'static str> =
            data.lock().unwrap().iter().map(|ended| ended.outcome).collect();
        let own: Vec<&'static str> = ended.iter().map(|ended| ended.outcome).collect();
        if !fault.struck() {
            assert!(call > 8, "{call} calls were made");
            break;
        }
        let place = format!("call {call}: own {own:?}, heir's {heirs:?}");
        let done = own.iter().chain(&heirs).filter(|outcome| **outcome == "done").count();
        assert_eq!(done, 1, "{place}");
        assert!(
            own.iter().chain(&heirs).all(|outcome| matches!(*outcome, "done" | "lost")),
            "{place}"
        );
        let job = job(&store, 1).await;
        assert_eq!(job.status, JobStatus::Done, "{place}");
        assert_eq!(store.show().await.packs, 1, "{place}");
        let history = store.store.gc_history(&store.repo, 10).await.unwrap();
        assert!(
            history.iter().filter(|run| run.outcome == "consolidated").count() == 1,
            "{place}: {history:?}"
        );
        store.sound().await;
    }
}

#[tokio::test]
async fn many_workers_do_each_job_once() {
    let store = TestStore::new().await;
    let mut repos = vec![store.repo.clone()];
    for n in 0..5 {
        let repo = format!("r/{n}").parse().unwrap();
        store.store.create_repo(&repo, Visibility::Public).await.unwrap();
        repos.push(repo);
    }
    let mut tips = vec![None; repos.len()];
    for round in 0..4 {
        for (n, repo) in repos.iter().enumerate() {
            let next = chain(1, &format!("{n}-{round}"), tips[n].as_deref());
            let file = store.file(&next.pack);
            store
                .store
                .push_async(repo, &[file], PushOptions::default(), &Progress::silent())
                .await
                .unwrap();
            tips[n] = Some(next.tip);
        }
    }
    let names = ["w1", "w2", "w3"];
    let mut stores = Vec::new();
    for _ in names {
        // Their clocks are the system's: what they stage must not have one name.
        stores.push(
            StoreOptions { clock: Arc::new(SystemClock), ..options(&store.data()) }
                .open()
                .await
                .unwrap(),
        );
    }
    let many = |n: usize| work(&stores[n], WorkerOptions { concurrency: 2, ..diligent(names[n]) });
    let (a, b, c) = tokio::join!(many(0), many(1), many(2));
    let mut done: Vec<i64> = a
        .iter()
        .chain(&b)
        .chain(&c)
        .filter(|ended| ended.outcome == "done")
        .map(|ended| ended.job.id)
        .collect();
    done.sort_unstable();
    let all: Vec<i64> = store
        .store
        .jobs(&JobsQuery { limit: 100, ..JobsQuery::default() })
        .await
        .unwrap()
        .iter()
        .rev()
        .map(|job| job.id)
        .collect();
    assert_eq!(all.len(), 24);
    assert_eq!(done, all, "each was done, and none twice");
    for (repo, tip) in repos.iter().zip(tips) {
        let shown = store.store.repo(repo).await.unwrap();
        assert_eq!((shown.packs, shown.branch_heads.get("main")), (4, tip.as_ref()), "{repo}");
        store.store.queue(Some(repo), Operation::Gc(GcOptions::default())).await.unwrap();
        store.store.queue(Some(repo), Operation::Gc(GcOptions::default())).await.unwrap();
    }
    let (a, b) = tokio::join!(many(0), many(1));
    assert_eq!(a.len() + b.len(), repos.len(), "of two consolidations that wait, one will do");
    for repo in &repos {
        assert_eq!(store.store.repo(repo).await.unwrap().packs, 1);
        assert!(
            store
                .store
                .verify(repo, VerifyOptions::default(), &Progress::silent())
                .await
                .unwrap()
                .ok
        );
    }
}

#[tokio::test]
async fn what_fails_for_a_moment_is_tried_again_later_and_what_fails_for_good_is_given_up() {
    let mut retried = 0;
    for call in 0.. {
        let store = TestStore::new().await;
        store.push_each(&[chain(2, "a", None).pack]).await;
        store.push_each(&[chain(2, "b", Some(&chain(2, "a", None).tip)).pack]).await;
        let id = store.queue(Operation::Gc(GcOptions::default())).await.unwrap().job;
        let fault = Fault::at(call, Moment::Before);
        let faulty = faulty::open(
            at(AN_HOUR_LATER, &store.data()),
            Sandbox::reference(None).unwrap(),
            &fault,
        )
        .await
        .unwrap();
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let told = outcomes.clone();
        let worker = Worker::new(
            faulty,
            WorkerOptions { poll: Duration::from_millis(1), ..diligent("w") },
            Stop::default(),
        );
        // When it could not even ask for a job, it says so.
        let _ = worker
            .run(move |ended: &JobEnded| {
                told.lock().unwrap().push((ended.outcome, ended.job.reason.clone()))
            })
            .await;
        for (outcome, reason) in outcomes.lock().unwrap().iter() {
            assert!(matches!(*outcome, "done" | "retry"), "call {call}: {outcome}, {reason:?}");
            if *outcome == "retry" {
                retried += 1;
                assert!(
                    reason.as_ref().unwrap().contains("it failed on purpose"),
                    "call {call}: {reason:?}"
                );
            }
        }
        let late = a_day_later(&store.data()).open().await.unwrap();
        let again = work(&late, diligent("late")).await;
        assert!(again.iter().all(|ended| ended.outcome == "done"), "call {call}: {again:?}");
        assert_eq!(job(&store, id).await.status, JobStatus::Done, "call {call}");
        assert_eq!(store.show().await.packs, 1, "call {call}");
        store.sound().await;
        if !fault.struck() {
            break;
        }
    }
    assert!(retried > 4, "{retried} calls of a consolidation were tried again");

    // Five workers in a row die with it.
    let store = TestStore::new().await;
    let id = store.queue(Operation::Verify(VerifyOptions::default())).await.unwrap().job;
    let catalog = options(&store.data()).catalog.open().await.unwrap();
    let start: jiff::Timestamp = TOMORROW.parse().unwrap();
    for n in 0..5 {
        let now = start + jiff::SignedDuration::from_secs(n * 10);
        catalog
            .take_job("dying", now, now + jiff::SignedDuration::from_secs(1))
            .await
            .unwrap()
            .unwrap();
    }
    let later = StoreOptions {
        clock: Arc::new(FixedClock::starting_at("2026-04-01T00:00:00Z".parse().unwrap())),
        ..options(&store.data())
    };
    let later = later.open().await.unwrap();
    let ended = work(&later, WorkerOptions { attempts: 5, ..diligent("w") }).await;
    assert_eq!(ended[0].outcome, "failed");
    assert!(job(&store, id).await.reason.unwrap().contains("the last 5 workers that took it died"));
    assert_eq!(later.retry_job(id).await.unwrap().status, JobStatus::Queued);
    assert_eq!(work(&later, diligent("w")).await[0].outcome, "done");
}

#[tokio::test]
async fn a_job_that_is_taken_back_publishes_nothing_more() {
    let store = TestStore::new().await;
    store.push_each(&[chain(2, "a", None).pack]).await;
    store.push_each(&[chain(2, "b", Some(&chain(2, "a", None).tip)).pack]).await;
    let mut lost = 0;
    for call in 0.. {
        let id = store.queue(Operation::Gc(GcOptions::default())).await.unwrap().job;
        let theirs = store.store.clone();
        let fault = Fault::meanwhile(call, &Fault::never(), move || {
            let theirs = theirs.clone();
            async move { drop(theirs.cancel_job(id).await) }
        });
        let faulty = faulty::open(
            at(AN_HOUR_LATER, &store.data()),
            Sandbox::reference(None).unwrap(),
            &fault,
        )
        .await
        .unwrap();
        let ended = work(&faulty, diligent("w")).await;
        if !fault.struck() || store.show().await.packs == 1 {
            break;
        }
        lost += ended.iter().filter(|ended| ended.outcome == "lost").count();
        assert_eq!(job(&store, id).await.status, JobStatus::Cancelled, "call {call}: {ended:?}");
    }
    assert!(lost > 4, "{lost} were stopped on the way");
    store.sound().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_stop_gives_back_what_it_can_not_end() {
    let store = TestStore::new().await;
    store.push_each(&[chain(2, "a", None).pack]).await;
    store.push_each(&[chain(2, "b", Some(&chain(2, "a", None).tip)).pack]).await;
    let id = store.queue(Operation::Gc(GcOptions::default())).await.unwrap().job;
    let stop = Stop::default();
    let asked = stop.clone();
    // While it reads the repo's state; the wait is longer than its shutdown timeout.
    let fault = Fault::meanwhile(3, &Fault::never(), move || {
        asked.ask();
        tokio::time::sleep(Duration::from_millis(200))
    });
    let faulty =
        faulty::open(at(AN_HOUR_LATER, &store.data()), Sandbox::reference(None).unwrap(), &fault)
            .await
            .unwrap();
    let options = WorkerOptions {
        shutdown_timeout: Duration::from_millis(20),
        drain: false,
        ..diligent("w")
    };
    let ended = Arc::new(Mutex::new(Vec::new()));
    let kept = ended.clone();
    Worker::new(faulty, options, stop)
        .run(move |one: &JobEnded| kept.lock().unwrap().push(one.outcome))
        .await
        .unwrap();
    assert_eq!(*ended.lock().unwrap(), ["released"]);
    let job = job(&store, id).await;
    assert_eq!(
        (job.status, job.attempt),
        (JobStatus::Queued, 0),
        "it does not count as an attempt"
    );
    let late = a_day_later(&store.data()).open().await.unwrap();
    assert_eq!(work(&late, diligent("w2")).await[0].outcome, "done");
}

#[tokio::test]
async fn a_check_that_finds_damage_fails_and_says_where() {
    let store = TestStore::new().await;
    store.push_each(&[chain(2, "a", None).pack]).await;
    let pack = files(&store.data().join("packs"))
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "mpack"))
        .unwrap();
    std::fs::remove_file(pack).unwrap();
    let id = store.queue(Operation::Verify(VerifyOptions::default())).await.unwrap().job;
    assert_eq!(work(&store.store, diligent("w")).await[0].outcome, "failed");
    assert!(job(&store, id).await.reason.unwrap().contains("packhouse verify a/b"));
}

#[test]
fn a_job_that_met_damage_fails_until_the_damage_is_repaired() {
    let packhouse = Packhouse::with_repo();
    let files =
        [0, 1].map(|n| packhouse.file(&format!("{n}.mpack"), &chain(2, &n.to_string(), None).pack));
    files.iter().for_each(|file| drop(packhouse.push(["--force", file]).ok()));
    let pack = packhouse.pack_files().remove(0);
    let intact = std::fs::read(&pack).unwrap();
    std::fs::remove_file(&pack).unwrap();
    let job = packhouse.run(["gc", "a/b", "--async"]).ok().json()["job"].to_string();
    packhouse.run(["worker", "--drain", "--no-policies"]);
    let counted = |failed: u64, healed: u64| {
        let metrics = packhouse.run(["metrics"]).ok().stdout;
        for (status, count) in [("failed", failed), ("healed", healed)] {
            let line = format!("packhouse_jobs{{type=\"mpack.gc\",status=\"{status}\"}} {count}\n");
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
    };
    let shown = || packhouse.run(["jobs", "show", &job]).ok().json();
    assert_eq!(
        (&shown()["status"], &shown()["error_code"], shown().get("healed")),
        (&"failed".into(), &"damage".into(), None)
    );
    counted(1, 0);
    std::fs::write(&pack, intact).unwrap();
    packhouse.run(["verify"]).ok();
    assert_eq!(
        (&shown()["status"], &shown()["error_code"], &shown()["healed"]),
        (&"failed".into(), &"damage".into(), &true.into())
    );
    counted(0, 1);
    let text = packhouse.text(["jobs", "show", &job]).ok().stdout;
    assert!(
        text.contains("failed (damage healed since)") && text.contains("code     damage"),
        "{text}"
    );
}

#[test]
fn the_verbs_ask_for_jobs_and_a_worker_does_them() {
    let packhouse = Packhouse::with_repo();
    let files = fixtures::muse_cli();
    for file in &files {
        let report = packhouse.run(["push", "a/b", "--async", file.to_str().unwrap()]).ok().json();
        assert_eq!(report["status"], "queued");
        assert!(report["job"].is_u64());
    }
    let listed = packhouse.run(["jobs", "list", "--status", "queued"]).ok().documents();
    assert_eq!(listed.len(), files.len());
    let metrics = packhouse.scratch().join("metrics");
    let ended = packhouse
        .run(["worker", "--drain", "--no-policies", "--metrics", metrics.to_str().unwrap()])
        .ok()
        .documents();
    assert_eq!(ended.len(), files.len());
    assert!(ended.iter().all(|one| one["outcome"] == "done"
        && one["type"] == "mpack.index"
        && one["elapsed_ms"].is_u64()));
    let text = std::fs::read_to_string(&metrics).unwrap();
    assert!(
        text.contains(&format!(
            "packhouse_job_attempts_total{{type=\"mpack.index\",outcome=\"done\"}} {}",
            files.len()
        )),
        "{text}"
    );
    let queued = packhouse.run(["gc", "a/b", "--async"]).ok().json();
    assert_eq!(
        packhouse.run(["gc", "a/b", "--async"]).ok().json(),
        queued,
        "the one that waits will do"
    );
    // It does from now on what is asked for besides.
    for words in [&["--expire-unreachable", "90d"][..], &["--geometric"]] {
        let asked = packhouse.run([&["gc", "a/b", "--async"], words].concat()).ok();
        assert_eq!(asked.json(), queued, "{words:?}");
        let shown = packhouse.run(["jobs", "show", &queued["job"].to_string()]).ok().json();
        assert_eq!(shown["payload"]["expire_unreachable_seconds"], 90 * 24 * 3600, "{shown}");
    }
    // Unless one excludes the other: options are never lost silently.
    packhouse
        .run(["gc", "a/b", "--async", "--expire-unreachable", "30d"])
        .exits(1)
        .says(&["already queued", "jobs cancel"]);
    let ended = packhouse.run(["worker", "--drain", "--no-policies"]).ok().json();
    assert_eq!(
        (&ended["outcome"], &ended["packs_before"], &ended["packs_after"]),
        (&"done".into(), &files.len().into(), &1.into())
    );
    let shown = packhouse.run(["jobs", "show", &queued["job"].to_string()]).ok().json();
    assert_eq!(
        (&shown["status"], &shown["repo"], &shown["result"]["packs_after"]),
        (&"done".into(), &"a/b".into(), &1.into())
    );
    packhouse
        .run(["jobs", "cancel", &queued["job"].to_string()])
        .exits(1)
        .says(&["is already done"]);
    packhouse.run(["jobs", "show", "999"]).exits(1).says(&["no job 999", "jobs list"]);
    let told = packhouse.run(["metrics"]).ok().stdout;
    assert!(
        told.contains("packhouse_packs 1\n")
            && told.contains("packhouse_jobs{type=\"mpack.gc\",status=\"done\"} 1"),
        "{told}"
    );
    packhouse.run(["verify"]).ok();
}

/// Workers are killed in the middle of their work, and others go on.
#[test]
fn workers_that_are_killed_lose_nothing() {
    let packhouse = Packhouse::with_repo();
    let mut tip: Option<String> = None;
    for n in 0..30 {
        let next = chain(2, &n.to_string(), tip.as_deref());
        packhouse
            .run(["push", "a/b", "--async", &packhouse.file(&format!("{n}.mpack"), &next.pack)])
            .ok();
        tip = Some(next.tip);
    }
    packhouse.run(["gc", "a/b", "--async"]).ok();
    for n in 0..6 {
        let mut worker = packhouse
            .command(["worker", "--lease", "1s", "--no-policies"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(60 + 40 * n));
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    std::thread::sleep(Duration::from_millis(1100));
    packhouse.run(["worker", "--drain", "--no-policies"]).ok();
    for _ in 0..20 {
        if packhouse.run(["jobs", "list", "--status", "queued"]).ok().documents().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
        packhouse.run(["worker", "--drain", "--no-policies"]).ok();
    }
    let failed = packhouse.run(["jobs", "list", "--status", "failed"]).ok().stdout;
    assert_eq!(failed, "");
    let shown = packhouse.show();
    assert_eq!(
        (&shown["commits"], shown["branch_heads"]["main"].as_str()),
        (&60.into(), tip.as_deref())
    );
    packhouse.run(["verify"]).ok();
    assert_eq!(packhouse.gc()["packs_after"], 1);
}

#[test]
fn a_worker_ends_when_it_is_asked_to() {
    let packhouse = Packhouse::with_repo();
    let worker =
        packhouse.command(["worker"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let process = rustix::process::Pid::from_child(&worker);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let output = worker.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
