//! Jobs: queued, listed, retried and cancelled.

use std::sync::Arc;
use std::time::Duration;

use packhouse_host::catalog::{Again, Catalog, Failure, Fence, JobEnd, JobQuery, NewJob};
use packhouse_host::{
    GcOptions, IndexOptions, JobReport, JobStatus, MirrorOptions, Operation, PruneOptions,
    QueuedPack, VerifyOptions,
};
use serde_json::json;

use super::desk::{Desk, at, key};

/// What queued a job.
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
pub const GC: Operation = Operation::Gc(GcOptions::FULL);
pub const PRUNE: Operation = Operation::Prune(PruneOptions {
    grace: Duration::from_secs(60),
    orphans: false,
    newer: false,
    dry_run: false,
    trust_verified: Duration::ZERO,
});

fn mirror(seconds: u64) -> Operation {
    let source = "https://hub.example/ines/süß".to_owned();
    Operation::Mirror(MirrorOptions { source, every: Duration::from_secs(seconds), force: true })
}

const ALL: JobQuery = JobQuery { repo: None, status: None, before: None, limit: 100 };

pub async fn add(
    catalog: &Arc<dyn Catalog>,
    repo: Option<i64>,
    operation: Operation,
    seconds: i64,
) -> JobReport {
    let traceparent = Some(TRACEPARENT.to_owned());
    catalog.add_job(&NewJob { repo, operation, now: at(seconds), traceparent }).await.unwrap()
}

/// Takes a job for a minute.
pub async fn take(catalog: &Arc<dyn Catalog>, seconds: i64) -> Option<(JobReport, Fence)> {
    catalog.take_job("w", at(seconds), at(seconds + 60)).await.unwrap()
}

/// It has failed with another error than damage.
pub fn failed(reason: &str) -> JobEnd {
    JobEnd::Failed(Failure { reason: reason.to_owned(), code: "refused" })
}

fn again(seconds: i64, attempt: u32) -> JobEnd {
    JobEnd::Again(Again { at: at(seconds), reason: "not yet".into(), code: None, attempt })
}

pub async fn a_job_is_told_as_it_was_asked_for(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let packs = vec![QueuedPack { mpack_key: key(1), file: "süß \"1\".mpack".into() }];
    let operations = [
        (Some(desk.repo), Operation::Index(IndexOptions { packs, force: true })),
        (
            Some(desk.repo),
            Operation::Gc(GcOptions {
                expire_unreachable: Some(Duration::from_secs(7)),
                ..GcOptions::default()
            }),
        ),
        (
            None,
            Operation::Prune(PruneOptions {
                grace: Duration::from_secs(3),
                orphans: true,
                trust_verified: Duration::from_secs(9),
                ..PruneOptions::default()
            }),
        ),
        (Some(desk.repo), Operation::Verify(VerifyOptions::default())),
        (Some(desk.repo), mirror(600)),
    ];
    for (seconds, (repo, operation)) in (0..).zip(operations) {
        let added = add(&catalog, repo, operation.clone(), seconds).await;
        let expected = JobReport {
            id: added.id,
            repo: repo.map(|_| desk.name.clone()),
            operation,
            status: JobStatus::Queued,
            attempt: 0,
            created_at: at(seconds),
            run_at: at(seconds),
            started_at: None,
            finished_at: None,
            worker: None,
            lease_until: None,
            reason: None,
            result: None,
            error_code: None,
            healed: false,
            traceparent: Some(TRACEPARENT.to_owned()),
        };
        assert_eq!(
            (&added, catalog.job(added.id).await.unwrap().as_ref()),
            (&expected, Some(&expected))
        );
    }
    assert!(catalog.job(999).await.unwrap().is_none());
}

pub async fn of_consolidations_mirrors_and_deletions_one_waits(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let first = add(&catalog, Some(desk.repo), GC, 0).await;
    assert_eq!(add(&catalog, Some(desk.repo), GC, 1).await, first, "the one that waits");
    let others = add(&catalog, Some(other.repo), GC, 1).await;
    assert_ne!(others.id, first.id, "each repo has its own");
    let prune = add(&catalog, None, PRUNE, 2).await;
    assert_eq!(add(&catalog, None, PRUNE, 3).await, prune);
    let follows = add(&catalog, Some(desk.repo), mirror(600), 100).await;
    assert_eq!(add(&catalog, Some(desk.repo), mirror(600), 101).await, follows);
    // Neither does what the other does.
    assert_eq!(add(&catalog, Some(desk.repo), mirror(60), 102).await, follows);
    assert_ne!(add(&catalog, Some(other.repo), mirror(60), 103).await.id, follows.id);
    let verify =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 4).await;
    assert_ne!(
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 4).await.id,
        verify.id,
        "others wait as often as they are asked for"
    );

    let (taken, fence) = take(&catalog, 5).await.unwrap();
    assert_eq!(taken.id, first.id);
    let second = add(&catalog, Some(desk.repo), GC, 6).await;
    assert_ne!(second.id, first.id, "one runs and one waits");
    assert_eq!(add(&catalog, Some(desk.repo), GC, 7).await.id, second.id);
    catalog.end_job(fence, &JobEnd::Done(json!(1)), at(8)).await.unwrap().unwrap();
    assert_eq!(add(&catalog, Some(desk.repo), GC, 9).await.id, second.id);
}

pub async fn jobs_are_listed_newest_first_by_repo_and_status_page_by_page(
    catalog: Arc<dyn Catalog>,
) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let mut ids = Vec::new();
    for seconds in 0..6 {
        let repo = [Some(desk.repo), Some(other.repo), Some(desk.repo)][seconds as usize % 3];
        ids.push(
            add(&catalog, repo, Operation::Verify(VerifyOptions::default()), seconds).await.id,
        );
    }
    ids.push(add(&catalog, None, PRUNE, 9).await.id);
    catalog.cancel_job(ids[0], at(9)).await.unwrap().unwrap();
    take(&catalog, 9).await.unwrap();
    let listed = async |query| -> Vec<usize> {
        let jobs = catalog.jobs(query).await.unwrap();
        jobs.iter().map(|job| ids.iter().position(|id| *id == job.id).unwrap()).collect()
    };
    assert_eq!(listed(ALL).await, [6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(listed(JobQuery { repo: Some(desk.repo), ..ALL }).await, [5, 3, 2, 0]);
    assert_eq!(listed(JobQuery { status: Some(JobStatus::Queued), ..ALL }).await, [6, 5, 4, 3, 2]);
    assert_eq!(listed(JobQuery { status: Some(JobStatus::Running), ..ALL }).await, [1]);
    assert_eq!(
        listed(JobQuery { repo: Some(desk.repo), status: Some(JobStatus::Cancelled), ..ALL }).await,
        [0]
    );
    assert_eq!(listed(JobQuery { before: Some(ids[4]), limit: 2, ..ALL }).await, [3, 2]);
    let by_id: Vec<_> =
        catalog.jobs(ALL).await.unwrap().iter().map(|job| job.repo.clone()).collect();
    assert_eq!((&by_id[0], &by_id[2]), (&None, &Some(other.name)));
    let counts = catalog.job_counts().await.unwrap();
    let mut counts: Vec<_> = counts
        .iter()
        .map(|(operation, status, count)| (operation.as_str(), *status, *count))
        .collect();
    counts.sort_unstable();
    let expected = [
        ("mpack.prune", JobStatus::Queued, 1),
        ("mpack.verify", JobStatus::Queued, 4),
        ("mpack.verify", JobStatus::Running, 1),
        ("mpack.verify", JobStatus::Cancelled, 1),
    ];
    assert_eq!(counts, expected);
}

pub async fn the_job_that_has_been_due_for_longest_is_taken_first(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let late =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 20).await;
    let early =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 10).await;
    let same = add(&catalog, None, PRUNE, 10).await;
    assert!(take(&catalog, 9).await.is_none(), "none is due");
    for expected in [early.id, same.id] {
        let (job, fence) = take(&catalog, 15).await.unwrap();
        assert_eq!(
            (job.id, fence.job),
            (expected, expected),
            "of those that are due for as long, the one asked for first"
        );
        assert_eq!(
            (job.status, job.attempt, job.worker.as_deref()),
            (JobStatus::Running, 1, Some("w"))
        );
        assert_eq!((job.started_at, job.lease_until), (Some(at(15)), Some(at(75))));
        assert_eq!(catalog.job(job.id).await.unwrap(), Some(job));
    }
    assert!(take(&catalog, 19).await.is_none());
    assert_eq!(take(&catalog, 20).await.unwrap().0.id, late.id);
}

pub async fn a_job_that_is_to_be_tried_again_is_not_due_before(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let job = add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await;
    let (_, fence) = take(&catalog, 1).await.unwrap();
    let waiting = catalog.end_job(fence, &again(30, 1), at(2)).await.unwrap().unwrap();
    assert_eq!(
        (waiting.status, waiting.run_at, waiting.reason.as_deref()),
        (JobStatus::Queued, at(30), Some("not yet"))
    );
    assert_eq!((waiting.attempt, waiting.lease_until, waiting.finished_at), (1, None, None));
    assert!(take(&catalog, 29).await.is_none());
    let (job2, fence2) = take(&catalog, 30).await.unwrap();
    assert_eq!((job2.id, job2.attempt, fence2.number > fence.number), (job.id, 2, true));
    // An attempt that does not count leaves no trace in the count.
    let waiting = catalog.end_job(fence2, &again(31, 1), at(30)).await.unwrap().unwrap();
    assert_eq!(waiting.attempt, 1);
    let (job3, fence3) = take(&catalog, 31).await.unwrap();
    assert_eq!(job3.attempt, 2);
    // After one that succeeded, the count begins again.
    let waiting = catalog.end_job(fence3, &again(32, 0), at(31)).await.unwrap().unwrap();
    assert_eq!(waiting.attempt, 0);
    assert_eq!(take(&catalog, 32).await.unwrap().0.attempt, 1);
}

pub async fn a_job_ends_once_with_what_came_of_it(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await;
    add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 1).await;
    let (_, fence) = take(&catalog, 2).await.unwrap();
    let result = json!({ "ok": true, "text": "süß", "list": [1, 2.5, null] });
    let done = catalog.end_job(fence, &JobEnd::Done(result.clone()), at(3)).await.unwrap().unwrap();
    assert_eq!(
        (done.status, done.finished_at, done.lease_until),
        (JobStatus::Done, Some(at(3)), None)
    );
    assert_eq!((done.result, done.reason, done.worker.as_deref()), (Some(result), None, Some("w")));
    assert!(catalog.end_job(fence, &failed("late"), at(4)).await.unwrap().is_none());
    assert_eq!(catalog.job(fence.job).await.unwrap().unwrap().status, JobStatus::Done);
    let (_, fence) = take(&catalog, 5).await.unwrap();
    let broken = catalog.end_job(fence, &failed("broken"), at(6)).await.unwrap().unwrap();
    assert_eq!((broken.status, broken.finished_at), (JobStatus::Failed, Some(at(6))));
    assert_eq!((broken.reason.as_deref(), broken.result), (Some("broken"), None));
    assert!(take(&catalog, 99).await.is_none(), "what has ended is not taken");
}

pub async fn a_failed_or_cancelled_job_begins_anew_and_no_other(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let job =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await.id;
    assert!(catalog.retry_job(job, at(1)).await.unwrap().is_none(), "it waits");
    let (_, fence) = take(&catalog, 1).await.unwrap();
    assert!(catalog.retry_job(job, at(1)).await.unwrap().is_none(), "it runs");
    catalog.end_job(fence, &failed("broken"), at(2)).await.unwrap();
    let anew = catalog.retry_job(job, at(50)).await.unwrap().unwrap();
    assert_eq!(
        (anew.id, anew.status, anew.attempt, anew.run_at),
        (job, JobStatus::Queued, 0, at(50))
    );
    assert_eq!((anew.finished_at, anew.reason), (None, None));
    assert!(take(&catalog, 49).await.is_none());
    catalog.cancel_job(job, at(51)).await.unwrap().unwrap();
    assert_eq!(catalog.retry_job(job, at(60)).await.unwrap().unwrap().status, JobStatus::Queued);
    let (_, later) = take(&catalog, 60).await.unwrap();
    assert!(later.number > fence.number);
    catalog.end_job(later, &JobEnd::Done(json!(null)), at(61)).await.unwrap();
    assert!(catalog.retry_job(job, at(62)).await.unwrap().is_none(), "it is done");
    assert!(catalog.retry_job(999, at(62)).await.unwrap().is_none());
}

pub async fn a_repo_has_one_mirror_also_while_it_runs(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let first = add(&catalog, Some(desk.repo), mirror(60), 0).await.id;
    let (_, fence) = take(&catalog, 1).await.unwrap();
    // The one that runs will wait again.
    for asked in [mirror(60), mirror(600)] {
        let job = add(&catalog, Some(desk.repo), asked, 2).await;
        assert_eq!((job.id, job.operation), (first, mirror(60)));
    }
    let waits = catalog.end_job(fence, &again(9, 0), at(3)).await.unwrap().unwrap();
    assert_eq!((waits.id, waits.status), (first, JobStatus::Queued));
    // One that has ended makes room for another, and does not come back beside it.
    catalog.cancel_job(first, at(4)).await.unwrap().unwrap();
    let second = add(&catalog, Some(desk.repo), mirror(600), 5).await;
    assert_ne!(second.id, first);
    let (_, fence) = take(&catalog, 6).await.unwrap();
    assert_eq!(fence.job, second.id);
    assert_eq!(catalog.retry_job(first, at(7)).await.unwrap().unwrap().id, second.id);
}

pub async fn where_another_of_its_kind_waits_that_one_will_do(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for (repo, operation) in [(Some(desk.repo), GC), (None, PRUNE)] {
        let first = add(&catalog, repo, operation.clone(), 0).await.id;
        let (_, fence) = take(&catalog, 1).await.unwrap();
        let second = add(&catalog, repo, operation.clone(), 2).await.id;
        // The one that runs is to be tried again: the other does the same.
        let ended = catalog.end_job(fence, &again(9, 1), at(3)).await.unwrap().unwrap();
        assert_eq!(
            (ended.id, ended.status, ended.finished_at),
            (first, JobStatus::Cancelled, Some(at(3)))
        );
        assert!(ended.reason.unwrap().contains(&format!("{second}")), "it says which");
        assert_eq!(catalog.retry_job(first, at(4)).await.unwrap().unwrap().id, second);
        assert_eq!(catalog.job(first).await.unwrap().unwrap().status, JobStatus::Cancelled);
        catalog.cancel_job(second, at(5)).await.unwrap().unwrap();
        assert_eq!(
            catalog.retry_job(first, at(6)).await.unwrap().unwrap().id,
            first,
            "none waits any more"
        );
        catalog.cancel_job(first, at(7)).await.unwrap().unwrap();
    }
}

pub async fn the_job_that_waits_does_what_both_are_to_do(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let geometric = Operation::Gc(GcOptions::GEOMETRIC);
    let expiring = |days: u64| {
        let age = Duration::from_secs(days * 24 * 3600);
        Operation::Gc(GcOptions { expire_unreachable: Some(age), ..GcOptions::FULL })
    };
    // A narrow one becomes as wide as each that is asked for, and never narrower again.
    let waiting = add(&catalog, Some(desk.repo), geometric.clone(), 0).await.id;
    let wider = [
        (&GC, &GC),
        (&geometric, &GC),
        (&expiring(7), &expiring(7)),
        (&GC, &expiring(7)),
        // Neither does what the other does: it stays as it is.
        (&expiring(9), &expiring(7)),
    ];
    for (asked, expected) in wider {
        let job = add(&catalog, Some(desk.repo), asked.clone(), 1).await;
        assert_eq!((job.id, &job.operation, job.run_at), (waiting, expected, at(0)));
        assert_eq!(catalog.job(waiting).await.unwrap(), Some(job));
    }
    // So it is for one that is to be tried again while a narrower one waits.
    let (_, fence) = take(&catalog, 2).await.unwrap();
    let narrow = add(&catalog, Some(desk.repo), geometric.clone(), 3).await.id;
    assert_ne!(narrow, waiting);
    let ended = catalog.end_job(fence, &again(9, 1), at(4)).await.unwrap().unwrap();
    assert_eq!((ended.status, &ended.operation), (JobStatus::Cancelled, &expiring(7)));
    assert!(ended.reason.unwrap().contains(&format!("{narrow}, which waits, does this as well")));
    assert_eq!(catalog.job(narrow).await.unwrap().unwrap().operation, expiring(7));
    catalog.cancel_job(narrow, at(5)).await.unwrap().unwrap();
    // And for one that is retried by hand.
    let narrow = add(&catalog, Some(desk.repo), geometric.clone(), 6).await.id;
    let retried = catalog.retry_job(waiting, at(7)).await.unwrap().unwrap();
    assert_eq!((retried.id, &retried.operation), (narrow, &expiring(7)));
    catalog.cancel_job(narrow, at(8)).await.unwrap().unwrap();
    // Where their options exclude each other, nothing is lost silently.
    let other = add(&catalog, Some(desk.repo), expiring(9), 9).await.id;
    assert_eq!(catalog.retry_job(waiting, at(10)).await.unwrap().unwrap().operation, expiring(9));
    let (_, fence) = take(&catalog, 10).await.unwrap();
    assert_eq!(fence.job, other);
    add(&catalog, Some(desk.repo), expiring(7), 11).await;
    let ended = catalog.end_job(fence, &again(12, 1), at(12)).await.unwrap().unwrap();
    let reason = ended.reason.unwrap();
    assert!(reason.contains(&format!("packhouse jobs retry {other}")), "{reason}");
    // A worker that has lost its lease widens nothing.
    let (_, lost) = take(&catalog, 13).await.unwrap();
    catalog.cancel_job(lost.job, at(14)).await.unwrap().unwrap();
    let narrow = add(&catalog, Some(desk.repo), geometric.clone(), 15).await.id;
    assert!(catalog.end_job(lost, &again(16, 1), at(16)).await.unwrap().is_none());
    assert_eq!(catalog.job(narrow).await.unwrap().unwrap().operation, geometric);
}

pub async fn a_job_that_waits_or_runs_can_be_taken_back_and_no_other(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let waiting =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await.id;
    let back = catalog.cancel_job(waiting, at(1)).await.unwrap().unwrap();
    assert_eq!(
        (back.status, back.finished_at, back.lease_until),
        (JobStatus::Cancelled, Some(at(1)), None)
    );
    assert!(back.reason.is_some() && catalog.cancel_job(waiting, at(2)).await.unwrap().is_none());
    assert!(take(&catalog, 2).await.is_none());
    let running =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 3).await.id;
    let (_, fence) = take(&catalog, 3).await.unwrap();
    catalog.cancel_job(running, at(4)).await.unwrap().unwrap();
    assert!(!catalog.renew_lease(fence, at(99)).await.unwrap());
    assert!(catalog.end_job(fence, &JobEnd::Done(json!(1)), at(5)).await.unwrap().is_none());
    assert_eq!(catalog.job(running).await.unwrap().unwrap().status, JobStatus::Cancelled);
    assert!(catalog.cancel_job(999, at(5)).await.unwrap().is_none());
}

pub async fn the_packs_of_a_job_wait_with_it_until_it_ends(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let pack = |number: &u64| QueuedPack { mpack_key: key(*number), file: String::new() };
    let queued = |numbers: &[u64]| {
        let packs = numbers.iter().map(pack).collect();
        Operation::Index(IndexOptions { packs, force: false })
    };
    let one = add(&catalog, Some(desk.repo), queued(&[1, 2]), 0).await.id;
    add(&catalog, Some(other.repo), queued(&[2, 3]), 1).await;
    let waiting = async || catalog.waiting_packs(&[key(1), key(2), key(3), key(4)]).await.unwrap();
    assert_eq!(waiting().await, [true, true, true, false]);
    let (_, fence) = take(&catalog, 2).await.unwrap();
    catalog.end_job(fence, &again(2, 1), at(2)).await.unwrap().unwrap();
    assert_eq!(waiting().await, [true, true, true, false], "until it ends");
    let (first, fence) = take(&catalog, 3).await.unwrap();
    assert_eq!(first.id, one + 1, "the other has been due for longer by now");
    catalog.end_job(fence, &JobEnd::Done(json!(1)), at(3)).await.unwrap().unwrap();
    assert_eq!(waiting().await, [true, true, false, false], "2 waits with another");
    let (_, fence) = take(&catalog, 4).await.unwrap();
    catalog.end_job(fence, &failed("broken"), at(4)).await.unwrap().unwrap();
    assert_eq!(waiting().await, [false; 4]);
    catalog.retry_job(one, at(5)).await.unwrap().unwrap();
    assert_eq!(waiting().await, [true, true, false, false], "they wait again");
    catalog.cancel_job(one, at(6)).await.unwrap().unwrap();
    assert_eq!(waiting().await, [false; 4]);
    assert!(catalog.waiting_packs(&[]).await.unwrap().is_empty());
}

pub async fn a_job_has_the_code_of_the_error_of_its_last_attempt(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let job = add(&catalog, Some(desk.repo), GC, 0).await.id;
    let code = async || catalog.job(job).await.unwrap().unwrap().error_code;
    let end = async |seconds, end| {
        let (_, fence) = take(&catalog, seconds).await.unwrap();
        catalog.end_job(fence, &end, at(seconds)).await.unwrap().unwrap().error_code
    };
    let retried =
        |code| JobEnd::Again(Again { at: at(0), reason: "not yet".into(), code, attempt: 1 });
    assert_eq!(end(1, retried(Some("conflict"))).await.as_deref(), Some("conflict"));
    assert_eq!(code().await.as_deref(), Some("conflict"), "while it waits");
    assert_eq!(end(2, retried(None)).await, None, "it was stopped");
    assert_eq!(end(3, failed("broken")).await.as_deref(), Some("refused"));
    catalog.retry_job(job, at(4)).await.unwrap().unwrap();
    assert_eq!(code().await, None, "it begins anew");
    assert_eq!(end(5, retried(Some("conflict"))).await.as_deref(), Some("conflict"));
    assert_eq!(end(6, JobEnd::Done(json!(1))).await, None);

    let other = add(&catalog, Some(desk.repo), GC, 7).await.id;
    let (_, fence) = take(&catalog, 8).await.unwrap();
    let waiting = add(&catalog, Some(desk.repo), GC, 9).await.id;
    let ended = catalog.end_job(fence, &retried(Some("conflict")), at(10)).await.unwrap().unwrap();
    let expected = (JobStatus::Cancelled, Some("conflict"));
    assert_eq!((ended.status, ended.error_code.as_deref()), expected, "another waits");
    assert_ne!(other, waiting);
    let (_, fence) = take(&catalog, 11).await.unwrap();
    catalog.end_job(fence, &retried(Some("conflict")), at(12)).await.unwrap().unwrap();
    let cancelled = catalog.cancel_job(waiting, at(13)).await.unwrap().unwrap();
    assert_eq!(cancelled.error_code, None, "its reason is the user");
}
