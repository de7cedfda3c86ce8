//! `verify --repair` takes what is lost from any intact copy that the store has: from what is left
//! of damaged packs, and from packs of other repos, record by record.

use std::path::Path;

use packhouse_host::{
    GcOptions, MpackKey, ProblemKind, PushOptions, RepoName, VerifyOptions, Visibility,
};
use packhouse_tests::faulty::Moment;
use packhouse_tests::model::{self, Entity, Record};
use packhouse_tests::store::{PREFIX, TestStore};

use super::damage::{
    Harm, NOW, file, flip, key_of, known, packs, prune, repair, repair_after_each_fault, silent,
    verify,
};

/// Flips a bit at the end of a record of a stored pack.
fn spoil(file: &Path, record: &Record) {
    flip(file, (record.offset + record.bytes.len() - 1) as u64);
}

/// What messages call the kind of a record.
fn kind_of(record: &Record) -> &'static str {
    record.kind.words().1.trim_end_matches("_id")
}

fn key_of_all() -> MpackKey {
    model::key(&model::consolidate(&packs(), &model::heads_of(&packs()))).parse().unwrap()
}

/// A store with the three packs in `a/b`, and one pack of the same records and more in `c/d`.
async fn with_twin(on: &TestStore) -> (RepoName, MpackKey) {
    let twin: RepoName = "c/d".parse().unwrap();
    on.store.create_repo(&twin, Visibility::Private).await.unwrap();
    let mut all = packs();
    all.push(packhouse_tests::store::small_pushes(1).remove(0));
    let files: Vec<_> = all.iter().map(|pack| on.file(pack)).collect();
    on.store.push(&twin, &files, PushOptions::default(), &silent()).await.unwrap();
    let report = on.store.gc(&twin, GcOptions::default(), &silent()).await.unwrap();
    // Its own three would be shared.
    prune(&on.store, NOW).await;
    (twin, report.consolidated_key.unwrap())
}

#[tokio::test]
async fn one_flipped_byte_costs_one_record() {
    let pack = packs().remove(0);
    let records = model::read(&pack).records;
    for spoiled in [0, records.len() / 2, records.len() - 1] {
        let on = TestStore::new().await;
        on.push(&[&pack]).await.unwrap();
        let spoiled = &records[spoiled];
        spoil(&file(&on.data(), &key_of(&pack)), spoiled);
        let report = repair(&on).await;
        let repaired = report.repaired.unwrap();
        let saved = records.len() as u64 - 1;
        assert_eq!(
            repaired.iter().map(|one| one.entities).collect::<Vec<_>>(),
            [saved, saved],
            "the damaged pack, and the new one: {repaired:?}"
        );
        assert!(repaired[1].detail.ends_with("what is left of damaged packs"), "{repaired:?}");
        let [problem] = &report.problems[..] else { panic!("{:?}", report.problems) };
        assert_eq!(problem.kind, ProblemKind::DamagedPack);
        let name = format!("No intact copy in this store of: {} {}", kind_of(spoiled), spoiled.id);
        assert!(problem.detail.ends_with(&name), "{name}: {}", problem.detail);
        // Again: there is nothing to be done.
        let again = repair(&on).await;
        assert_eq!((again.repaired, again.problems), (Some(Vec::new()), report.problems));
        assert_eq!(known(&on).await.len(), 1);
        // And the same bytes mend it.
        on.push(&[&pack]).await.unwrap();
        on.sound().await;
        assert_eq!(known(&on).await, []);
        let key = model::key(&model::consolidate(&[&pack], &model::heads_of(&[&pack])));
        assert_eq!(on.gc().await.unwrap().consolidated_key.unwrap().to_string(), key);
        on.sound().await;
    }
}

#[tokio::test]
async fn what_no_record_has_is_not_lost_with_the_pack() {
    for cut in [false, true] {
        let on = TestStore::new().await;
        on.push_each(&packs()).await;
        let (_, whole) = on.fetch(&[], &[]).await.unwrap();
        for pack in packs() {
            let path = file(&on.data(), &key_of(&pack));
            let end = model::read(&pack).records.last().map(|r| r.offset + r.bytes.len()).unwrap();
            match cut {
                true => std::fs::write(path, &pack[..end]).unwrap(),
                false => {
                    let mut bytes = pack.clone();
                    bytes[end] ^= 1;
                    std::fs::write(path, bytes).unwrap();
                }
            }
        }
        assert!(!verify(&on).await.ok);
        let report = repair(&on).await;
        assert!(report.ok, "{:?}", report.problems);
        on.sound().await;
        assert_eq!(on.fetch(&[], &[]).await.unwrap().1, whole);
        assert_eq!(on.gc().await.unwrap().consolidated_key, Some(key_of_all()));
        on.sound().await;
    }
}

async fn repairs_from_another_repo(on: TestStore, root: &Path) {
    on.push_each(&packs()).await;
    let (twin, theirs) = with_twin(&on).await;
    for pack in packs() {
        Harm::Missing.does(&file(root, &key_of(&pack)));
    }
    let _ = std::fs::remove_dir_all(on.data().join("spool/packs"));
    let report = repair(&on).await;
    assert!(report.ok, "{:?}", report.problems);
    let repaired = format!("{:?}", report.repaired);
    assert!(repaired.contains("from other packs of the store"), "{repaired}");
    assert!(!repaired.contains("c/d") && !repaired.contains(&theirs.to_string()), "{repaired}");
    on.sound().await;
    // Law 10: what was copied are this repo's records, and not one of the other's.
    let [new] = &on.packs().await[..] else { panic!("one new pack has everything") };
    let ours = model::union(&packs());
    let entities: Vec<Entity> = model::union(&[new]).into_keys().collect();
    assert_eq!(entities, ours.into_keys().collect::<Vec<_>>());
    // The other repo keeps its own.
    assert_eq!(on.store.repo(&twin).await.unwrap().pack_keys, [theirs]);
    let report = on.store.verify(&twin, VerifyOptions::default(), &silent()).await.unwrap();
    assert!(report.ok);
    // A consolidation gives what it would have given: with something to consolidate.
    on.push(&packs()[..1]).await.unwrap();
    let mut all = packs();
    let more = packhouse_tests::store::small_pushes(1).remove(0);
    on.push(&[&more]).await.unwrap();
    all.push(more);
    let expected = model::key(&model::consolidate(&all, &on.heads().await));
    assert_eq!(on.gc().await.unwrap().consolidated_key.unwrap().to_string(), expected);
    on.sound().await;
}

#[tokio::test]
async fn law_10_records_are_copied_from_packs_of_other_repos_and_no_others() {
    let on = TestStore::new().await;
    let root = on.data();
    repairs_from_another_repo(on, &root).await;
}

#[tokio::test]
async fn on_s3_records_are_copied_from_packs_of_other_repos() {
    let on = TestStore::on_s3().await;
    let root = on.server.as_ref().unwrap().file(PREFIX);
    repairs_from_another_repo(on, &root).await;
}

/// Two damaged copies in two repos: what one has lost the other has.
#[tokio::test]
async fn damage_of_another_repo_is_no_hindrance() {
    let on = TestStore::new().await;
    on.push_each(&packs()).await;
    let (twin, theirs) = with_twin(&on).await;
    let path = file(&on.data(), &theirs);
    // Two records that this repo has in its first pack only.
    let later = model::union(&packs()[1..]);
    let is_only_there = |record: &Record| !later.contains_key(&(record.kind, record.id.clone()));
    let mut first = model::read(&packs()[0]).records;
    first.retain(is_only_there);
    let (spoiled, other) = (&first[0], &first[1]);
    let in_theirs = model::read(&std::fs::read(&path).unwrap()).records;
    let other = in_theirs.iter().find(|r| (r.kind, &r.id) == (other.kind, &other.id)).unwrap();
    spoil(&file(&on.data(), &key_of(&packs()[0])), spoiled);
    spoil(&path, other);
    let report = repair(&on).await;
    assert!(report.ok, "{:?}", report.problems);
    let repaired = report.repaired.unwrap();
    let is_of_both = |detail: &str| detail.ends_with("other packs of the store (1)");
    assert!(repaired.iter().any(|one| is_of_both(&one.detail)), "{repaired:?}");
    on.sound().await;
    // And the other way round.
    let report = on.store.verify(&twin, VerifyOptions::REPAIR, &silent()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let report = on.store.gc(&twin, GcOptions::default(), &silent()).await.unwrap();
    assert_eq!(report.consolidated_key, Some(theirs));
}

/// No shelf and no index has its packs, but they are stored.
#[tokio::test]
async fn records_are_copied_from_packs_of_a_deleted_repo() {
    let on = TestStore::new().await;
    on.push_each(&packs()).await;
    let (twin, _) = with_twin(&on).await;
    on.store.delete_repo(&twin).await.unwrap();
    for pack in packs() {
        Harm::Missing.does(&file(&on.data(), &key_of(&pack)));
    }
    let report = repair(&on).await;
    assert!(report.ok, "{:?}", report.problems);
    on.sound().await;
    let [new] = &on.packs().await[..] else { panic!("one new pack has everything") };
    assert!(model::union(&[new]).into_keys().eq(model::union(&packs()).into_keys()));
}

/// Every call fails once: what was sound stays so, and the next repair finishes.
#[tokio::test]
async fn law_5_copying_that_fails_anywhere_makes_nothing_worse() {
    for moment in [Moment::Before, Moment::After] {
        let on = TestStore::new().await;
        on.push_each(&packs()).await;
        with_twin(&on).await;
        Harm::Missing.does(&file(&on.data(), &key_of(&packs()[0])));
        let records = model::read(&packs()[1]).records;
        spoil(&file(&on.data(), &key_of(&packs()[1])), &records[1]);
        repair_after_each_fault(&on, moment, key_of_all(), 10).await;
    }
}
