//! Retention: deleted repos until prune purges them, and what a client was told to be in the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use packhouse_host::clock::{Clock, FixedClock};
use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    Class, GcOptions, GcReport, Operation, Progress, PruneOptions, PruneReport, PushOptions,
    PushStatus, Store, StoreOptions,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::model;
use packhouse_tests::seed::{Chain, chain};
use packhouse_tests::server::Served;
use packhouse_tests::store::{TestStore, options};
use serde_json::Value;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A store with tags, branches, a history, a policy, and packs that a consolidation has replaced.
fn full() -> Packhouse {
    let store = Packhouse::new();
    store.run(["repo", "create", "a/b", "--private"]).ok();
    let options =
        HistoryOptions { pushes: 4, tags: true, overlap: true, ..HistoryOptions::default() };
    let files = write_history(store.scratch(), &options).unwrap();
    store.push(&files[..3]).ok();
    store.gc();
    store.push(&files[3..]).ok();
    store.run(["policy", "set", "a/b", "--max-packs", "7"]).ok();
    store
}

/// What is visible of it, without what changes by time.
fn seen(store: &Packhouse) -> Vec<Value> {
    let mut seen = vec![store.show(), store.run(["policy", "show", "a/b"]).ok().json()];
    let (mut fetched, _) = store.fetch(&[]);
    fetched
        .as_object_mut()
        .unwrap()
        .retain(|field, _| !["expires_at", "mpack_url"].contains(&field.as_str()));
    seen.push(fetched);
    seen
}

#[test]
fn a_deleted_repo_is_restored_as_it_was() {
    let store = full();
    let (before, files) = (seen(&store), store.pack_files());
    let gone = store.run(["repo", "delete", "a/b", "--yes"]).ok().json();
    assert_eq!((&gone["deleted"], &gone["repo_id"]), (&true.into(), &before[0]["repo_id"]));
    store.run(["repo", "show", "a/b"]).exits(1);
    store.run(["prune"]).ok();
    assert_eq!(store.pack_files(), files, "the grace is not over");
    let restored = store.run(["repo", "restore", "a/b"]).ok().json();
    assert_eq!(restored, before[0], "it answers as `repo show`");
    assert_eq!(seen(&store), before);
    assert_eq!(store.run(["verify"]).ok().json()["ok"], true);
    // What was replaced before is still replaced, and its grace goes on.
    assert_eq!(store.run(["prune", "--grace", "0s"]).ok().json()["packs_deleted"], 3);
    assert_eq!(store.run(["verify"]).ok().json()["ok"], true);
    assert_eq!(store.gc()["packs_after"], 1);
}

#[test]
fn without_a_terminal_nothing_is_deleted_unless_the_call_says_yes() {
    let store = Packhouse::with_repo();
    store.run(["repo", "delete", "a/b"]).exits(2).says(&["a/b", "--yes"]);
    store.run(["repo", "delete", "x/y"]).exits(2);
    store.show();
    store.run(["repo", "delete", "x/y", "--yes"]).exits(1);
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["repo", "delete", "a/b", "--yes"]).exits(1);
}

#[test]
fn what_can_not_be_restored_is_refused_and_says_why() {
    let store = full();
    store.run(["repo", "restore", "x/y"]).exits(1).says(&["no deleted repo `x/y`"]);
    store.run(["repo", "restore", "a/b"]).exits(1).says(&["another repo has this name"]);
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["repo", "create", "a/b"]).ok();
    store.run(["repo", "restore", "a/b"]).exits(1).says(&["another repo has this name"]);
    assert_eq!(store.show()["visibility"], "public", "nothing was changed");
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["repo", "restore", "a/b"]).ok();
    assert_eq!(store.show()["packs"], 0, "the one that was deleted last");
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    let planned = store.run(["prune", "--grace", "0s", "--dry-run"]).ok().json();
    assert_eq!(planned["packs_deleted"], 5);
    store.run(["repo", "restore", "a/b"]).ok();
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    let names: Vec<String> = store
        .pack_files()
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(store.run(["prune", "--grace", "0s"]).ok().json()["packs_deleted"], 5);
    assert!(store.pack_files().is_empty());
    let refused =
        store.run(["repo", "restore", "a/b"]).exits(1).says(&["can't be restored", "prune"]);
    // The empty one of that name was removed last, or this one: both at once.
    assert!(
        names.iter().any(|name| refused.stderr.contains(name))
            || !refused.stderr.contains("sha256:"),
        "{}",
        refused.stderr
    );
    store.run(["repo", "create", "a/b"]).ok();
    store.run(["verify"]).ok();
}

/// A push after the deletion led to `repo create`, and the new repo hid the old one for good.
#[test]
fn a_deleted_repo_is_reached_even_if_an_empty_one_had_its_name_since() {
    let store = full();
    let before = store.show();
    let deleted = store.run(["repo", "delete", "a/b", "--yes"]).ok().json();
    let id = deleted["repo_id"].as_str().unwrap();
    let files = write_history(store.scratch(), &HistoryOptions::default()).unwrap();
    let way_out = ["was deleted at", "restore it with: packhouse repo restore a/b"];
    store.push(&files[..1]).exits(1).says(&way_out);
    store.run(["repo", "show", "a/b"]).exits(1).says(&way_out);
    let empty = store.run(["repo", "create", "a/b"]).ok().json();
    let refused = store.run(["repo", "restore", "a/b"]).exits(1);
    let packs = format!("{} packs", before["packs"]);
    refused.says(&["another repo has this name", "--as OWNER/SLUG", "--id", id, &packs]);
    store.run(["repo", "restore", "a/b", "--id", "nonsense"]).exits(1).says(&["nonsense", id]);
    store.run(["repo", "restore", "a/b", "--as", "a/b"]).exits(1).says(&[id]);
    let restored = store.run(["repo", "restore", "a/b", "--as", "c/d"]).ok().json();
    assert_eq!((&restored["repo"], &restored["repo_id"]), (&"c/d".into(), &deleted["repo_id"]));
    assert_eq!(restored["pack_keys"], before["pack_keys"]);
    store.run(["repo", "delete", "c/d", "--yes"]).ok();
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    // Both are deleted: the empty one was the last of its name.
    let says = ["was deleted at", empty["repo_id"].as_str().unwrap()];
    store.run(["repo", "restore", "a/b", "--id", id]).exits(1).says(&says[1..]);
    store.run(["repo", "restore", "c/d", "--as", "a/b", "--id", id]).ok();
    assert_eq!(store.show(), before);
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["repo", "restore", "a/b", "--id", id]).ok();
    assert_eq!(store.show(), before);
}

#[test]
fn the_pack_that_is_gone_is_named() {
    let store = full();
    let keys = store.show()["pack_keys"].clone();
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["prune", "--grace", "0s"]).ok();
    let refused = store.run(["repo", "restore", "a/b"]).exits(1);
    let named = |key: &Value| refused.stderr.contains(key.as_str().unwrap());
    assert!(keys.as_array().unwrap().iter().any(named), "{}: {keys}", refused.stderr);
}

/// A server reveals nothing of a deleted private repo to callers who don't administer its name.
#[tokio::test(flavor = "multi_thread")]
async fn over_http_it_takes_a_token_that_administers_the_name() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = full();
    let token = |scope: &str, repo: &str| {
        let made = store.run(["token", "create", "--scope", scope, "--repo", repo]).ok().json();
        made["token"].as_str().unwrap().to_owned()
    };
    let tokens = [("admin", "a/b", 200), ("admin", "c/*", 403), ("push", "*", 403)]
        .map(|(s, r, code)| (token(s, r), code));
    let before = store.show();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let client = reqwest::Client::new();
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    let ask = async |token: Option<&str>, repo: &str| {
        let request = client.post(format!("{}/admin/v1/repos/{repo}/restore", served.url()));
        let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
        let answer = request.header("X-Request-Id", "the-same").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(ask(None, "a/b").await.0, 401);
    for (token, code) in tokens.iter().rev() {
        let (there, never) = (ask(Some(token), "a/b").await, ask(Some(token), "a/never").await);
        assert_eq!(there.0, *code);
        if *code == 403 {
            assert_eq!(never, there, "the same words for what was deleted and what never was");
        } else {
            assert_eq!(there.1, before);
        }
    }
    let admin = tokens[0].0.as_str();
    assert_eq!(ask(Some(admin), "a/b").await.0, 409, "it is there again");
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    let show = async |token: &str| {
        let request = client.get(format!("{}/admin/v1/repos/a/b", served.url()));
        let answer = request.bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let told = show(admin).await;
    assert!(told.0 == 404 && told.1.contains("it was deleted at"), "{told:?}");
    let told = show(&tokens[1].0).await;
    assert!(told.0 == 404 && !told.1.contains("deleted"), "{told:?}");
    let renamed = async |token: &str, query: &str| {
        let request = client.post(format!("{}/admin/v1/repos/a/b/restore?{query}", served.url()));
        let answer = request.bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let id = before["repo_id"].as_str().unwrap();
    assert_eq!(renamed(admin, "as=c/d").await.0, 403, "it may not create that");
    assert_eq!(renamed(admin, &format!("id={}", "0".repeat(32))).await.0, 404);
    let everywhere = token("admin", "*");
    let done = renamed(&everywhere, &format!("id={id}&as=c/d")).await;
    assert_eq!((done.0, &done.1["repo"], &done.1["repo_id"]), (200, &"c/d".into(), &id.into()));
    let remote = |words: &[&str]| store.run_remote(served.url(), Some(&everywhere), words);
    remote(&["repo", "delete", "c/d", "--yes"]).ok();
    remote(&["repo", "restore", "c/d", "--as", "a/b", "--id", id]).ok();
    assert_eq!(store.show(), before);
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["prune", "--grace", "0s"]).ok();
    assert_eq!(ask(Some(admin), "a/b").await.0, 409);
    let everything = token("admin", "*");
    assert_eq!(ask(Some(&everything), "a/never").await.0, 404);
}

/// The store of a folder, so many days after it was made.
async fn after(days: i64, data: &Path) -> Store {
    StoreOptions { clock: later(days), ..options(data) }.open().await.unwrap()
}

fn later(days: i64) -> Arc<FixedClock> {
    let start: jiff::Timestamp = "2026-03-02T09:00:00Z".parse().unwrap();
    Arc::new(FixedClock::starting_at(start + jiff::SignedDuration::from_hours(24 * days)))
}

/// A repo whose branch led to `old` at first, and to `new` after a forced push on the tenth day.
async fn rewritten() -> (TestStore, Chain) {
    let store = TestStore::new().await;
    let (old, new) = (chain(3, "old", None), chain(2, "new", None));
    store.push_each(&[&old.pack]).await;
    let file = store.file(&new.pack);
    let late = after(10, &store.data()).await;
    late.push(&store.repo, &[file], PushOptions { force: true }, &Progress::silent())
        .await
        .unwrap();
    (store, old)
}

async fn expire(store: &TestStore, day: i64, age: u32) -> GcReport {
    let late = after(day, &store.data()).await;
    late.gc(
        &store.repo,
        GcOptions { expire_unreachable: Some(DAY * age), ..GcOptions::default() },
        &Progress::silent(),
    )
    .await
    .unwrap()
}

fn dropped(report: &GcReport) -> usize {
    report.dropped.as_ref().unwrap().entities.len()
}

#[tokio::test]
async fn what_comes_again_is_as_recent_as_what_is_new() {
    for way in ["the same file", "a larger pack", "a job", "a deletion that is undone"] {
        let (store, old) = rewritten().await;
        let late = after(95, &store.data()).await;
        let silent = Progress::silent();
        match way {
            "the same file" => {
                let file = store.file(&old.pack);
                let reports =
                    late.push(&store.repo, &[file], PushOptions::default(), &silent).await.unwrap();
                assert_eq!(reports[0].status, PushStatus::Unchanged);
            }
            "a larger pack" => {
                let more = chain(1, "more", None);
                let records = model::union(&[&old.pack, &more.pack]);
                let file = store.file(&model::canonical(&records, &BTreeMap::new()));
                let reports =
                    late.push(&store.repo, &[file], PushOptions::default(), &silent).await.unwrap();
                assert_eq!(
                    (reports[0].status, reports[0].objects, reports[0].new_objects),
                    (PushStatus::Stored, 4, 1)
                );
            }
            "a job" => {
                let file = store.file(&old.pack);
                let reports = late
                    .push_async(&store.repo, &[file], PushOptions::default(), &silent)
                    .await
                    .unwrap();
                assert_eq!(reports[0].status, PushStatus::Unchanged);
            }
            _ => {
                late.delete_repo(&store.repo).await.unwrap();
                late.restore_repo(&store.repo, &Default::default()).await.unwrap();
            }
        }
        assert_eq!(dropped(&expire(&store, 101, 90).await), 0, "{way}: it came six days ago");
        store.sound().await;
        store.fetch(std::slice::from_ref(&old.tip), &[]).await.unwrap();
        let gone = dropped(&expire(&store, 186, 90).await);
        assert_eq!(
            gone,
            if way == "a larger pack" { 12 } else { 9 },
            "{way}: and that is 91 days ago by then"
        );
        store.sound().await;
    }
}

/// Whenever data is pushed that is being dropped, it is there afterwards: kept, or stored again.
#[tokio::test]
async fn a_push_of_what_is_being_dropped_is_never_answered_in_vain() {
    for call in 0.. {
        let (store, old) = rewritten().await;
        // Without heads: once it was dropped, the old branch is no more where the new one is.
        let loose = model::canonical(&model::union(&[&old.pack]), &BTreeMap::new());
        store.push_each(&[&loose]).await;
        // One clock for both, so that none of them looks late to the other; and they must not draw
        // the same ids.
        let clock = later(300);
        let theirs = Fault::never();
        let pusher = StoreOptions { clock: clock.clone(), ..options(&store.data()) };
        let pusher =
            faulty::open(pusher, Sandbox::reference(None).unwrap(), &theirs).await.unwrap();
        let (file, repo) = (store.file(&loose), store.repo.clone());
        let (done, mut pushed) = tokio::sync::mpsc::unbounded_channel();
        let fault = Fault::meanwhile(call, &theirs, move || {
            let (pusher, file, repo, done) =
                (pusher.clone(), file.clone(), repo.clone(), done.clone());
            async move {
                pusher
                    .push(&repo, &[file], PushOptions::default(), &Progress::silent())
                    .await
                    .unwrap();
                done.send(()).unwrap();
            }
        });
        let dropping = StoreOptions { clock, ..options(&store.data()) };
        let dropping =
            faulty::open(dropping, Sandbox::reference(None).unwrap(), &fault).await.unwrap();
        dropping
            .gc(
                &store.repo,
                GcOptions { expire_unreachable: Some(DAY), ..GcOptions::default() },
                &Progress::silent(),
            )
            .await
            .unwrap();
        if !fault.struck() {
            assert!(call > 8, "{call} calls");
            break;
        }
        // Where it was made to wait, it may still be at it.
        pushed.recv().await.unwrap();
        store.sound().await;
        let there = store.fetch(std::slice::from_ref(&old.tip), &[]).await;
        assert_eq!(
            there.unwrap_or_else(|error| panic!("call {call}: {error}")).0.object_count,
            3,
            "call {call}"
        );
    }
}

/// A machine whose clock is ahead of the catalog's, or behind it.
#[derive(Debug)]
struct Skewed {
    right: Arc<FixedClock>,
    ahead: jiff::SignedDuration,
}

impl Clock for Skewed {
    fn now(&self) -> jiff::Timestamp {
        self.right.now() + self.ahead
    }

    fn random_id(&self) -> [u8; 16] {
        self.right.random_id()
    }

    fn external(&self, told: jiff::Timestamp) -> jiff::Timestamp {
        self.right.external(told)
    }
}

async fn skewed(right: &Arc<FixedClock>, hours: i64, data: &Path) -> Store {
    let clock = Skewed { right: right.clone(), ahead: jiff::SignedDuration::from_hours(hours) };
    StoreOptions { clock: Arc::new(clock), ..options(data) }.open().await.unwrap()
}

async fn prune(store: &Store) -> packhouse_host::Result<PruneReport> {
    store.prune(PruneOptions::default(), &Progress::silent()).await
}

/// Two packs that a consolidation has replaced.
async fn consolidated() -> TestStore {
    let store = TestStore::new().await;
    let first = chain(2, "a", None);
    store.push_each(&[&first.pack, &chain(1, "b", Some(&first.tip)).pack]).await;
    store
}

#[tokio::test]
async fn whoever_deletes_with_a_clock_that_is_ahead_is_refused() {
    let store = consolidated().await;
    store.gc().await.unwrap();
    let right = later(1);
    for hours in [10 * 24, 1, -1] {
        let wrong = skewed(&right, hours, &store.data()).await;
        let refused = [
            prune(&wrong).await.unwrap_err(),
            wrong
                .gc(
                    &store.repo,
                    GcOptions { expire_unreachable: Some(DAY), ..GcOptions::default() },
                    &Progress::silent(),
                )
                .await
                .unwrap_err(),
            wrong
                .plan_gc(
                    &store.repo,
                    GcOptions { expire_unreachable: Some(DAY), ..GcOptions::default() },
                    &Progress::silent(),
                )
                .await
                .unwrap_err(),
        ];
        for refused in refused {
            let words = refused.to_string();
            assert_eq!(refused.class(), Class::Refused);
            let way = if hours > 0 { "ahead of" } else { "behind" };
            assert!(words.contains(way) && words.contains("Nothing was deleted"), "{words}");
        }
    }
    assert_eq!(prune(&skewed(&right, 0, &store.data()).await).await.unwrap().packs_waiting, 2);
    assert_eq!(prune(&skewed(&later(9), 0, &store.data()).await).await.unwrap().packs_deleted, 2);
    store.sound().await;
}

#[tokio::test]
async fn what_a_machine_with_a_wrong_clock_publishes_is_dated_by_the_catalog() {
    for hours in [365 * 24, -365 * 24] {
        let store = consolidated().await;
        let wrong = skewed(&later(1), hours, &store.data()).await;
        wrong.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
        let due = prune(&after(2, &store.data()).await).await.unwrap().next_due.unwrap();
        let day = |days| later(days).external(jiff::Timestamp::MIN);
        assert!(due > day(9) && due < day(10), "{hours}: {due}");
        let job =
            wrong.queue(Some(&store.repo), Operation::Gc(GcOptions::default())).await.unwrap().job;
        let asked = store.store.job(job).await.unwrap().run_at;
        assert!(asked > day(1) && asked < day(2), "{hours}: {asked}");
    }
}

#[tokio::test]
async fn a_time_in_the_future_counts_from_when_it_is_seen() {
    let store = consolidated().await;
    // Both clocks were wrong then.
    after(365, &store.data())
        .await
        .gc(&store.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let dry = PruneOptions { dry_run: true, ..PruneOptions::default() };
    let seen = after(1, &store.data()).await;
    for options in [dry, PruneOptions::default()] {
        let report = seen.prune(options, &Progress::silent()).await.unwrap();
        let days = report
            .next_due
            .unwrap()
            .duration_since(later(1).external(jiff::Timestamp::MIN))
            .as_hours()
            / 24;
        assert_eq!((report.packs_deleted, report.packs_waiting, days), (0, 2, 8));
    }
    assert_eq!(prune(&after(8, &store.data()).await).await.unwrap().packs_deleted, 0);
    assert_eq!(prune(&after(10, &store.data()).await).await.unwrap().packs_deleted, 2);
    store.sound().await;
}
