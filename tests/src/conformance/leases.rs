//! Who has a job, and who has it no more.

use std::sync::Arc;

use packhouse_host::catalog::{Again, Catalog, Consolidation, JobEnd, PublishOutcome};
use packhouse_host::{IndexOptions, JobStatus, Operation, VerifyOptions};
use serde_json::json;

use super::desk::{Desk, at, key, pack};
use super::jobs::{GC, add, failed, take};

pub async fn a_job_is_its_workers_until_the_lease_runs_out(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let job =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await.id;
    let (_, first) = catalog.take_job("one", at(0), at(10)).await.unwrap().unwrap();
    assert!(catalog.take_job("two", at(10), at(99)).await.unwrap().is_none(), "until then");
    assert!(catalog.renew_lease(first, at(20)).await.unwrap());
    assert_eq!(catalog.job(job).await.unwrap().unwrap().lease_until, Some(at(20)));
    assert!(catalog.take_job("two", at(19), at(99)).await.unwrap().is_none());
    let (taken, second) = catalog.take_job("two", at(21), at(99)).await.unwrap().unwrap();
    assert_eq!((taken.id, taken.attempt, taken.worker.as_deref()), (job, 2, Some("two")));
    assert!(second.number > first.number);
    assert!(!catalog.renew_lease(first, at(999)).await.unwrap(), "it is another's");
    assert!(catalog.end_job(first, &JobEnd::Done(json!(1)), at(22)).await.unwrap().is_none());
    let again = JobEnd::Again(Again { at: at(0), reason: String::new(), code: None, attempt: 0 });
    assert!(catalog.end_job(first, &again, at(22)).await.unwrap().is_none());
    let now = catalog.job(job).await.unwrap().unwrap();
    assert_eq!((now.status, now.lease_until, now.attempt), (JobStatus::Running, Some(at(99)), 2));
    catalog.end_job(second, &JobEnd::Done(json!(2)), at(23)).await.unwrap().unwrap();
    assert!(!catalog.renew_lease(second, at(999)).await.unwrap(), "it has ended");
}

pub async fn a_lease_that_ran_out_and_that_nobody_took_is_still_its_own(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await;
    let (_, fence) = catalog.take_job("one", at(0), at(10)).await.unwrap().unwrap();
    let mut push = desk.prepare(vec![pack(1, 0..1)]).await;
    push.fence = Some(fence);
    desk.done(&push).await;
    assert!(catalog.renew_lease(fence, at(60)).await.unwrap());
    assert!(catalog.end_job(fence, &JobEnd::Done(json!(1)), at(50)).await.unwrap().is_some());
}

pub async fn with_an_old_fence_nothing_is_published(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await;
    let (_, first) = catalog.take_job("one", at(0), at(10)).await.unwrap().unwrap();
    let (_, second) = catalog.take_job("two", at(11), at(99)).await.unwrap().unwrap();
    let before = (desk.row().await.revision, desk.on_shelves().await);
    for fence in [first, packhouse_host::catalog::Fence { job: 999, number: 1 }] {
        let mut push = desk.prepare(vec![pack(2, 2..3)]).await;
        push.fence = Some(fence);
        assert_eq!(desk.publish(&push).await, PublishOutcome::LeaseLost);
        let plan = Consolidation { fence: Some(fence), ..desk.plan(3).await };
        assert_eq!(desk.apply(&plan).await, PublishOutcome::LeaseLost);
    }
    assert_eq!(
        (desk.row().await.revision, desk.on_shelves().await),
        before,
        "nothing was done, not even counted"
    );
    assert_eq!(catalog.knows_packs(&[key(2), key(3)]).await.unwrap(), [false, false]);
    desk.adds_up().await;

    let mut push = desk.prepare(vec![pack(2, 2..3)]).await;
    push.fence = Some(second);
    desk.done(&push).await;
    let plan = Consolidation { fence: Some(second), ..desk.plan(3).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
}

pub async fn for_a_job_that_ended_or_was_taken_back_nothing_is_published(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    for end in [true, false] {
        let job =
            add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await.id;
        let (_, fence) = take(&catalog, 1).await.unwrap();
        if end {
            catalog.end_job(fence, &JobEnd::Done(json!(1)), at(2)).await.unwrap().unwrap();
        } else {
            catalog.cancel_job(job, at(2)).await.unwrap().unwrap();
        }
        let mut push = desk.prepare(vec![pack(2, 2..3)]).await;
        push.fence = Some(fence);
        assert_eq!(desk.publish(&push).await, PublishOutcome::LeaseLost);
        let plan = Consolidation { fence: Some(fence), ..desk.plan(3).await };
        assert_eq!(desk.apply(&plan).await, PublishOutcome::LeaseLost);
    }
}

pub async fn of_one_repo_one_consolidation_runs(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let first = add(&catalog, Some(desk.repo), GC, 0).await.id;
    let (taken, fence) = catalog.take_job("one", at(0), at(10)).await.unwrap().unwrap();
    assert_eq!(taken.id, first);
    let second = add(&catalog, Some(desk.repo), GC, 1).await.id;
    assert!(take(&catalog, 2).await.is_none(), "it waits for the one that runs");
    let verify =
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 3).await.id;
    assert_eq!(take(&catalog, 4).await.unwrap().0.id, verify, "others don't wait");
    let others = add(&catalog, Some(other.repo), GC, 4).await.id;
    assert_eq!(take(&catalog, 5).await.unwrap().0.id, others, "nor those of other repos");
    // The one with an expired lease is taken over, and the waiting one goes on waiting.
    let (over, greater) = take(&catalog, 20).await.unwrap();
    assert_eq!((over.id, greater.number > fence.number), (first, true));
    assert!(take(&catalog, 21).await.is_none());
    catalog.end_job(greater, &JobEnd::Done(json!(1)), at(22)).await.unwrap().unwrap();
    assert_eq!(take(&catalog, 23).await.unwrap().0.id, second);
}

pub async fn pushes_of_one_repo_are_indexed_in_the_order_in_which_they_were_asked_for(
    catalog: Arc<dyn Catalog>,
) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let index = || Operation::Index(IndexOptions { packs: vec![], force: false });
    let first = add(&catalog, Some(desk.repo), index(), 0).await.id;
    let second = add(&catalog, Some(desk.repo), index(), 1).await.id;
    let others = add(&catalog, Some(other.repo), index(), 2).await.id;
    let (taken, fence) = take(&catalog, 3).await.unwrap();
    assert_eq!(taken.id, first);
    assert_eq!(take(&catalog, 4).await.unwrap().0.id, others, "those of other repos don't wait");
    assert!(take(&catalog, 5).await.is_none(), "it waits for the one that runs");
    let later = JobEnd::Again(Again { at: at(50), reason: "later".into(), code: None, attempt: 1 });
    catalog.end_job(fence, &later, at(6)).await.unwrap().unwrap();
    assert!(take(&catalog, 7).await.is_none(), "and for the one that waits for another attempt");
    let (again, fence) = take(&catalog, 51).await.unwrap();
    assert_eq!(again.id, first);
    catalog.end_job(fence, &failed("for good"), at(52)).await.unwrap().unwrap();
    assert_eq!(
        take(&catalog, 53).await.unwrap().0.id,
        second,
        "one that was given up holds up nobody"
    );
}

pub async fn jobs_of_a_deleted_repo_publish_nothing_more(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let job = add(&catalog, Some(desk.repo), GC, 0).await.id;
    let (_, fence) = take(&catalog, 1).await.unwrap();
    add(&catalog, Some(desk.repo), GC, 2).await;
    let mut push = desk.prepare(vec![pack(2, 2..3)]).await;
    push.fence = Some(fence);
    assert_eq!(catalog.delete_repo(desk.repo, at(3)).await.unwrap().unwrap().jobs, 2);
    let published = desk.publish(&push).await;
    assert!(
        matches!(published, PublishOutcome::LeaseLost | PublishOutcome::Changed),
        "{published:?}"
    );
    assert!(!catalog.renew_lease(fence, at(99)).await.unwrap());
    assert!(take(&catalog, 99).await.is_none());
    assert_eq!(catalog.job(job).await.unwrap().unwrap().status, JobStatus::Cancelled);
}

pub async fn alerts_say_when_a_job_is_due_and_until_when_one_is_leased(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let times = async || {
        let alerts = catalog.alerts(at(0), at(7)).await.unwrap();
        (alerts.jobs_due, alerts.next_job_at, alerts.leased_until)
    };
    assert_eq!(times().await, (0, None, None));
    let verify = || Operation::Verify(VerifyOptions::default());
    for seconds in [7, 5, 9] {
        add(&catalog, Some(desk.repo), verify(), seconds).await;
    }
    assert_eq!(times().await, (2, Some(at(5)), None));
    let (_, fence) = catalog.take_job("one", at(10), at(30)).await.unwrap().unwrap();
    catalog.take_job("two", at(10), at(20)).await.unwrap().unwrap();
    assert_eq!(times().await, (0, Some(at(9)), Some(at(30))));
    catalog.end_job(fence, &JobEnd::Done(json!(1)), at(11)).await.unwrap().unwrap();
    assert_eq!(times().await, (0, Some(at(9)), Some(at(20))));
}
