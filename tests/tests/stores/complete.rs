//! A clone of a complete pack, and when the repo has changed since: it is always what a plan gives.

use std::collections::BTreeMap;

use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_tests::model::{self, Entity, Kind, Record};
use packhouse_tests::store::TestStore;

type Records = BTreeMap<Entity, Record>;

fn packs(pushes: usize) -> Vec<Vec<u8>> {
    history(&HistoryOptions { pushes, tags: true, ..HistoryOptions::default() })
}

/// Clones; whether the answer is a stored pack, and how much it misses.
async fn clone_is(store: &TestStore, records: &Records, when: &str) -> (bool, u64) {
    let (report, pack) = store.fetch(&[], &[]).await.unwrap();
    let found = model::union(&[&pack]);
    assert_eq!(found.keys().collect::<Vec<_>>(), records.keys().collect::<Vec<_>>(), "{when}");
    for (entity, record) in records {
        assert!(found[entity].bytes == record.bytes, "{entity:?} {when}");
    }
    assert_eq!(model::read(&pack).heads, store.heads().await, "{when}");
    (report.reused, report.missing)
}

#[tokio::test]
async fn clone_is_right_when_heads_have_moved() {
    let packs = packs(5);
    let store = TestStore::new().await;
    for (n, _) in packs.iter().enumerate() {
        store.push(&packs[n..=n]).await.unwrap();
        let all = model::union(&packs[..=n]);
        let (reused, _) = clone_is(&store, &all, &format!("after push {n}")).await;
        assert_eq!(reused, n == 0, "push {n}");
        store.gc().await.unwrap();
        assert_eq!(clone_is(&store, &all, &format!("after gc {n}")).await, (true, 0));
    }
    store.sound().await;
}

#[tokio::test]
async fn clone_is_right_when_records_are_unreachable() {
    let options = HistoryOptions { pushes: 3, heads: HeadStyle::OwnBranch, ..Default::default() };
    let packs = history(&options);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    store.gc().await.unwrap();
    assert!(clone_is(&store, &model::union(&packs), "all branches").await.0);
    // The head of the newest branch reaches what only it reaches.
    let newest = store.heads().await.into_keys().next_back().unwrap();
    store.store.delete_branch(&store.repo, &newest).await.unwrap();
    let heads = store.heads().await;
    let mut open: Vec<Entity> = heads.values().map(|id| (Kind::Commit, id.clone())).collect();
    let all = model::union(&packs);
    let mut reached = Records::new();
    while let Some(entity) = open.pop() {
        if let (Some(record), false) = (all.get(&entity), reached.contains_key(&entity)) {
            open.extend(record.reaches());
            reached.insert(entity, record.clone());
        }
    }
    let tags = all.iter().filter(|(_, record)| {
        record.tagged().is_some_and(|id| reached.contains_key(&(Kind::Commit, id)))
    });
    let tags: Records = tags.map(|(entity, tag)| (entity.clone(), tag.clone())).collect();
    reached.extend(tags);
    assert!(reached.len() < all.len());
    for when in ["before gc", "after gc"] {
        assert!(!clone_is(&store, &reached, when).await.0, "{when}");
        store.gc().await.unwrap();
    }
}

#[tokio::test]
async fn clone_is_right_when_a_missing_record_has_come() {
    let packs = packs(3);
    let store = TestStore::new().await;
    let (mut all, heads) = (model::union(&packs), model::heads_of(&packs));
    let object = all.keys().find(|(kind, _)| *kind == Kind::Object).unwrap().clone();
    let late = Records::from([(object.clone(), all.remove(&object).unwrap())]);
    store.push(&[model::canonical(&all, &heads)]).await.unwrap();
    assert_eq!(clone_is(&store, &all, "without an object").await, (true, 1));
    store.push(&[model::canonical(&late, &BTreeMap::new())]).await.unwrap();
    all.extend(late);
    assert_eq!(clone_is(&store, &all, "when it has come").await, (false, 0));
    store.gc().await.unwrap();
    assert_eq!(clone_is(&store, &all, "after gc").await, (true, 0));
}

#[tokio::test]
async fn clone_is_right_when_a_longer_encoding_has_come() {
    let packs = packs(3);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    store.gc().await.unwrap();
    let mut all = model::union(&packs);
    assert!(clone_is(&store, &all, "before").await.0);
    // The same commit, with more bytes for the number of its fields.
    let (entity, record) = all.iter().find(|((kind, _), _)| *kind == Kind::Commit).unwrap();
    let fields = match record.bytes[0] {
        short @ 0x80..=0x8f => ([0, 0, 0, short & 0x0f], 1),
        0xde => ([0, 0, record.bytes[1], record.bytes[2]], 3),
        other => panic!("a commit begins with {other:#x}"),
    };
    let mut bytes = vec![0xdf];
    bytes.extend(fields.0);
    bytes.extend(&record.bytes[fields.1..]);
    let longer = Record::read(Kind::Commit, &bytes, 0);
    let longer = Records::from([(entity.clone(), longer)]);
    store.push(&[model::canonical(&longer, &BTreeMap::new())]).await.unwrap();
    all.extend(longer);
    assert!(!clone_is(&store, &all, "when it has come").await.0);
    store.gc().await.unwrap();
    assert!(clone_is(&store, &all, "after gc").await.0);
    store.sound().await;
}
