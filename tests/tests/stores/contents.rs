//! What is inside a repo is what was pushed: commits, files and records, before and after `gc`.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use packhouse_host::sample::{HistoryOptions, history};
use packhouse_host::{
    Class, Contents, Error, FilesQuery, GcOptions, LogQuery, PackRecord, PackRecordsQuery,
    Progress, RepoName,
};
use packhouse_tests::model::{self, Entity, Kind, Record};
use packhouse_tests::random_history::random_history;
use packhouse_tests::store::TestStore;
use packhouse_tests::tangled_history::tangled_history;

type Records = BTreeMap<Entity, Record>;

/// A few histories, in packs: whole and delta snapshots, merges, several encodings, both forms of IDs.
fn histories() -> Vec<Vec<Vec<u8>>> {
    let linear = HistoryOptions { pushes: 5, tags: true, ..HistoryOptions::default() };
    let mut all = vec![history(&linear)];
    for seed in 0..6 {
        all.push(random_history(seed, 12).spread(seed, 3));
        all.push(tangled_history(seed, 12).spread(seed, 3));
    }
    all
}

async fn bytes_of(store: &TestStore, id: &str) -> Vec<u8> {
    let content = store.store.content(&store.repo, id).await.unwrap();
    let mut all = Vec::new();
    let mut stream = content.stream;
    while let Some(chunk) = stream.try_next().await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    assert_eq!(all.len() as u64, content.bytes, "{id}");
    all
}

/// Finds every record where it is, and reads what was pushed.
async fn records_are_right(store: &TestStore, records: &Records, when: &str) {
    let packs: BTreeMap<String, Vec<u8>> =
        store.packs().await.into_iter().map(|pack| (model::key(&pack), pack)).collect();
    for ((kind, id), record) in records {
        let found = store.store.find(&store.repo, id).await.unwrap();
        let found: Vec<_> =
            found.iter().filter(|one| kind.words().1.starts_with(&one.kind.to_string())).collect();
        let [one] = found[..] else { panic!("{kind:?} {id} {when}: {found:?}") };
        let pack = &packs[&one.mpack_key.to_string()];
        let bytes = &pack[one.offset as usize..(one.offset + one.length) as usize];
        let stored = Record::read(*kind, bytes, 0);
        assert_eq!((&stored.id, stored.reaches()), (id, record.reaches()), "{when}");
        let expected = match record.content() {
            Some(content) => &record.bytes[content],
            None => bytes,
        };
        // An ID may be that of a commit and of a snapshot: then it has to be told apart.
        match store.store.record(&store.repo, id).await {
            Ok(report) => {
                assert_eq!(bytes_of(store, id).await, expected, "{kind:?} {id} {when}");
                assert_eq!(&report.place, one, "{when}");
                assert_eq!(report.fields.is_none(), *kind == Kind::Object);
            }
            Err(Error::AmbiguousId { .. }) => {
                assert!(records.keys().filter(|other| other.1 == *id).count() > 1, "{id}");
            }
            Err(error) => panic!("{kind:?} {id} {when}: {error}"),
        }
    }
}

/// The commits that a head reaches, in any order.
fn history_of(records: &Records, head: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![head.to_owned()];
    while let Some(id) = open.pop() {
        if let Some(commit) = records.get(&(Kind::Commit, id.clone()))
            && reached.insert(id)
        {
            open.extend(commit.parents());
        }
    }
    reached
}

/// `is_tangled`: commits may have come in disorder.
async fn logs_are_right(store: &TestStore, records: &Records, is_tangled: bool, when: &str) {
    for (branch, head) in store.heads().await {
        let mut listed: Vec<String> = Vec::new();
        let mut query = LogQuery { branch: Some(branch.clone()), from: vec![], limit: 3 };
        loop {
            let page = store.store.log(&store.repo, &query).await.unwrap();
            assert!(is_tangled || page.commits.len() <= 3);
            for commit in &page.commits {
                let record = &records[&(Kind::Commit, commit.commit.clone())];
                assert_eq!(commit.parents, record.parents(), "{when}");
                assert_eq!(commit.branches.contains(&branch), commit.commit == head, "{when}");
                // In a damaged history, a commit may be among its own ancestors.
                let is_parent = |earlier: &&String| {
                    commit.parents.contains(earlier)
                        && !history_of(records, earlier).contains(&commit.commit)
                };
                let parent = listed.iter().find(is_parent);
                assert_eq!(parent, None, "{when}: listed before its child {}", commit.commit);
                listed.push(commit.commit.clone());
            }
            if page.next.is_empty() {
                break;
            }
            query.from = page.next;
        }
        let distinct: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(distinct.len(), listed.len(), "{when}: each commit once");
        assert_eq!(distinct, history_of(records, &head), "{when}: {branch}");
    }
}

/// The files of a snapshot, and whether all of its chain is there.
fn tree(records: &Records, snapshot: Option<String>) -> (BTreeMap<String, String>, bool) {
    let Some(id) = snapshot else { return (BTreeMap::new(), true) };
    let Some(record) = records.get(&(Kind::Snapshot, id)) else { return (BTreeMap::new(), false) };
    let (mut files, whole) = tree(records, record.delta_parent());
    for path in record.removed() {
        files.remove(&path);
    }
    files.extend(record.entries());
    (files, whole)
}

async fn files_are_right(store: &TestStore, records: &Records, when: &str) {
    for ((kind, commit), record) in records {
        if *kind != Kind::Commit {
            continue;
        }
        let snapshot = record.reaches().into_iter().find(|(kind, _)| *kind == Kind::Snapshot);
        let (expected, is_whole) = tree(records, snapshot.map(|(_, id)| id));
        let mut query = FilesQuery { commit: commit.clone(), limit: 2, ..FilesQuery::default() };
        let mut found = BTreeMap::new();
        loop {
            let page = match store.store.files(&store.repo, &query).await {
                Err(Error::AmbiguousId { .. }) => panic!("only commits are meant"),
                page => page.unwrap(),
            };
            assert_eq!(page.missing_snapshot.is_none(), is_whole, "{when} {commit}");
            found.extend(page.files.into_iter().map(|file| (file.path, file.object)));
            if page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
        assert_eq!(found, expected, "{when}: {commit}");
    }
}

#[tokio::test]
async fn a_repo_is_shown_as_it_was_pushed() {
    for (number, packs) in histories().into_iter().enumerate() {
        let store = TestStore::new().await;
        store.push(&packs).await.unwrap();
        let records = model::union(&packs);
        for when in ["before gc", "after gc"] {
            let when = format!("history {number} {when}");
            records_are_right(&store, &records, &when).await;
            logs_are_right(&store, &records, number > 0, &when).await;
            files_are_right(&store, &records, &when).await;
            store.gc().await.unwrap();
        }
        store.sound().await;
    }
}

/// All records of a pack, page by page.
async fn records_of(store: &TestStore, pack: &[u8]) -> Vec<PackRecord> {
    let pack = model::key(pack).parse().unwrap();
    let mut query = PackRecordsQuery { pack, from: 0, limit: 7, kind: None, id: None };
    let mut all = Vec::new();
    loop {
        let page = store.store.pack_records(&store.repo, &query).await.unwrap();
        all.extend(page.records);
        let Some(next) = page.next else { return all };
        query.from = next;
    }
}

/// Packs that repeat each other's records: each entity is needed from one of them, which is where
/// it is found.
#[tokio::test]
async fn a_pack_lists_its_records_and_each_entity_is_needed_from_one_pack() {
    for packs in histories() {
        let store = TestStore::new().await;
        store.push(&packs).await.unwrap();
        let retired = store.packs().await;
        for when in ["before gc", "after gc"] {
            let mut needed: BTreeMap<(String, String), BTreeSet<_>> = BTreeMap::new();
            for pack in store.packs().await {
                let (listed, read) = (records_of(&store, &pack).await, model::read(&pack).records);
                let listed_ids: Vec<_> =
                    listed.iter().map(|one| (one.offset as usize, &one.id)).collect();
                let ids: Vec<_> = read.iter().map(|one| (one.offset, &one.id)).collect();
                assert_eq!(listed_ids, ids, "{when}");
                for record in listed.iter().filter(|record| record.needed) {
                    let found = store.store.find(&store.repo, &record.id).await.unwrap();
                    let is_it = |found: &&packhouse_host::FoundRecord| {
                        (found.kind, found.length, Some(found.mpack_key))
                            == (record.kind, record.length, record.mpack_key)
                    };
                    assert!(found.iter().any(|found| is_it(&found)), "{when}: {record:?}");
                    let of = (record.kind.to_string(), record.id.clone());
                    needed.entry(of).or_default().insert(record.mpack_key);
                }
            }
            assert_eq!(needed.len(), model::union(&retired).len(), "{when}");
            assert!(needed.values().all(|packs| packs.len() == 1), "{when}: {needed:?}");
            store.gc().await.unwrap();
        }
        // What waits for deletion is listed, too, and nothing of it is needed.
        if retired.len() > 1 {
            let listed = records_of(&store, &retired[0]).await;
            assert!(!listed.is_empty() && listed.iter().all(|record| !record.needed));
        }
    }
}

#[tokio::test]
async fn a_search_in_a_pack_finds_what_begins_so_and_another_repo_has_not_the_pack() {
    let packs = history(&HistoryOptions { pushes: 1, tags: true, ..HistoryOptions::default() });
    let store = TestStore::new().await;
    store.push(&packs).await.unwrap();
    let (pack, all) = (model::key(&packs[0]).parse().unwrap(), records_of(&store, &packs[0]).await);
    let search = async |kind, id: &str| {
        let id = Some(id.to_owned());
        let query = PackRecordsQuery { pack, from: 0, limit: 1000, kind, id };
        store.store.pack_records(&store.repo, &query).await.unwrap().records
    };
    for record in &all {
        let found = search(Some(record.kind), &record.id).await;
        assert_eq!(found, std::slice::from_ref(record));
        let digits = record.id.trim_start_matches("sha256:");
        if record.kind.to_string() != "tag" {
            assert!(search(None, &digits[..6].to_uppercase()).await.contains(record));
        }
    }
    assert_eq!(search(None, "").await, all);
    assert!(search(None, "zzzz").await.is_empty());

    let other: RepoName = "c/d".parse().unwrap();
    store.store.create_repo(&other, packhouse_host::Visibility::Public).await.unwrap();
    let query = PackRecordsQuery { pack, from: 0, limit: 9, kind: None, id: None };
    let error = store.store.pack_records(&other, &query).await.unwrap_err();
    assert!(matches!(error, Error::UnknownRecord { what: "pack", .. }), "{error}");
}

#[tokio::test]
async fn the_beginning_of_an_id_will_do_if_it_is_the_only_one() {
    let packs = history(&HistoryOptions { pushes: 40, ..HistoryOptions::default() });
    let store = TestStore::new().await;
    store.push(&packs).await.unwrap();
    let records = model::union(&packs);
    let digits = |id: &str| id.trim_start_matches("sha256:").to_owned();
    let mut beginnings: BTreeMap<String, BTreeSet<&Entity>> = BTreeMap::new();
    for entity in records.keys().filter(|(kind, _)| *kind != Kind::Tag) {
        beginnings.entry(digits(&entity.1)[..4].to_owned()).or_default().insert(entity);
    }
    for (beginning, entities) in &beginnings {
        let found = store.store.find(&store.repo, beginning).await.unwrap();
        let found: BTreeSet<String> = found.into_iter().map(|one| one.id).collect();
        assert_eq!(found, entities.iter().map(|(_, id)| id.clone()).collect(), "{beginning}");
        let record = store.store.record(&store.repo, beginning).await;
        match entities.len() {
            1 => assert_eq!(record.unwrap().place.id, entities.first().unwrap().1),
            _ => assert!(matches!(record, Err(Error::AmbiguousId { .. })), "{record:?}"),
        }
    }
    let (_, id) = records.keys().next().unwrap();
    for wrong in [&digits(id)[..3], "zzzz", "", &"0".repeat(64), "ABCD"] {
        assert!(store.store.find(&store.repo, wrong).await.unwrap().is_empty(), "{wrong}");
        let error = store.store.record(&store.repo, wrong).await.unwrap_err();
        assert!(matches!(error, Error::UnknownRecord { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_pack_that_ends_too_early_is_damage() {
    let store = TestStore::new().await;
    store.push(&history(&HistoryOptions { pushes: 1, ..HistoryOptions::default() })).await.unwrap();
    let pack = store.packs().await.remove(0);
    let (key, last) = (model::key(&pack), model::read(&pack).records.pop().unwrap());
    let hex = key.trim_start_matches("sha256:");
    let file = store.data().join(format!("packs/{}/{hex}.mpack", &hex[..2]));
    std::fs::write(file, &pack[..last.offset + 1]).unwrap();
    let error = store.store.record(&store.repo, &last.id).await.unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    assert_eq!(store.show().await.damaged.len(), 1);
}

#[tokio::test]
async fn damaged_content_is_broken_off_and_remembered() {
    let packs = history(&HistoryOptions { pushes: 2, ..HistoryOptions::default() });
    let store = TestStore::new().await;
    store.push(&packs).await.unwrap();
    store.store.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    let records = model::union(&packs);
    let (_, object) = records.keys().find(|(kind, _)| *kind == Kind::Object).unwrap();
    let place = store.store.record(&store.repo, object).await.unwrap().place;
    let hex = place.mpack_key.hex();
    let file = store.data().join(format!("packs/{}/{hex}.mpack", &hex[..2]));
    let mut bytes = std::fs::read(&file).unwrap();
    let last = (place.offset + place.length) as usize - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let content = store.store.content(&store.repo, object).await.unwrap();
    let error = content.stream.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    assert!(error.to_string().contains(object.trim_start_matches("sha256:")), "{error}");
    let damage = store.show().await.damaged;
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].mpack_key, Some(place.mpack_key));
}
