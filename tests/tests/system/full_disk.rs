//! A full disk, at every write of every verb: what reported success is there for the next process,
//! what failed is not, and when there is space again the same process goes on working.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use packhouse_host::access::Scope;
use packhouse_host::catalog::{
    Catalog, Fence, JobEnd, NewAnswer, NewJob, PublishOutcome, TokenRow,
};
use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    CatalogPlace, Error, FetchRequest, GcOptions, GcRecord, JobStatus, JobsQuery, Operation,
    Policy, Progress, PruneOptions, PushOptions, RepoName, Result, Store, StoreOptions,
    VerifyOptions, Visibility,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::conformance::desk::{Desk, at, head, key, name, pack, unused_id};
use packhouse_tests::conformance::jobs::failed;
use packhouse_tests::disk::{Disk, PAGE};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::place::closed;
use packhouse_tests::server::Served;
use packhouse_tests::store::options;
use tempfile::TempDir;

type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that is written to a catalog: how, and whether it was.
struct Write {
    name: &'static str,
    /// Done once; true where it did something.
    write: fn(&Arc<dyn Catalog>) -> Doing<'_, Result<bool>>,
    done: fn(&Arc<dyn Catalog>) -> Doing<'_, bool>,
}

macro_rules! write {
    ($name:literal, |$catalog:ident| $write:expr, |$opened:ident| $done:expr) => {
        Write {
            name: $name,
            write: |$catalog| Box::pin(async move { $write }),
            done: |$opened| Box::pin(async move { $done }),
        }
    };
}

/// What every catalog here has: the repo `a/b` with a push, the tokens `good`, a job that failed
/// and one that runs.
async fn furnish(catalog: &Arc<dyn Catalog>) {
    let desk = Desk::new(catalog).await;
    desk.push(vec![pack(1, 0..40)]).await;
    desk.push(vec![pack(2, 40..80)]).await;
    desk.consolidate(3).await;
    desk.push(vec![pack(4, 80..90)]).await;
    catalog.add_token(&token("good")).await.unwrap();
    for operation in [VERIFY, VERIFY, VERIFY] {
        catalog
            .add_job(&NewJob { repo: Some(desk.repo), operation, now: at(0), traceparent: None })
            .await
            .unwrap();
    }
    let (_, fence) = catalog.take_job("w", at(1), at(99)).await.unwrap().unwrap();
    catalog.end_job(fence, &failed("it failed"), at(2)).await.unwrap().unwrap();
    catalog.take_job("w", at(1), at(99)).await.unwrap().unwrap();
    catalog.note_answer(&key(77), &answer(desk.repo, -50)).await.unwrap();
}

/// An answer of a repo that is good until a time.
fn answer(repo: i64, until: i64) -> NewAnswer {
    NewAnswer { repo, plan: "p".into(), expires_at: at(until) }
}

const VERIFY: Operation = Operation::Verify(VerifyOptions { repair: false });
const FAILED: i64 = 1;
const RUNNING: i64 = 2;
const QUEUED: i64 = 3;

fn token(id: &str) -> TokenRow {
    TokenRow {
        id: id.into(),
        name: "ci".into(),
        scope: Scope::Read,
        repos: vec!["*".parse().unwrap()],
        hash: [7; 32],
        created_at: at(0),
        expires_at: None,
        revoked_at: None,
    }
}

async fn repo(catalog: &Arc<dyn Catalog>) -> i64 {
    catalog.repo(&name("a/b")).await.unwrap().unwrap().id
}

async fn desk(catalog: &Arc<dyn Catalog>) -> Desk {
    Desk { catalog: catalog.clone(), name: name("a/b"), repo: repo(catalog).await }
}

async fn status(catalog: &Arc<dyn Catalog>, job: i64) -> JobStatus {
    catalog.job(job).await.unwrap().unwrap().status
}

fn record() -> GcRecord {
    GcRecord {
        finished_at: at(5),
        outcome: "failed".into(),
        packs_before: 1,
        packs_after: 1,
        consolidated_key: None,
        bytes_before: 1,
        bytes_after: 1,
        elapsed_ms: 1,
        component: "c".into(),
        error: Some("e".repeat(9000)),
        error_code: Some("refused".into()),
    }
}

fn policy() -> Policy {
    Policy { max_packs: Some(7), ..Policy::OFF }
}

fn done(published: PublishOutcome) -> bool {
    matches!(published, PublishOutcome::Done { .. })
}

fn writes() -> Vec<Write> {
    vec![
        write!(
            "create_repo",
            |c| Ok(c
                .create_repo(&name("c/d"), unused_id(), Visibility::Public, at(1))
                .await?
                .is_some()),
            |c| c.repo(&name("c/d")).await.unwrap().is_some()
        ),
        write!("delete_repo", |c| Ok(c.delete_repo(repo(c).await, at(1)).await?.is_some()), |c| {
            c.repo(&name("a/b")).await.unwrap().is_none()
        }),
        write!(
            "publish_push",
            |c| {
                let desk = desk(c).await;
                let mut push = desk.prepare(vec![pack(5, 200..2000)]).await;
                push.heads = vec![head("main", 5)];
                Ok(done(c.publish_push(&push, &desk.publishing().await).await?))
            },
            |c| desk(c).await.on_shelves().await.contains(&key(5))
        ),
        write!(
            "publish_consolidation",
            |c| {
                let desk = desk(c).await;
                Ok(done(
                    c.publish_consolidation(&desk.plan(6).await, &desk.publishing().await).await?,
                ))
            },
            |c| desk(c).await.on_shelves().await.contains(&key(6))
        ),
        write!(
            "record_gc",
            |c| c.record_gc(repo(c).await, &record(), None).await.map(|()| true),
            |c| {
                c.gc_history(repo(c).await, 9)
                    .await
                    .unwrap()
                    .iter()
                    .any(|run| run.outcome == "failed")
            }
        ),
        write!(
            "note_answer",
            |c| c.note_answer(&key(78), &answer(repo(c).await, -40)).await.map(|()| true),
            |c| c.expired_answers(repo(c).await, at(0)).await.unwrap().contains(&key(78))
        ),
        write!(
            "forget_answers",
            |c| c.forget_answers(repo(c).await, at(0)).await.map(|()| true),
            |c| c.expired_answers(repo(c).await, at(0)).await.unwrap().is_empty()
        ),
        write!(
            "forget_packs",
            |c| {
                let deleting = c.lock(packhouse_host::catalog::LockMode::Deleting).await?;
                Ok(c.forget_packs(&[key(1), key(2)], at(999), &deleting).await?.len() == 2)
            },
            |c| c.unneeded_packs().await.unwrap().is_empty()
        ),
        write!("add_token", |c| c.add_token(&token("new")).await.map(|()| true), |c| c
            .token("new")
            .await
            .unwrap()
            .is_some()),
        write!("revoke_token", |c| Ok(c.revoke_token("good", at(1)).await?.is_some()), |c| {
            c.token("good").await.unwrap().unwrap().revoked_at.is_some()
        }),
        write!("secret", |c| c.secret("s", [9; 32]).await.map(|kept| kept == [9; 32]), |c| {
            // The next caller draws another, which is stored only if there is none.
            c.secret("s", [8; 32]).await.is_ok_and(|kept| kept == [9; 32])
        }),
        write!("set_policy", |c| c.set_policy(0, Some(&policy())).await.map(|()| true), |c| {
            c.policies().await.unwrap() == [(0, policy())]
        }),
        write!(
            "add_job",
            |c| c
                .add_job(&NewJob {
                    repo: Some(repo(c).await),
                    operation: VERIFY,
                    now: at(1),
                    traceparent: None
                })
                .await
                .map(|_| true),
            |c| c.job(QUEUED + 1).await.unwrap().is_some()
        ),
        write!("take_job", |c| Ok(c.take_job("w", at(5), at(99)).await?.is_some()), |c| {
            status(c, QUEUED).await == JobStatus::Running
        }),
        write!(
            "renew_lease",
            |c| c.renew_lease(Fence { job: RUNNING, number: 1 }, at(500)).await,
            |c| c.job(RUNNING).await.unwrap().unwrap().lease_until == Some(at(500))
        ),
        write!(
            "end_job",
            |c| {
                let done = JobEnd::Done("x".repeat(9000).into());
                Ok(c.end_job(Fence { job: RUNNING, number: 1 }, &done, at(9)).await?.is_some())
            },
            |c| status(c, RUNNING).await == JobStatus::Done
        ),
        write!("retry_job", |c| Ok(c.retry_job(FAILED, at(9)).await?.is_some()), |c| {
            status(c, FAILED).await == JobStatus::Queued
        }),
        write!("cancel_job", |c| Ok(c.cancel_job(QUEUED, at(9)).await?.is_some()), |c| {
            status(c, QUEUED).await == JobStatus::Cancelled
        }),
    ]
}

async fn open(file: &Path) -> Arc<dyn Catalog> {
    CatalogPlace::Sqlite(file.to_owned()).open().await.unwrap()
}

fn says_that_it_is_full(error: &Error, place: &str) {
    let said = error.to_string();
    assert!(said.contains("full") || said.contains("space"), "{place}: {said}");
}

/// Until 2026-11 a commit that failed left the one connection that writes unusable, and
/// `revoke_token` said "revoked".
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_catalog_says_is_done_is_done_however_little_room_there_was() {
    let Some(disk) = Disk::of(24) else { return };
    let template = tempfile::tempdir().unwrap();
    let furnished = template.path().join("catalog.db");
    furnish(&open(&furnished).await).await;
    closed(&furnished).await;
    for write in writes() {
        let (mut failures, mut pages) = (0, 0);
        loop {
            let place = format!("{} with {pages} pages left", write.name);
            let folder = TempDir::new_in(disk.path()).unwrap();
            let file = folder.path().join("catalog.db");
            std::fs::copy(&furnished, &file).unwrap();
            // What was written before is in the file itself: what is written now takes room.
            let catalog = open(&file).await;
            disk.fill(pages * PAGE);
            let written = (write.write)(&catalog).await;
            match &written {
                Ok(did) => assert!(did, "{place}"),
                Err(error) => says_that_it_is_full(error, &place),
            }
            let ready = catalog.probe_writing().await;
            disk.free();
            let found = (write.done)(&open(&file).await).await;
            assert_eq!(written.is_ok(), found, "{place}: {written:?}");
            if let Err(error) = ready {
                says_that_it_is_full(&error, &place);
            }
            if written.is_ok() {
                assert!(failures > 0, "{place}: it never failed");
                break;
            }
            (failures, pages) = (failures + 1, pages + 1 + pages / 6);
            // With room again, the same process goes on.
            catalog
                .probe_writing()
                .await
                .unwrap_or_else(|error| panic!("{place}, then room again: {error}"));
            if write.name != "secret" {
                assert!((write.write)(&catalog).await.unwrap(), "{place}, then room again");
            }
            assert!(
                (write.done)(&open(&file).await).await || write.name == "secret",
                "{place}, then room again"
            );
        }
    }
}

/// A verb, and whether it was done.
struct Verb {
    name: &'static str,
    run: for<'a> fn(&'a Store, &'a Path) -> Doing<'a, Result<()>>,
    done: for<'a> fn(&'a Store, &'a Path) -> Doing<'a, bool>,
}

macro_rules! verb {
    ($name:literal, |$store:ident, $files:ident| $run:expr, |$opened:ident, $of:ident| $done:expr) => {
        Verb {
            name: $name,
            run: |$store, $files| Box::pin(async move { $run }),
            done: |$opened, $of| Box::pin(async move { $done }),
        }
    };
}

fn a_b() -> RepoName {
    name("a/b")
}

fn history_of(pushes: usize) -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..400,
        ..HistoryOptions::default()
    })
}

fn file(files: &Path, number: usize) -> PathBuf {
    files.join(format!("{number}.mpack"))
}

/// What only the answer of a fetch shows: its pack is there, complete.
async fn fetched(store: &Store) -> Result<()> {
    let answer = store.fetch(&a_b(), &since(store).await, &Progress::silent()).await?;
    let path = answer.mpack_url.strip_prefix("file://").unwrap();
    let pack = std::fs::read(path).unwrap();
    assert_eq!(packhouse_tests::model::key(&pack), answer.mpack_key.unwrap().to_string());
    Ok(())
}

/// All but the first push: no stored pack is that.
async fn since(store: &Store) -> FetchRequest {
    let first = packhouse_tests::model::heads_of(&history_of(5)[..1]);
    assert!(!store.repo(&a_b()).await.unwrap().branch_heads.is_empty());
    FetchRequest { have: first.into_values().collect(), ..FetchRequest::default() }
}

fn at_once() -> PruneOptions {
    PruneOptions { grace: Duration::ZERO, orphans: true, ..PruneOptions::default() }
}

fn verbs() -> Vec<Verb> {
    vec![
        verb!(
            "push",
            |s, f| s
                .push(
                    &a_b(),
                    &[file(f, 3), file(f, 4)],
                    PushOptions::default(),
                    &Progress::silent()
                )
                .await
                .map(drop),
            |s, _f| s.repo(&a_b()).await.unwrap().packs == 5
        ),
        verb!(
            "push --async",
            |s, f| s
                .push_async(&a_b(), &[file(f, 3)], PushOptions::default(), &Progress::silent())
                .await
                .map(drop),
            |s, _f| !s
                .jobs(&JobsQuery { limit: 9, ..JobsQuery::default() })
                .await
                .unwrap()
                .is_empty()
        ),
        verb!(
            "gc",
            |s, _f| s.gc(&a_b(), GcOptions::default(), &Progress::silent()).await.map(drop),
            |s, _f| s.repo(&a_b()).await.unwrap().packs == 1
        ),
        verb!("fetch", |s, _f| fetched(s).await, |s, _f| {
            // It has answered, or it has not: its reservation blocks nothing.
            fetched(s).await.is_ok()
        }),
        verb!("delete", |s, _f| s.delete_repo(&a_b()).await.map(drop), |s, _f| s
            .repo(&a_b())
            .await
            .is_err()),
        verb!("prune", |s, _f| s.prune(at_once(), &Progress::silent()).await.map(drop), |s, _f| {
            let left = s
                .prune(PruneOptions { dry_run: true, ..at_once() }, &Progress::silent())
                .await
                .unwrap();
            (left.packs_deleted, left.orphans) == (0, 0)
        }),
    ]
}

async fn opened(folder: &Path) -> StoreOptions {
    StoreOptions { catalog: CatalogPlace::Sqlite(folder.join("catalog.db")), ..options(folder) }
}

/// A day later: what the template has written is not in the future.
async fn a_day_later(folder: &Path) -> StoreOptions {
    let now = "2026-03-03T09:00:00Z".parse().unwrap();
    StoreOptions {
        clock: std::sync::Arc::new(FixedClock::starting_at(now)),
        ..opened(folder).await
    }
}

/// The disk fills up before each call of a verb to catalog and vault, one after the other: after
/// whatever it has checked first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_verb_says_is_done_is_done_whenever_the_disk_fills_up() {
    let Some(disk) = Disk::of(24) else { return };
    let sandbox = Sandbox::reference(None).unwrap();
    let files = tempfile::tempdir().unwrap();
    let packs = history_of(5);
    for (number, pack) in packs.iter().enumerate() {
        std::fs::write(file(files.path(), number), pack).unwrap();
    }
    let template = tempfile::tempdir().unwrap();
    {
        let store = opened(template.path()).await.open().await.unwrap();
        store.create_repo(&a_b(), Visibility::Public).await.unwrap();
        for number in 0..3 {
            store
                .push(
                    &a_b(),
                    &[file(files.path(), number)],
                    PushOptions::default(),
                    &Progress::silent(),
                )
                .await
                .unwrap();
        }
        // For prune: something that only waits to be deleted.
        let other = name("o/o");
        store.create_repo(&other, Visibility::Public).await.unwrap();
        store
            .push(&other, &[file(files.path(), 4)], PushOptions::default(), &Progress::silent())
            .await
            .unwrap();
        store.delete_repo(&other).await.unwrap();
    }
    for verb in verbs() {
        for pages in [0, 2] {
            let mut failures = Vec::new();
            for call in 0.. {
                let place = format!("{} with {pages} pages left from call {call} on", verb.name);
                let folder = TempDir::new_in(disk.path()).unwrap();
                faulty::copy_files(template.path(), folder.path());
                let fill = disk.filler();
                let fault = Fault::meanwhile(call, &Fault::never(), move || {
                    fill(pages * PAGE);
                    async {}
                });
                let store = faulty::open(a_day_later(folder.path()).await, sandbox.clone(), &fault)
                    .await
                    .unwrap();
                let ran = (verb.run)(&store, files.path()).await;
                let struck = fault.struck();
                disk.free();
                let fresh = a_day_later(folder.path()).await.open().await.unwrap();
                if let Err(error) = &ran {
                    failures.push(format!("{place}: {error}"));
                    says_that_it_is_full(error, &place);
                } else {
                    assert!(
                        (verb.done)(&fresh, files.path()).await,
                        "{place}: it said that it was done"
                    );
                }
                for repo in fresh.reports(None, 99).await.unwrap() {
                    let found = fresh
                        .verify(&repo.repo, VerifyOptions::default(), &Progress::silent())
                        .await
                        .unwrap();
                    assert!(found.ok, "{place}: {:?}", found.problems);
                }
                // With room again, the same process goes on.
                if ran.is_err() {
                    (verb.run)(&store, files.path())
                        .await
                        .unwrap_or_else(|error| panic!("{place}, then room again: {error}"));
                    assert!((verb.done)(&fresh, files.path()).await, "{place}, then room again");
                }
                if !struck {
                    break;
                }
            }
            // What deletes gets by with the room that the catalog's log has, but for the rows of a
            // deleted repo.
            if verb.name == "prune" {
                failures.retain(|failure: &String| !failure.contains("purging a deleted repo"));
            }
            assert_eq!(
                !failures.is_empty(),
                verb.name != "prune",
                "{} with {pages} pages left: {failures:?}",
                verb.name
            );
        }
    }
}

/// Through the binary: a revocation is reported only when it is done, and a server reports that it
/// is not ready, until it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_on_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::of(24) else { return };
    let store = Packhouse::new();
    std::os::unix::fs::symlink(disk.path(), store.data()).unwrap();
    store.run(["repo", "create", "a/b"]).ok();
    let token = store.run(["token", "create", "--scope", "read", "--repo", "a/b"]).ok().json();
    let (id, secret) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    let served = Served::start(&store, "127.0.0.1:0", &[]);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let status = async |path: &str| {
        let asked =
            client.get(format!("{}{path}", served.url())).bearer_auth(secret).send().await.unwrap();
        asked.status().as_u16()
    };
    assert_eq!(status("/readyz").await, 200);
    for round in 0..2 {
        disk.fill(0);
        let unready = client.get(format!("{}/readyz", served.url())).send().await.unwrap();
        assert_eq!(unready.status().as_u16(), 503, "round {round}");
        let told: serde_json::Value = unready.json().await.unwrap();
        assert_eq!(told["class"], "refused", "trying again makes no room: {told}");
        disk.free();
        assert_eq!(status("/readyz").await, 200, "round {round}");
    }
    disk.fill(0);
    let revoked = store.run(["token", "revoke", id]);
    match revoked.code {
        // In the room that the log had.
        0 => assert_eq!(status("/a/b/refs").await, 401, "it is said to be revoked"),
        _ => {
            assert!(
                revoked.clone().exits(1).stdout.is_empty() && revoked.stderr.contains("full"),
                "{revoked:?}"
            );
            assert_eq!(status("/a/b/refs").await, 200, "it is said not to be revoked");
        }
    }
    disk.free();
    store.run(["token", "revoke", id]).ok();
    assert_eq!(status("/a/b/refs").await, 401);
    assert_eq!(served.stop().0, Some(0));
}

/// The log of a process that has written for long has room of its own, once what is in it is copied
/// into the catalog.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_has_grown_is_used_again_before_it_is_said_that_the_disk_is_full() {
    let Some(disk) = Disk::of(24) else { return };
    let file = disk.path().join("catalog.db");
    furnish(&open(&file).await).await;
    closed(&file).await;
    let catalog = open(&file).await;
    for number in 0..50 {
        catalog.set_policy(number, Some(&policy())).await.unwrap();
    }
    disk.fill(0);
    let written = async {
        for number in 0..500 {
            catalog
                .set_policy(
                    number % 50,
                    Some(&Policy { max_packs: Some(number as u64), ..policy() }),
                )
                .await?;
        }
        Ok::<_, Error>(())
    };
    written.await.unwrap();
    assert_eq!(open(&file).await.policies().await.unwrap()[49].1.max_packs, Some(499));
}

/// As an orderly end leaves a store: SQLite would have to make its files before it could write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prune_makes_room_on_a_full_disk_that_has_none_for_the_files_of_sqlite() {
    let Some(disk) = Disk::of(24) else { return };
    let packs = history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        object_bytes: 50_000..100_000,
        ..HistoryOptions::default()
    });
    let files = tempfile::tempdir().unwrap();
    for pages in [0, 1] {
        let folder = TempDir::new_in(disk.path()).unwrap();
        {
            let store = opened(folder.path()).await.open().await.unwrap();
            store.create_repo(&a_b(), Visibility::Public).await.unwrap();
            for (number, pack) in packs.iter().enumerate() {
                let file = file(files.path(), number);
                std::fs::write(&file, pack).unwrap();
                let silent = Progress::silent();
                store.push(&a_b(), &[file], PushOptions::default(), &silent).await.unwrap();
            }
            store.gc(&a_b(), GcOptions::default(), &Progress::silent()).await.unwrap();
        }
        closed(&folder.path().join("catalog.db")).await;
        assert!(!folder.path().join("catalog.db-shm").exists());
        disk.fill(pages * PAGE);
        let store = a_day_later(folder.path()).await.open().await.unwrap();
        let report = store.prune(at_once(), &Progress::silent()).await.unwrap();
        assert_eq!(report.packs_deleted, 3, "{pages} pages: {report:?}");
        let report = store.prune(at_once(), &Progress::silent()).await.unwrap();
        assert_eq!(report.packs_deleted, 0, "{pages} pages: it is forgotten: {report:?}");
        assert!(
            store.verify(&a_b(), VerifyOptions::default(), &Progress::silent()).await.unwrap().ok
        );
        disk.free();
    }
}

/// What needs no space: reading.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalog_on_a_full_disk_can_be_read_and_is_seen_to_change() {
    let Some(disk) = Disk::of(24) else { return };
    let file = disk.path().join("catalog.db");
    furnish(&open(&file).await).await;
    closed(&file).await;
    disk.fill(0);
    let reader = open(&file).await;
    assert_eq!(reader.repos(None, 9).await.unwrap().len(), 1);
    assert_eq!(desk(&reader).await.on_shelves().await.len(), 3);
    says_that_it_is_full(&reader.probe_writing().await.unwrap_err(), "a reader");
    disk.free();
    Desk::named(&open(&file).await, "c/d").await;
    assert_eq!(
        reader.repos(None, 9).await.unwrap().len(),
        2,
        "it sees what another has written since"
    );
    reader.probe_writing().await.unwrap();
    Desk::named(&reader, "e/f").await;
    assert_eq!(reader.repos(None, 9).await.unwrap().len(), 3);
}
