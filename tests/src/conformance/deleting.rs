//! Deleting a repo, and restoring it.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_core::Kind;
use packhouse_host::catalog::{
    Catalog, Consolidation, DeletionSummary, LockMode, NewAnswer, NewFetchRequest, NewJob,
    PublishOutcome, RepoRestoration, RestoreOutcome,
};
use packhouse_host::{
    DeletedRepo, GcRecord, JobStatus, MpackKey, Operation, Policy, RepoId, VerifyOptions,
};

use super::desk::{Desk, at, complete, edges, head, id, key, name, pack, row, tag, unused_id};

pub async fn a_deleted_repo_leaves_packs_that_wait_and_a_free_name(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    desk.consolidate(2).await;
    desk.push(vec![pack(3, 2..4)]).await;
    let mut open = desk.snapshot().await;
    catalog.set_policy(desk.repo, Some(&Policy::OFF)).await.unwrap();
    let job = catalog
        .add_job(&NewJob {
            repo: Some(desk.repo),
            operation: Operation::Verify(VerifyOptions::default()),
            now: at(5),
            traceparent: None,
        })
        .await
        .unwrap();
    let left = catalog.delete_repo(desk.repo, at(6)).await.unwrap();
    assert_eq!(left, Some(DeletionSummary { packs: 3, bytes: 1001 + 1002 + 1003, jobs: 1 }));
    assert_eq!(open.shelves().await.unwrap().len(), 2, "who reads goes on reading");
    drop(open);

    assert!(catalog.snapshot(desk.repo).await.is_err());
    assert!(
        catalog.repo(&desk.name).await.unwrap().is_none()
            && catalog.summary(&desk.name).await.unwrap().is_none()
    );
    assert!(
        catalog.repos(None, 9).await.unwrap().is_empty()
            && catalog.summaries(None, 9).await.unwrap().is_empty()
    );
    assert!(
        catalog.policies().await.unwrap().is_empty()
            && catalog.pressures(None).await.unwrap().is_empty()
    );
    assert!(catalog.held_packs().await.unwrap().is_empty());
    let job = catalog.job(job.id).await.unwrap().unwrap();
    assert_eq!((job.status, job.repo, job.finished_at), (JobStatus::Cancelled, None, Some(at(6))));
    let unneeded = catalog.unneeded_packs().await.unwrap();
    let expected = [(key(1), at(2)), (key(2), at(6)), (key(3), at(6))];
    assert_eq!(
        unneeded.iter().map(|retired| (retired.pack.key, retired.at)).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(catalog.knows_packs(&[key(1), key(2), key(3)]).await.unwrap(), [true; 3]);
    assert_eq!(catalog.delete_repo(desk.repo, at(7)).await.unwrap(), None, "it is gone already");

    let again = Desk::new(&catalog).await;
    assert_ne!(again.repo, desk.repo);
    let mut snapshot = again.snapshot().await;
    assert!(
        snapshot.shelves().await.unwrap().is_empty()
            && snapshot.retired().await.unwrap().is_empty()
    );
    assert_eq!(snapshot.holds(&[key(1), key(3)]).await.unwrap(), [false, false]);
    drop(snapshot);
    again.push(vec![pack(3, 0..4)]).await;
    assert_eq!(catalog.unneeded_packs().await.unwrap().len(), 2, "what is pushed again is needed");
}

pub async fn nothing_of_its_index_and_branches_comes_back_with_its_name(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..2)]).await;
    push.packs[0].tags = vec![tag(1, 2)];
    (push.edges, push.heads, push.forced) = (vec![edges(1, &[])], vec![head("main", 1)], true);
    desk.done(&push).await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let again = Desk::new(&catalog).await;
    let mut snapshot = again.snapshot().await;
    assert_eq!(snapshot.lookup(&[row(Kind::Object, 1).entity]).await.unwrap(), [None]);
    assert_eq!(
        (snapshot.edge_count().await.unwrap(), snapshot.tag_id(id(1)).await.unwrap()),
        (0, None)
    );
    assert!(
        snapshot.heads().await.unwrap().is_empty()
            && snapshot.left_heads(at(-9)).await.unwrap().is_empty()
    );
    assert_eq!((snapshot.repo().default_branch.as_deref(), snapshot.repo().revision), (None, 0));
}

pub async fn what_was_prepared_for_it_is_told_that_it_has_changed(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let (push, plan) = (desk.prepare(vec![pack(3, 5..6)]).await, desk.plan(4).await);
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert_eq!(desk.publish(&push).await, PublishOutcome::Changed);
    let published = catalog.publish_consolidation(&plan, &desk.publishing().await).await.unwrap();
    assert_eq!(published, PublishOutcome::Changed);
    assert_eq!(catalog.knows_packs(&[key(3), key(4)]).await.unwrap(), [false, false]);
}

pub async fn packs_that_other_repos_hold_stay_needed(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..2), pack(2, 2..3)]).await;
    other.push(vec![pack(1, 0..2)]).await;
    let left = catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert_eq!((left.packs, left.bytes), (2, 1001 + 1002));
    let unneeded = catalog.unneeded_packs().await.unwrap();
    assert_eq!(unneeded.iter().map(|retired| retired.pack.key).collect::<Vec<_>>(), [key(2)]);
    assert_eq!(other.on_shelves().await, [key(1)]);
    other.adds_up().await;
}

pub async fn an_empty_repo_leaves_nothing(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    assert_eq!(
        catalog.delete_repo(desk.repo, at(6)).await.unwrap(),
        Some(DeletionSummary::default())
    );
    assert!(catalog.unneeded_packs().await.unwrap().is_empty());
}

/// All that a repo shows, as text.
async fn picture(desk: &Desk) -> Vec<String> {
    let catalog = &desk.catalog;
    let mut snapshot = desk.snapshot().await;
    let repo = snapshot.repo().clone();
    let mut told = vec![format!(
        "{} {:?} {:?} {} {:?}",
        repo.repo_id, repo.visibility, repo.default_branch, repo.created_at, repo.sums
    )];
    told.push(format!("{:?}", snapshot.shelves().await.unwrap()));
    told.push(format!("{:?}", snapshot.retired().await.unwrap()));
    told.push(format!("{:?}", snapshot.heads().await.unwrap()));
    told.push(format!("{:?}", snapshot.left_heads(at(-9)).await.unwrap()));
    told.push(format!("{:?}", snapshot.changes(99).await.unwrap()));
    told.push(format!("{:?}", snapshot.history(&[id(3)], 99).await.unwrap()));
    told.push(format!("{:?}", snapshot.tag_id(id(1)).await.unwrap()));
    told.push(format!("{:?}", snapshot.tags_of(&[id(2)]).await.unwrap()));
    told.push(format!("{:?}", snapshot.walk_floor().await.unwrap()));
    told.push(format!("{:?}", snapshot.complete_pack().await.unwrap()));
    drop(snapshot);
    told.push(format!("{:?}", desk.index().await));
    told.push(format!("{:?}", catalog.gc_history(desk.repo, 9).await.unwrap()));
    told.push(format!("{:?}", catalog.policies().await.unwrap()));
    told
}

async fn restore(catalog: &Arc<dyn Catalog>, text: &str, seconds: i64) -> RestoreOutcome {
    let lock = catalog.lock(LockMode::Publishing).await.unwrap();
    catalog.restore_repo(&RepoRestoration::latest(&name(text)), at(seconds), &lock).await.unwrap()
}

async fn forget(catalog: &Arc<dyn Catalog>, repo: i64, seconds: i64) -> bool {
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    catalog.forget_repo(repo, at(seconds), &lock).await.unwrap()
}

async fn forget_packs(catalog: &Arc<dyn Catalog>, packs: &[MpackKey]) -> Vec<MpackKey> {
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    catalog.forget_packs(packs, Timestamp::MAX, &lock).await.unwrap()
}

/// A repo with something of everything: its shelves hold packs 5 and 4, and 1 and 2 are retired.
pub async fn full(catalog: &Arc<dyn Catalog>) -> Desk {
    let desk = Desk::new(catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let mut push = desk.prepare(vec![pack(2, 2..4)]).await;
    push.packs[0].tags = vec![tag(1, 2)];
    (push.edges, push.heads) =
        (vec![edges(2, &[7]), edges(3, &[2])], vec![head("main", 3), head("x", 2)]);
    desk.done(&push).await;
    let mut push = desk.prepare(vec![]).await;
    (push.heads, push.forced) = (vec![head("x", 3)], true);
    desk.done(&push).await;
    let plan = Consolidation { complete: Some(complete(4)), ..desk.plan(5).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    let mut push = desk.prepare(vec![pack(4, 7..9)]).await;
    // A commit that came after its child, and one that names another that did not come.
    push.edges = vec![edges(7, &[6])];
    desk.done(&push).await;
    let record = GcRecord {
        finished_at: at(4),
        outcome: "skipped".into(),
        packs_before: 1,
        packs_after: 1,
        consolidated_key: None,
        bytes_before: 0,
        bytes_after: 0,
        elapsed_ms: 1,
        component: "c".into(),
        error: None,
        error_code: None,
    };
    catalog.record_gc(desk.repo, &record, None).await.unwrap();
    catalog.set_policy(desk.repo, Some(&Policy::OFF)).await.unwrap();
    let answer = NewAnswer { repo: desk.repo, plan: "a plan".into(), expires_at: at(9) };
    catalog.note_answer(&key(9), &answer).await.unwrap();
    let request = NewFetchRequest {
        repo: desk.repo,
        digest: [1; 32],
        request: vec![1; 5000],
        caller: String::new(),
        expires_at: at(9),
    };
    assert_eq!(catalog.note_fetch_request(&request, at(4), None).await.unwrap(), None);
    assert!(
        catalog.freshen(&desk.row().await, &[row(Kind::Object, 1).entity], at(4)).await.unwrap()
    );
    catalog
        .add_job(&NewJob {
            repo: Some(desk.repo),
            operation: Operation::Verify(VerifyOptions::default()),
            now: at(4),
            traceparent: None,
        })
        .await
        .unwrap();
    desk
}

pub async fn a_restored_repo_is_as_it_was(catalog: Arc<dyn Catalog>) {
    let desk = full(&catalog).await;
    let job = catalog
        .add_job(&NewJob {
            repo: Some(desk.repo),
            operation: Operation::Verify(VerifyOptions::default()),
            now: at(5),
            traceparent: None,
        })
        .await
        .unwrap();
    let (before, revision) = (picture(&desk).await, desk.row().await.revision);
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert_eq!(catalog.unneeded_packs().await.unwrap().len(), 4);
    assert_eq!(restore(&catalog, "a/b", 7).await, RestoreOutcome::Done);
    assert_eq!(picture(&desk).await, before);
    desk.adds_up().await;
    assert_eq!(
        (desk.on_shelves().await, desk.retired().await),
        (vec![key(5), key(5), key(4)], vec![key(1), key(2)])
    );
    assert_eq!(
        catalog.unneeded_packs().await.unwrap().iter().map(|r| r.pack.key).collect::<Vec<_>>(),
        [key(1), key(2)]
    );
    assert!(desk.row().await.revision > revision, "what was prepared before is prepared again");
    assert_eq!(
        catalog.job(job.id).await.unwrap().unwrap().status,
        JobStatus::Cancelled,
        "jobs stay cancelled"
    );
    assert_eq!(catalog.job(job.id).await.unwrap().unwrap().repo, Some(desk.name.clone()));
    // It goes on, and can be deleted and restored again.
    desk.push(vec![pack(6, 20..21)]).await;
    desk.consolidate(9).await;
    let before = picture(&desk).await;
    catalog.delete_repo(desk.repo, at(8)).await.unwrap().unwrap();
    assert_eq!(restore(&catalog, "a/b", 9).await, RestoreOutcome::Done);
    assert_eq!(picture(&desk).await, before);
}

pub async fn of_a_name_the_repo_that_was_deleted_last_is_restored_if_the_name_is_free(
    catalog: Arc<dyn Catalog>,
) {
    assert_eq!(restore(&catalog, "a/b", 1).await, RestoreOutcome::Unknown);
    let first = Desk::new(&catalog).await;
    assert_eq!(restore(&catalog, "a/b", 1).await, RestoreOutcome::Taken);
    catalog.delete_repo(first.repo, at(5)).await.unwrap().unwrap();
    let second = Desk::new(&catalog).await;
    assert_eq!(restore(&catalog, "a/b", 6).await, RestoreOutcome::Taken);
    // The clock of the second deletion is behind by fractions.
    catalog
        .delete_repo(second.repo, at(5) + jiff::SignedDuration::from_millis(500))
        .await
        .unwrap()
        .unwrap();
    for other in ["a/b~1", "a/bc", "a/B", "A/b", "b/b"].iter().filter_map(|text| text.parse().ok())
    {
        let lock = catalog.lock(LockMode::Publishing).await.unwrap();
        assert_eq!(
            catalog.restore_repo(&RepoRestoration::latest(&other), at(7), &lock).await.unwrap(),
            RestoreOutcome::Unknown,
            "{other}"
        );
    }
    assert_eq!(restore(&catalog, "a/b", 7).await, RestoreOutcome::Done);
    assert_eq!(catalog.repo(&name("a/b")).await.unwrap().unwrap().id, second.repo);
    catalog.delete_repo(second.repo, at(4)).await.unwrap().unwrap();
    assert_eq!(restore(&catalog, "a/b", 8).await, RestoreOutcome::Done);
    assert_eq!(
        catalog.repo(&name("a/b")).await.unwrap().unwrap().id,
        first.repo,
        "by the time of the deletion"
    );
}

pub async fn a_deleted_repo_is_restored_by_its_id_and_under_another_name(
    catalog: Arc<dyn Catalog>,
) {
    let first = full(&catalog).await;
    let (before, first_id) = (picture(&first).await, first.row().await.repo_id);
    catalog.delete_repo(first.repo, at(5)).await.unwrap().unwrap();
    let second = Desk::new(&catalog).await;
    let second_id = second.row().await.repo_id;
    let list = async || catalog.restorable_repos(&name("a/b")).await.unwrap();
    let old = DeletedRepo { repo_id: first_id.clone(), deleted_at: at(5), packs: 2 };
    assert_eq!(
        list().await,
        std::slice::from_ref(&old),
        "the one that has the name is not deleted"
    );
    let restore = async |id: Option<&RepoId>, text: &str| {
        let lock = catalog.lock(LockMode::Publishing).await.unwrap();
        let restoration =
            RepoRestoration { name: name("a/b"), id: id.cloned(), new_name: name(text) };
        catalog.restore_repo(&restoration, at(9), &lock).await.unwrap()
    };
    assert_eq!(restore(Some(&first_id), "a/b").await, RestoreOutcome::Taken);
    assert_eq!(
        restore(Some(&second_id), "c/d").await,
        RestoreOutcome::Unknown,
        "it is not deleted"
    );
    catalog.delete_repo(second.repo, at(6)).await.unwrap().unwrap();
    let new = DeletedRepo { repo_id: second_id.clone(), deleted_at: at(6), packs: 0 };
    assert_eq!(list().await, [new.clone(), old], "the one that was deleted last is first");
    for other in ["a/bc", "a/B", "A/b", "b/b"] {
        assert!(catalog.restorable_repos(&name(other)).await.unwrap().is_empty(), "{other}");
    }
    assert_eq!(restore(Some(&unused_id()), "a/b").await, RestoreOutcome::Unknown);
    assert_eq!(restore(Some(&first_id), "a/b").await, RestoreOutcome::Done);
    assert_eq!(catalog.repo(&name("a/b")).await.unwrap().unwrap().id, first.repo);
    assert_eq!(picture(&first).await, before);
    assert_eq!(list().await, [new], "what is restored is not listed");
    assert_eq!(restore(None, "c/d").await, RestoreOutcome::Done);
    let renamed = catalog.repo(&name("c/d")).await.unwrap().unwrap();
    assert_eq!((renamed.id, renamed.repo_id), (second.repo, second_id));
    assert!(list().await.is_empty());
    // Deleted again, it has the name that it had then.
    catalog.delete_repo(second.repo, at(10)).await.unwrap().unwrap();
    assert_eq!(catalog.restorable_repos(&name("c/d")).await.unwrap().len(), 1);
    assert!(list().await.is_empty());
    assert!(forget(&catalog, second.repo, 11).await);
    assert!(catalog.restorable_repos(&name("c/d")).await.unwrap().is_empty(), "it is gone");
}

pub async fn what_was_forgotten_is_not_restored_and_names_a_pack(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (full(&catalog).await, Desk::named(&catalog, "c/d").await);
    other.push(vec![pack(4, 7..9)]).await;
    assert!(!forget(&catalog, desk.repo, 5).await, "it is not deleted");
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert!(catalog.deleted_repos(at(5)).await.unwrap().is_empty());
    let deleted = catalog.deleted_repos(at(6)).await.unwrap();
    assert_eq!(
        deleted.iter().map(|row| (row.id, row.name.clone())).collect::<Vec<_>>(),
        [(desk.repo, desk.name.clone())]
    );
    assert!(forget_packs(&catalog, &[key(5), key(4)]).await.is_empty(), "it can be restored");
    assert!(forget(&catalog, desk.repo, 7).await);
    let pruned = RestoreOutcome::Pruned { at: at(7), pack: Some(key(5)) };
    assert_eq!(restore(&catalog, "a/b", 8).await, pruned, "4 is another repo's as well");
    assert_eq!(catalog.unneeded_packs().await.unwrap().len(), 3);
    assert_eq!(
        forget_packs(&catalog, &[key(1), key(2), key(4), key(5)]).await,
        [key(1), key(2), key(5)]
    );
    other.adds_up().await;
    assert_eq!(restore(&catalog, "a/b", 9).await, pruned);
    // What kept its numbers from being given again goes at the next time.
    catalog
        .record_gc(other.repo, &catalog.gc_history(desk.repo, 1).await.unwrap().remove(0), None)
        .await
        .unwrap();
    assert!(forget(&catalog, desk.repo, 10).await);
    assert!(catalog.deleted_repos(Timestamp::MAX).await.unwrap().is_empty());
    assert!(!forget(&catalog, desk.repo, 11).await, "nothing is left");
    assert_eq!(restore(&catalog, "a/b", 12).await, pruned);
    let again = Desk::new(&catalog).await;
    assert!(again.repo > other.repo && other.repo > desk.repo, "numbers are not given again");
    assert_eq!(restore(&catalog, "a/b", 13).await, RestoreOutcome::Taken);
}

pub async fn an_empty_repo_is_restored_until_it_is_forgotten(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    catalog.delete_repo(desk.repo, at(1)).await.unwrap().unwrap();
    assert_eq!(restore(&catalog, "a/b", 2).await, RestoreOutcome::Done);
    catalog.delete_repo(desk.repo, at(3)).await.unwrap().unwrap();
    assert!(forget(&catalog, desk.repo, 4).await);
    assert_eq!(restore(&catalog, "a/b", 5).await, RestoreOutcome::Pruned { at: at(4), pack: None });
    assert_ne!(
        Desk::new(&catalog).await.repo,
        desk.repo,
        "somebody may still prepare something for the first"
    );
    assert!(forget(&catalog, desk.repo, 6).await);
    assert!(catalog.deleted_repos(Timestamp::MAX).await.unwrap().is_empty());
}

pub async fn nothing_is_asked_of_workers_for_a_deleted_repo(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let ask = NewJob {
        repo: Some(desk.repo),
        operation: Operation::Verify(VerifyOptions::default()),
        now: at(1),
        traceparent: None,
    };
    let job = catalog.add_job(&ask).await.unwrap();
    catalog.delete_repo(desk.repo, at(2)).await.unwrap().unwrap();
    assert!(catalog.add_job(&ask).await.is_err());
    assert!(catalog.retry_job(job.id, at(3)).await.unwrap().is_none());
    assert!(catalog.take_job("w", at(9), at(10)).await.unwrap().is_none());
    assert_eq!(restore(&catalog, "a/b", 4).await, RestoreOutcome::Done);
    assert_eq!(catalog.retry_job(job.id, at(5)).await.unwrap().unwrap().status, JobStatus::Queued);
}
