//! The tests that every store must pass: the one on this machine, a server, and the demo store.

mod places;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::FutureExt;
use packhouse_host::contents::Kind;
use packhouse_host::{
    ComparedSum, ComparedTotals, Event, FilesQuery, GcOptions, GcQuery, Inspect, JobStatus,
    JobsQuery, LogQuery, MpackKey, Operation, PackComparisonQuery, PackFate, PackRecordsQuery,
    Policy, Progress, PruneOptions, PruneReport, RecordClass, RepoName, Store, VerifyOptions,
};
use tokio::sync::Notify;

use super::fake::now;
use crate::console::backend::Backend;
use crate::console::demo::{Demo, DemoBackend, REPOS};
use crate::console::effects::contents;
use crate::console::failure::{Failure, FailureKind};
use crate::console::state::{PREVIEW, Prune, tells_its_load};
use places::{InMemory, OnDisk, Served};

/// A store in which `worn` and `torn` have several packs each.
trait Place {
    fn store(&self) -> &dyn Backend;
    /// The store behind it, in this process.
    fn local(&self) -> &Store;
    fn worn(&self) -> RepoName;
    fn torn(&self) -> RepoName;
    async fn push(&self, repo: &RepoName);
    /// Queues a consolidation.
    async fn queue(&self, repo: &RepoName) {
        let gc = Operation::Gc(GcOptions::default());
        self.local().queue(Some(repo), gc).await.unwrap();
    }
    /// Makes planning of `torn` fail.
    async fn tear(&self);
}

fn all(text: &str) -> GcQuery {
    GcQuery { text: text.to_owned(), limit: 10, ..GcQuery::default() }
}

async fn the_whole_suite(place: &impl Place) {
    lists_come_in_pages_by_name(place).await;
    what_is_inside_is_the_same_everywhere(place).await;
    a_repo_is_the_same_everywhere(place).await;
    watchers_see_changes(place).await;
    a_plan_changes_nothing_and_running_it_leaves_one_pack(place).await;
    a_plan_of_a_repo_that_has_changed_is_not_run(place).await;
    verifying_finds_nothing_and_can_be_stopped(place).await;
    a_consolidation_at_once_is_remembered_however_it_ends(place).await;
    jobs_are_listed_retried_and_cancelled_and_counted(place).await;
    replaced_packs_are_listed_with_their_reasons_and_deleted(place).await;
    policies_are_the_same_everywhere_and_say_whose_they_are(place).await;
    damage_and_failures_are_in_the_list_and_in_the_numbers(place).await;
}

async fn lists_come_in_pages_by_name(place: &impl Place) {
    let store = place.store();
    let whole = store.summaries(None, 100_000).await.unwrap();
    assert!(whole.len() >= 3 && whole.is_sorted_by(|a, b| a.repo < b.repo));
    let mut paged = Vec::new();
    loop {
        let last = paged.last().map(|repo: &packhouse_host::RepoSummary| repo.repo.clone());
        let page = store.summaries(last.as_ref(), 2).await.unwrap();
        let ended = page.len() < 2;
        paged.extend(page);
        if ended {
            break;
        }
    }
    assert_eq!(paged, whole);
}

async fn a_repo_is_the_same_everywhere(place: &impl Place) {
    let store = place.store();
    let listed = store.summaries(None, 100_000).await.unwrap();
    for summary in &listed {
        assert_eq!(&store.summary(&summary.repo).await.unwrap(), summary);
        let detail = store.detail(&summary.repo).await.unwrap();
        let report = &detail.report;
        assert_eq!(&detail.summary, summary);
        assert_eq!(
            (report.packs, report.bytes, report.objects),
            (summary.packs, summary.bytes, summary.objects)
        );
        assert_eq!(report.last_gc, summary.last_gc);
        assert_eq!(report.last_gc.as_ref(), detail.history.first());
        let needed: Vec<_> = detail
            .packs
            .iter()
            .filter(|pack| pack.retired_at.is_none() && pack.needed_records > 0)
            .collect();
        assert_eq!(needed.len() as u64, report.packs, "{}", report.repo);
        assert_eq!(needed.iter().map(|pack| pack.bytes).sum::<u64>(), report.bytes);
        assert!(
            detail
                .packs
                .iter()
                .all(|pack| pack.needed_bytes <= pack.bytes && pack.needed_records <= pack.records)
        );
        assert!(detail.timeline.is_sorted_by_key(|moment| moment.at));
        if let Some(now) = detail.timeline.last() {
            assert_eq!((now.packs, now.bytes), (report.packs, report.bytes), "{}", report.repo);
        }
    }
    let unknown: RepoName = "nobody/nothing".parse().unwrap();
    for failure in [store.detail(&unknown).await.err(), store.summary(&unknown).await.err()] {
        let failure = Failure::from(failure.unwrap());
        assert!(
            failure.kind == FailureKind::Refused && failure.message.contains("nobody/nothing"),
            "{failure}"
        );
    }
}

async fn what_is_inside_is_the_same_everywhere(place: &impl Place) {
    let (store, repo) = (place.store(), place.worn());
    let mut commits = Vec::new();
    let mut query = LogQuery { limit: 1, ..LogQuery::default() };
    loop {
        let page = store.log(&repo, &query).await.unwrap();
        commits.extend(page.commits);
        query.from = page.next;
        if query.from.is_empty() {
            break;
        }
    }
    assert!(commits.len() > 1 && commits.iter().any(|commit| commit.author.is_some()));
    let commit = &commits[0].commit;
    let query = FilesQuery { commit: commit.clone(), limit: 100, ..FilesQuery::default() };
    let files = store.files(&repo, &query).await.unwrap().files;
    let object = &files.first().unwrap().object;
    for (id, kind) in [(commit, Kind::Commit), (object, Kind::Object)] {
        let found = store.find(&repo, &id[..id.len() - 20]).await.unwrap();
        let opened = contents::open(store, &repo, id).await.unwrap();
        assert_eq!((found, opened.record.place.kind), (vec![opened.record.place.clone()], kind));
        let read = opened.beginning.as_ref().unwrap().len();
        assert_eq!(read as u64, opened.bytes().min(PREVIEW as u64));
    }
    packs_list_their_records(store, &repo).await;
    packs_are_compared(store, &repo).await;
    let nothing = contents::find(store, "ffffffffffffffff", vec![repo.clone()]).await;
    assert_eq!(nothing, [(repo, Ok(Vec::new()))]);
}

/// Every record of every pack, page by page: what is needed is where a search finds it.
async fn packs_list_their_records(store: &dyn Backend, repo: &RepoName) {
    let detail = store.detail(repo).await.unwrap();
    for pack in &detail.packs {
        let mut query =
            PackRecordsQuery { pack: pack.key, from: 0, limit: 7, kind: None, id: None };
        let mut records = Vec::new();
        loop {
            let page = store.pack_records(repo, &query).await.unwrap();
            assert_eq!((page.pack_bytes, page.pack_records), (pack.bytes, pack.records));
            assert!(page.records.len() <= 7);
            records.extend(page.records);
            let Some(next) = page.next else { break };
            query.from = next;
        }
        assert_eq!(records.len() as u64, pack.records);
        assert!(records.is_sorted_by(|a, b| a.offset + a.length <= b.offset));
        let needed: Vec<_> = records.iter().filter(|record| record.needed).collect();
        assert_eq!(needed.len() as u64, pack.needed_records, "{}", pack.key);
        let found = store.find(repo, &records[0].id).await.unwrap();
        let found = found.iter().find(|found| found.kind == records[0].kind);
        assert_eq!(found.map(|found| found.mpack_key), records[0].mpack_key);
        query = PackRecordsQuery { kind: Some(Kind::Commit), from: 0, ..query };
        let commits = store.pack_records(repo, &query).await.unwrap().records;
        assert!(commits.iter().all(|commit| commit.kind == Kind::Commit));
        assert_eq!(
            commits.first(),
            records.iter().find(|record| record.kind == Kind::Commit),
            "a search begins at the first"
        );
        let id = Some(records[0].id[..20].to_owned());
        query = PackRecordsQuery { kind: Some(records[0].kind), id, ..query };
        assert_eq!(store.pack_records(repo, &query).await.unwrap().records, records[..1]);
    }
    let pack = MpackKey::new([0xee; 32]);
    let query = PackRecordsQuery { pack, from: 0, limit: 7, kind: None, id: None };
    let failure = Failure::from(store.pack_records(repo, &query).await.unwrap_err());
    assert!(failure.message.contains(&pack.to_string()), "{failure}");
}

/// Each record of two packs is in one class, on one page.
async fn packs_are_compared(store: &dyn Backend, repo: &RepoName) {
    let detail = store.detail(repo).await.unwrap();
    let [a, b] = [&detail.packs[0], &detail.packs[1]];
    let (class, after) = (None, None);
    let mut query =
        PackComparisonQuery { a: a.key, b: b.key, class, after, limit: 7, totals: true };
    let (mut records, mut totals) = (Vec::new(), None);
    loop {
        let page = store.compare_packs(repo, &query).await.unwrap();
        assert_eq!(page.totals.is_some(), records.is_empty(), "with the first page");
        totals = page.totals.or(totals);
        records.extend(page.records);
        (query.after, query.totals) = (page.next, false);
        if query.after.is_none() {
            break;
        }
    }
    let mut counted = ComparedTotals::default();
    records.iter().for_each(|record| counted.add(record.class, record.a, record.b));
    assert_eq!(totals, Some(counted));
    let ids: BTreeSet<_> = records.iter().map(|record| (record.kind, &record.id)).collect();
    assert_eq!(ids.len(), records.len());
    let of = |sum: ComparedSum| sum.records;
    let both = of(counted.same) + of(counted.other_encoding);
    assert_eq!((of(counted.only_a) + both, of(counted.only_b) + both), (a.records, b.records));
    let class = Some(RecordClass::OnlyB);
    query = PackComparisonQuery { class, after: None, limit: 1000, ..query };
    let only_b = store.compare_packs(repo, &query).await.unwrap().records;
    assert!(only_b.iter().eq(records.iter().filter(|record| record.class == RecordClass::OnlyB)));
    query = PackComparisonQuery { b: MpackKey::new([0xee; 32]), ..query };
    assert!(store.compare_packs(repo, &query).await.is_err());
}

async fn watchers_see_changes(place: &impl Place) {
    let store = place.store();
    let stamp = store.changed(None).await.unwrap();
    let mut watching = std::pin::pin!(store.changed(Some(stamp)));
    assert!(watching.as_mut().now_or_never().is_none(), "nothing has changed");
    place.push(&place.worn()).await;
    assert_ne!(watching.await.unwrap(), stamp);
}

async fn a_plan_changes_nothing_and_running_it_leaves_one_pack(place: &impl Place) {
    let (store, repo) = (place.store(), place.worn());
    let before = store.summary(&repo).await.unwrap();
    assert!(before.packs > 2 && before.duplicate_bytes > 0);
    let plan = store.plan_gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    let planned = plan.report().clone();
    assert_eq!(store.summary(&repo).await.unwrap(), before);
    assert!(!planned.skipped && planned.phase.plan_digest.is_some());
    assert_eq!(
        (planned.packs_before, planned.packs_after, planned.bytes_before),
        (before.packs, 1, before.bytes)
    );
    assert_eq!(planned.phase.cost.unwrap().bytes_to_write, planned.bytes_after);

    let steps = Arc::new(AtomicUsize::new(0));
    let counter = steps.clone();
    let counting = Progress::new(move |_| _ = counter.fetch_add(1, Ordering::Relaxed));
    let done = plan.apply(&counting).await.unwrap();
    assert!(steps.load(Ordering::Relaxed) > 2, "no progress was reported");
    assert_eq!((done.packs_after, done.bytes_after), (1, planned.bytes_after));
    let proven = done.phase.proven.unwrap();
    assert_eq!(proven.entities, done.objects + done.commits + done.snapshots + done.tags);
    assert_eq!((proven.objects_hashed, proven.bytes_read_back), (done.objects, done.bytes_after));
    let after = store.summary(&repo).await.unwrap();
    assert_eq!((after.packs, after.bytes, after.duplicate_bytes), (1, done.bytes_after, 0));
    assert_eq!(after.superseded_bytes, before.superseded_bytes + before.bytes);

    let again = store.plan_gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    let again = again.report();
    assert!(again.skipped && again.consolidated_key == done.consolidated_key);

    let newest = store.gc_entries(&all("")).await.unwrap().remove(0);
    assert_eq!((&newest.repo, &newest.record.outcome[..]), (&repo, "consolidated"));
    assert_eq!(newest.report.unwrap().phase.proven, done.phase.proven);
    let found = store.gc_entries(&all(&repo.to_string().to_uppercase())).await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|entry| entry.repo == repo));
    assert_eq!(store.gc_entries(&all("no such % thing")).await.unwrap(), []);
    let before = GcQuery { before: Some(newest.id), ..all("") };
    assert!(store.gc_entries(&before).await.unwrap().iter().all(|entry| entry.id < newest.id));
}

async fn a_plan_of_a_repo_that_has_changed_is_not_run(place: &impl Place) {
    let (store, repo) = (place.store(), place.torn());
    let plan = store.plan_gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    place.push(&repo).await;
    let pushed = store.summary(&repo).await.unwrap();
    let failure = Failure::from(plan.apply(&Progress::silent()).await.unwrap_err());
    assert!(
        failure.kind == FailureKind::Conflict && failure.message.contains(&repo.to_string()),
        "{failure}"
    );
    assert_eq!(store.summary(&repo).await.unwrap(), pushed);
}

async fn verifying_finds_nothing_and_can_be_stopped(place: &impl Place) {
    let (store, repo) = (place.store(), place.torn());
    let report = store.verify(&repo, VerifyOptions::default(), &Progress::silent()).await.unwrap();
    assert!(report.ok && report.packs_checked > 0 && report.objects_checked > 0, "{report:?}");
    let cancelled = Progress::silent();
    cancelled.cancel();
    for failure in [
        store.verify(&repo, VerifyOptions::default(), &cancelled).await.err(),
        store.plan_gc(&repo, GcOptions::default(), &cancelled).await.err(),
    ] {
        // A fast call may end before it is cancelled.
        assert!(failure.is_none_or(|error| error.is_cancelled()));
    }
}

async fn a_consolidation_at_once_is_remembered_however_it_ends(place: &impl Place) {
    let (store, repo) = (place.store(), place.torn());
    let newest = async || store.gc_entries(&all("")).await.unwrap().remove(0);
    assert_eq!(
        store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap().packs_after,
        1
    );
    assert_eq!(
        (newest().await.repo, newest().await.record.outcome),
        (repo.clone(), "consolidated".to_owned())
    );

    place.push(&repo).await;
    place.tear().await;
    let failure = store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap_err();
    let failed = newest().await;
    assert_eq!((failed.repo, &failed.record.outcome[..]), (repo.clone(), "failed"));
    assert_eq!(failed.record.error, Some(failure.to_string()));

    // A plan alone is not in the history.
    place.tear().await;
    assert!(store.plan_gc(&repo, GcOptions::default(), &Progress::silent()).await.is_err());
    assert_eq!(newest().await.id, failed.id);
}

async fn jobs_are_listed_retried_and_cancelled_and_counted(place: &impl Place) {
    let (store, repo) = (place.store(), place.worn());
    let of = |limit| JobsQuery { limit, ..JobsQuery::default() };
    let before = store.health().await.unwrap();
    place.queue(&repo).await;
    let newest = store.jobs(&of(1)).await.unwrap().remove(0);
    assert_eq!((newest.repo.as_ref(), newest.status), (Some(&repo), JobStatus::Queued));
    assert_eq!(store.job(newest.id).await.unwrap(), newest);
    assert_eq!(store.health().await.unwrap().jobs_queued, before.jobs_queued + 1);
    let queued = store
        .jobs(&JobsQuery { repo: Some(repo.clone()), status: Some(JobStatus::Queued), ..of(9) })
        .await
        .unwrap();
    assert_eq!(queued.iter().map(|job| job.id).collect::<Vec<_>>(), [newest.id]);
    let older = store.jobs(&JobsQuery { before: Some(newest.id), ..of(9) }).await.unwrap();
    assert!(older.iter().all(|job| job.id < newest.id));

    assert_eq!(store.cancel_job(newest.id).await.unwrap().status, JobStatus::Cancelled);
    assert_eq!(store.health().await.unwrap().jobs_queued, before.jobs_queued);
    let refused = Failure::from(store.cancel_job(newest.id).await.unwrap_err());
    assert_eq!(refused.kind, FailureKind::Refused);
    assert_eq!(store.retry_job(newest.id).await.unwrap().status, JobStatus::Queued);
    assert_eq!(store.cancel_job(newest.id).await.unwrap().status, JobStatus::Cancelled);
    assert!(store.job(i64::from(u32::MAX)).await.is_err());
}

async fn replaced_packs_are_listed_with_their_reasons_and_deleted(place: &impl Place) {
    let (store, repo) = (place.store(), place.worn());
    let silent = Progress::silent();
    let replaced = async |store: &dyn Backend| {
        let detail = store.detail(&repo).await.unwrap();
        let mut keys: Vec<_> = detail
            .packs
            .iter()
            .filter(|pack| pack.retired_at.is_some())
            .map(|pack| pack.key)
            .collect();
        keys.sort();
        keys
    };
    let before = replaced(store).await;
    assert!(!before.is_empty());
    let preview = store.prune(Prune::preview(), &silent).await.unwrap();
    let count = |report: &PruneReport, fate| {
        report.packs.iter().filter(|pack| pack.fate == fate).count() as u64
    };
    assert_eq!(preview.packs_deleted, count(&preview, PackFate::Due));
    assert_eq!(preview.packs_waiting, count(&preview, PackFate::Waiting));
    let of_repo = preview.packs.iter().filter(|pack| pack.repos.contains(&repo));
    let mut listed: Vec<_> = of_repo.clone().map(|pack| pack.pack).collect();
    listed.sort();
    assert_eq!(listed, before);
    assert!(of_repo.clone().all(|pack| pack.fate == PackFate::Waiting && pack.bytes > 0));
    assert_eq!(replaced(store).await, before, "a preview changes nothing");

    let at_once = PruneOptions { grace: Duration::ZERO, ..PruneOptions::default() };
    let dry = PruneOptions { dry_run: true, ..at_once };
    let due = count(&store.prune(dry, &silent).await.unwrap(), PackFate::Due);
    assert!(due >= before.len() as u64);
    let done = store.prune(at_once, &silent).await.unwrap();
    assert_eq!((done.packs_deleted, done.packs.len()), (due, 0));
    assert_eq!(replaced(store).await, []);
}

async fn policies_are_the_same_everywhere_and_say_whose_they_are(place: &impl Place) {
    let (store, repo) = (place.store(), place.worn());
    place.push(&repo).await;
    let default = store.policy(None).await.unwrap();
    let check = async || {
        let mut checks = store.check_policies(None, false).await.unwrap();
        checks.retain(|check| check.repo == repo);
        checks.remove(0)
    };
    let before = check().await;
    assert_eq!((before.own_policy, before.policy), (false, default.policy));
    assert_eq!(before.packs, store.summary(&repo).await.unwrap().packs);
    let own = Policy { max_packs: Some(1), ..Policy::OFF };
    place.local().set_policy(Some(&repo), Some(own)).await.unwrap();
    let after = check().await;
    assert_eq!((after.own_policy, after.policy, after.due), (true, own, true));
    assert!(!after.reasons.is_empty() && after.gc.is_some() && after.job.is_none());
    assert_eq!(store.policy(Some(&repo)).await.unwrap().policy, own);
    place.local().set_policy(Some(&repo), None).await.unwrap();
    assert_eq!(check().await, before);
}

async fn damage_and_failures_are_in_the_list_and_in_the_numbers(place: &impl Place) {
    let (store, repo) = (place.store(), place.torn());
    let found = store.verify(&repo, VerifyOptions::default(), &Progress::silent()).await.unwrap();
    assert!(!found.ok);
    let torn = store.summary(&repo).await.unwrap();
    assert!(torn.damaged > 0 && torn.last_gc.unwrap().outcome == "failed");
    let listed = store.summaries(None, 100_000).await.unwrap();
    let damaged = listed.iter().filter(|repo| repo.damaged > 0).count() as u64;
    assert_eq!(store.health().await.unwrap().damaged_repos, damaged);
}

#[tokio::test]
async fn the_demo_store() {
    let demo = Demo::build(REPOS, 1, now()).await.unwrap();
    the_whole_suite(&InMemory(demo)).await;
}

#[tokio::test]
async fn the_demo_shows_its_runs_at_work_and_they_can_be_cancelled() {
    let store = DemoBackend::new();
    let repos = store.summaries(None, 100).await.unwrap();
    assert_eq!(repos.len(), REPOS);
    let halfway = Arc::new(Notify::new());
    let reached = halfway.clone();
    let progress = Progress::new(move |event: Event| {
        if event.done > 0 {
            reached.notify_one();
        }
    });
    let cancelling = async {
        halfway.notified().await;
        progress.cancel();
    };
    let (failure, ()) =
        tokio::join!(store.gc(&repos[0].repo, GcOptions::default(), &progress), cancelling);
    assert!(failure.unwrap_err().is_cancelled());
    assert_eq!(store.summary(&repos[0].repo).await.unwrap(), repos[0]);
}

#[tokio::test]
async fn the_store_on_this_machine() {
    the_whole_suite(&OnDisk::new().await).await;
}

#[tokio::test]
async fn the_store_behind_a_server() {
    let served = Served::new().await;
    the_whole_suite(&served).await;
    let mut connection = served.remote.connection().unwrap();
    assert_eq!(connection.borrow().down, None);
    assert!(connection.borrow().latency.is_some() && connection.borrow().heard_at.is_some());
    let report = served.remote.server().await.unwrap().unwrap();
    assert!(tells_its_load(&report.metrics), "{}", report.metrics);

    served.stop.ask();
    served.serving.await.unwrap().unwrap();
    let failure = Failure::from(served.remote.summary(&served.disk.worn()).await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(
        connection.borrow_and_update().down_since().is_some(),
        "the connection is updated before the call fails"
    );
}
