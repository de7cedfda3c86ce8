//! What is damaged, until it is found sound.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_core::Kind;
use packhouse_host::catalog::{Catalog, DamageFindings, Failure, JobEnd, LockMode, PublishOutcome};
use packhouse_host::{
    Damage, DamageError, Error, GcRecord, IndexOptions, MirrorOptions, Operation, QueuedPack,
    VerifyOptions,
};

use super::desk::{Desk, at, key, moved, name, pack, row};
use super::jobs::{GC, PRUNE, add, take};

/// Damage of a pack, or of a repo's index, that was found then.
fn damage(number: Option<u64>, seconds: i64) -> Damage {
    Damage {
        mpack_key: number.map(key),
        since: at(seconds),
        found_by: "verify".into(),
        detail: format!("at {seconds}"),
    }
}

async fn note(catalog: &Arc<dyn Catalog>, seconds: i64, sound: &[u64], damaged: &[u64]) {
    let mut findings = DamageFindings::at(at(seconds));
    findings.sound = sound.iter().copied().map(key).collect();
    findings.damaged = damaged.iter().map(|number| damage(Some(*number), seconds)).collect();
    catalog.note_findings(&findings).await.unwrap();
}

async fn note_index(desk: &Desk, seconds: i64, found: Option<Damage>) {
    let findings =
        DamageFindings { repo: Some((desk.repo, found)), ..DamageFindings::at(at(seconds)) };
    desk.catalog.note_findings(&findings).await.unwrap();
}

async fn known(desk: &Desk) -> Vec<Damage> {
    let known = desk.snapshot().await.damage().await.unwrap();
    let summary = desk.catalog.summary(&desk.name).await.unwrap().unwrap();
    assert_eq!(summary.damaged, known.len() as u64, "the line counts what the repo lists");
    desk.is_listed_as_it_is().await;
    known
}

pub async fn damage_is_remembered_since_it_was_first_found_until_it_is_found_sound(
    catalog: Arc<dyn Catalog>,
) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    other.push(vec![pack(2, 1..2)]).await;
    assert!(known(&desk).await.is_empty());
    note(&catalog, 5, &[1], &[2, 9]).await;
    note(&catalog, 6, &[], &[2, 1]).await;
    note_index(&desk, 7, Some(damage(None, 7))).await;
    note_index(&desk, 8, Some(damage(None, 8))).await;
    let expected = [damage(None, 7), damage(Some(1), 6), damage(Some(2), 5)];
    assert_eq!(known(&desk).await, expected, "first what concerns all of the repo, then by key");
    assert_eq!(
        known(&other).await,
        [damage(Some(2), 5)],
        "a pack that both hold is damaged for both"
    );
    assert_eq!(catalog.damaged_packs().await.unwrap(), [key(1), key(2)]);
    note(&catalog, 9, &[2], &[]).await;
    note_index(&desk, 9, None).await;
    assert_eq!(catalog.damaged_packs().await.unwrap(), [key(1)]);
    assert_eq!((known(&desk).await, known(&other).await), (vec![damage(Some(1), 6)], vec![]));
}

pub async fn a_failure_because_of_damage_counts_as_long_as_the_damage(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    let failed = async || {
        desk.is_listed_as_it_is().await;
        let summary = catalog.summary(&desk.name).await.unwrap().unwrap();
        (summary.gc_failed(), summary.last_gc.unwrap().outcome)
    };
    let because_of = async |error: Error| {
        let record = GcRecord::failed(&error, 1, "c", at(9));
        catalog.record_gc(desk.repo, &record, None).await.unwrap();
    };
    let [counts, is_over] = [(true, "failed".to_owned()), (false, "failed".to_owned())];
    note(&catalog, 5, &[], &[1]).await;
    note_index(&desk, 6, Some(damage(None, 6))).await;
    let (repo, place) = (desk.name.clone(), "packs/1".to_owned());
    because_of(DamageError::MissingPack { key: key(1), repo, place }.into()).await;
    assert_eq!(failed().await, counts);
    note(&catalog, 7, &[1], &[]).await;
    assert_eq!(failed().await, counts, "the index is still damaged");
    note_index(&desk, 8, None).await;
    assert_eq!(failed().await, is_over, "the history keeps it");

    // Nothing that the catalog knows tells when another reason is gone.
    because_of(Error::Cancelled).await;
    assert_eq!(failed().await, counts);
    let unknown = GcRecord {
        error_code: None,
        ..GcRecord::failed(&Error::Cancelled, 1, "an older packhouse", at(10))
    };
    catalog.record_gc(desk.repo, &unknown, None).await.unwrap();
    assert_eq!(failed().await, counts);
}

pub async fn packs_tell_when_they_were_last_found_sound(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    let times = async || {
        desk.shelves()
            .await
            .iter()
            .map(|shelf| shelf.pack.verified_at)
            .collect::<Vec<Option<Timestamp>>>()
    };
    assert_eq!(times().await, [Some(at(1)), Some(at(1))], "what is published was read");
    note(&catalog, 5, &[2], &[1]).await;
    assert_eq!(times().await, [Some(at(1)), Some(at(5))]);
    desk.consolidate(3).await;
    assert_eq!(times().await, [Some(at(2)), Some(at(2))]);
}

pub async fn what_is_published_is_sound(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    note(&catalog, 5, &[], &[1, 2]).await;
    desk.push(vec![pack(1, 0..0)]).await;
    assert_eq!(known(&desk).await, [damage(Some(2), 5)]);
    desk.consolidate(2).await;
    assert!(known(&desk).await.is_empty());
}

pub async fn what_no_shelf_holds_is_no_damage_of_a_repo_and_is_forgotten_with_its_pack(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    note(&catalog, 5, &[], &[1]).await;
    desk.consolidate(3).await;
    assert!(known(&desk).await.is_empty());
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert_eq!(catalog.forget_packs(&[key(1)], at(9), &lock).await.unwrap(), [key(1)]);
    drop(lock);
    desk.push(vec![pack(1, 5..6)]).await;
    assert!(known(&desk).await.is_empty());
}

pub async fn damage_of_a_deleted_repo_is_forgotten(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    note_index(&desk, 5, Some(damage(None, 5))).await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    note_index(&desk, 7, Some(damage(None, 7))).await;
    assert!(known(&Desk::new(&catalog).await).await.is_empty());
}

pub async fn a_repo_says_which_packs_are_on_its_shelves(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    other.push(vec![pack(4, 0..1)]).await;
    desk.consolidate(3).await;
    desk.push(vec![pack(5, 7..8)]).await;
    let found =
        desk.snapshot().await.shelved(&[key(5), key(1), key(3), key(4), key(9)]).await.unwrap();
    let keys: Vec<_> =
        found.iter().map(|pack| pack.as_ref().map(|pack| (pack.key, pack.bytes))).collect();
    assert_eq!(keys, [Some((key(5), 1005)), None, Some((key(3), 1003)), None, None]);
}

pub async fn alerts_count_each_damaged_repo_once(catalog: Arc<dyn Catalog>) {
    let (one, other, sound) = (
        Desk::new(&catalog).await,
        Desk::named(&catalog, "c/d").await,
        Desk::named(&catalog, "e/f").await,
    );
    for desk in [&one, &other] {
        desk.push(vec![pack(1, 0..2), pack(2, 2..4)]).await;
    }
    sound.push(vec![pack(3, 0..2)]).await;
    let damaged = async || catalog.alerts(at(-9), at(0)).await.unwrap().damaged_repos;
    assert_eq!(damaged().await, 0);
    note_index(&one, 7, Some(damage(None, 7))).await;
    assert_eq!(damaged().await, 1);
    note(&catalog, 8, &[3], &[1, 2]).await;
    assert_eq!(damaged().await, 2, "of one repo, two packs and the index");
    catalog.delete_repo(one.repo, at(9)).await.unwrap().unwrap();
    assert_eq!(damaged().await, 1);
    note(&catalog, 10, &[1, 2], &[]).await;
    assert_eq!(damaged().await, 0);
}

pub async fn a_broken_shelf_goes_when_nothing_is_mapped_to_it_any_more(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2), pack(2, 2..4)]).await;
    let (first, second) = (desk.shelf(0).await, desk.shelf(1).await);
    let plan = desk.plan(9).await;
    // One of two entities is found elsewhere: the shelf stays.
    let mut push = desk.prepare(vec![pack(3, 0..0)]).await;
    (push.packs[0].moved, push.broken) = (moved(0..1, first), vec![first]);
    desk.done(&push).await;
    assert_eq!(desk.on_shelves().await, [key(1), key(2), key(3)]);
    // Then the other, and all of the second. What was not reported as broken stays, too.
    let mut push = desk.prepare(vec![pack(4, 0..0)]).await;
    push.packs[0].moved = [moved(1..2, first), moved(2..4, second)].concat();
    (push.broken, push.now) = (vec![first], at(7));
    desk.done(&push).await;
    assert_eq!(desk.on_shelves().await, [key(2), key(3), key(4)]);
    assert_eq!(desk.retired().await, [key(1)]);
    let unneeded = catalog.unneeded_packs().await.unwrap();
    assert_eq!(
        unneeded.iter().map(|one| (one.pack.key, one.at)).collect::<Vec<_>>(),
        [(key(1), at(7))]
    );
    assert_eq!(
        desk.apply(&plan).await,
        PublishOutcome::Changed,
        "a plan that was made from it is no plan any more"
    );
    assert!(desk.consolidate(10).await > 0);
    assert_eq!(desk.on_shelves().await, [key(10); 3]);
}

pub async fn a_broken_pack_on_many_shelves_is_retired_with_the_last(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    desk.consolidate(3).await;
    let shelves = [desk.shelf(0).await, desk.shelf(1).await];
    let mut push = desk.prepare(vec![pack(1, 0..0)]).await;
    (push.packs[0].moved, push.broken) = (moved(0..1, shelves[0]), shelves.to_vec());
    desk.done(&push).await;
    assert_eq!(
        (desk.on_shelves().await, desk.retired().await),
        (vec![key(3), key(1)], vec![key(2)])
    );
    let mut push = desk.prepare(vec![pack(2, 0..0)]).await;
    (push.packs[0].moved, push.broken) = (moved(1..2, shelves[1]), shelves.to_vec());
    desk.done(&push).await;
    assert_eq!(
        (desk.on_shelves().await, desk.retired().await),
        (vec![key(1), key(2)], vec![key(3)])
    );
    let entities = [row(Kind::Object, 0).entity, row(Kind::Object, 1).entity];
    assert!(desk.snapshot().await.lookup(&entities).await.unwrap().iter().all(Option::is_some));
}

pub async fn packs_that_may_go_are_those_that_would_be_forgotten_with_the_repos_that_had_them(
    catalog: Arc<dyn Catalog>,
) {
    let (one, other, gone) = (
        Desk::new(&catalog).await,
        Desk::named(&catalog, "c/d").await,
        Desk::named(&catalog, "e/f").await,
    );
    for desk in [&one, &other, &gone] {
        desk.push(vec![pack(1, 0..1), pack(2, 1..2)]).await;
    }
    one.consolidate(3).await;
    other.consolidate(4).await;
    catalog.delete_repo(gone.repo, at(5)).await.unwrap().unwrap();
    let unneeded = catalog.unneeded_packs().await.unwrap();
    let told: Vec<_> = unneeded
        .iter()
        .map(|unneeded| (unneeded.pack.key, unneeded.at, unneeded.repos.clone()))
        .collect();
    let repos = vec![one.repo, other.repo];
    assert_eq!(
        told,
        [(key(1), at(5), repos.clone()), (key(2), at(5), repos)],
        "a deleted repo needs nothing"
    );
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    let deletable = catalog.deletable_packs(&[key(2), key(1)], at(5), &lock).await.unwrap();
    assert!(deletable.is_empty(), "the deleted repo can be restored");
    assert!(catalog.forget_repo(gone.repo, at(5), &lock).await.unwrap());
    assert_eq!(
        catalog
            .deletable_packs(&[key(2), key(9), key(3), key(1)], at(5), &lock)
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(catalog.deletable_packs(&[key(2)], at(5), &lock).await.unwrap(), unneeded[1..]);
    assert!(catalog.deletable_packs(&[key(1), key(2)], at(4), &lock).await.unwrap().is_empty());
    assert_eq!(
        catalog.knows_packs(&[key(1), key(2)]).await.unwrap(),
        [true, true],
        "asking forgets nothing"
    );
    assert_eq!(catalog.repo(&name("e/f")).await.unwrap().map(|repo| repo.id), None);
}

/// A job fails with a code.
async fn fail(
    catalog: &Arc<dyn Catalog>,
    repo: Option<i64>,
    operation: Operation,
    seconds: i64,
    code: &'static str,
) -> i64 {
    let job = add(catalog, repo, operation, seconds).await.id;
    let (_, fence) = take(catalog, seconds).await.unwrap();
    let end = JobEnd::Failed(Failure { reason: "it has failed".into(), code });
    catalog.end_job(fence, &end, at(seconds)).await.unwrap().unwrap();
    job
}

/// The healed jobs, and how many there are by the counts.
async fn healed(catalog: &Arc<dyn Catalog>) -> Vec<i64> {
    let healed: Vec<i64> = catalog.healed_jobs(0..=i64::MAX).await.unwrap().into_iter().collect();
    let mut expected = std::collections::BTreeMap::<String, u64>::new();
    for job in &healed {
        let job = catalog.job(*job).await.unwrap().unwrap();
        *expected.entry(job.operation.job_type().to_owned()).or_default() += 1;
    }
    let counts = catalog.healed_counts().await.unwrap();
    assert_eq!(counts, expected.into_iter().collect::<Vec<_>>());
    healed
}

pub async fn a_job_that_met_damage_is_healed_with_it(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for desk in [&desk, &other] {
        desk.push(vec![pack(1, 0..2), pack(2, 2..4)]).await;
    }
    let verify = Operation::Verify(VerifyOptions::default());
    let of = Some(desk.repo);
    let mut ids = Vec::new();
    for (seconds, repo, operation, code) in [
        (100, of, verify.clone(), Error::DAMAGE_CODE),
        (200, of, verify.clone(), "refused"),
        (300, of, GC, Error::DAMAGE_CODE),
        (400, of, GC, "refused"),
        (500, None, PRUNE, Error::DAMAGE_CODE),
        (600, Some(other.repo), verify, Error::DAMAGE_CODE),
        (700, of, GC, "damaged-catalog"),
    ] {
        ids.push(fail(&catalog, repo, operation, seconds, code).await);
    }
    // A consolidation by hand met damage while the second job failed without it.
    let error = Error::from(DamageError::MissingPack {
        key: key(1),
        repo: name("a/b"),
        place: "here".into(),
    });
    let record = GcRecord::failed(&error, 7, "digest", at(400));
    catalog.record_gc(desk.repo, &record, None).await.unwrap();
    note(&catalog, 800, &[], &[1, 2]).await;
    assert_eq!(healed(&catalog).await, [] as [i64; 0]);
    note(&catalog, 801, &[1], &[]).await;
    assert_eq!(healed(&catalog).await, [] as [i64; 0], "the other pack is still damaged");
    note(&catalog, 802, &[2], &[]).await;
    assert_eq!(healed(&catalog).await, [ids[0], ids[2], ids[4], ids[5]]);
    let some: Vec<i64> = catalog.healed_jobs(ids[1]..=ids[4]).await.unwrap().into_iter().collect();
    assert_eq!(some, [ids[2], ids[4]]);
    note_index(&other, 803, Some(damage(None, 803))).await;
    let left = [ids[0], ids[2]];
    assert_eq!(healed(&catalog).await, left, "of one repo, and none of the whole store");
    catalog.retry_job(ids[0], at(900)).await.unwrap();
    assert_eq!(healed(&catalog).await, [ids[2]], "what is queued again has not failed");
}

/// A push brings nothing when the damage of its repo is repaired: its commits are still missing. And
/// a mirror follows nothing, unless there is another one.
pub async fn a_push_that_met_damage_is_never_healed_and_a_mirror_if_there_is_another(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..2)]).await;
    let packs = |n| vec![QueuedPack { mpack_key: key(n), file: format!("{n}.mpack") }];
    let index = |n| Operation::Index(IndexOptions { packs: packs(n), force: false });
    let mirror = Operation::Mirror(MirrorOptions {
        source: "https://hub.example/a/b".to_owned(),
        every: std::time::Duration::from_secs(600),
        force: false,
    });
    let of = Some(desk.repo);
    note(&catalog, 1, &[], &[1]).await;
    fail(&catalog, of, index(2), 2, Error::DAMAGE_CODE).await;
    let first = fail(&catalog, of, mirror.clone(), 3, Error::DAMAGE_CODE).await;
    note(&catalog, 4, &[1], &[]).await;
    assert_eq!(healed(&catalog).await, [] as [i64; 0], "the push is lost, the mirror has stopped");
    add(&catalog, of, index(3), 5).await;
    let (_, fence) = take(&catalog, 5).await.unwrap();
    catalog.end_job(fence, &JobEnd::Done(serde_json::json!(1)), at(6)).await.unwrap();
    assert_eq!(healed(&catalog).await, [] as [i64; 0], "another push has other packs");

    let second = fail(&catalog, of, mirror.clone(), 7, Error::DAMAGE_CODE).await;
    assert_eq!(healed(&catalog).await, [first], "the second is not healed");
    catalog.retry_job(first, at(8)).await.unwrap().unwrap();
    assert_eq!(healed(&catalog).await, [second], "the first follows again");
    note(&catalog, 9, &[], &[1]).await;
    assert_eq!(healed(&catalog).await, [] as [i64; 0], "there is damage again");
    note(&catalog, 10, &[1], &[]).await;
    catalog.cancel_job(first, at(11)).await.unwrap().unwrap();
    assert_eq!(healed(&catalog).await, [] as [i64; 0], "nothing follows");
    let third = add(&catalog, of, mirror, 12).await.id;
    assert_eq!(healed(&catalog).await, [second]);
    catalog.cancel_job(third, at(13)).await.unwrap().unwrap();
    assert_eq!(healed(&catalog).await, [second], "a later one that was cancelled counts, too");
}
