//! Consolidation prepares fetches: it numbers commits that came in disorder, and reads the tags that
//! an older packhouse stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use packhouse_core::{Ancestor, EntityId};
use packhouse_host::catalog::{Catalog, TagRow};
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::{GcOptions, ProblemKind, Progress, VerifyOptions};
use packhouse_tests::place;
use packhouse_tests::store::TestStore;

/// What an older packhouse left: neither generations nor commits of tags.
const OLDER: &str = "UPDATE commits SET generation = 0; UPDATE tag_ids SET commit_id = NULL;
    UPDATE repos SET walk_floor = 0; DELETE FROM awaited_parents";

/// What the catalog says of a repo's commits and tags.
#[derive(Clone, Debug, PartialEq)]
struct Graph {
    commits: Vec<Ancestor>,
    floor: Option<u64>,
    tags: Vec<TagRow>,
    without_commit: usize,
}

async fn graph(store: &TestStore) -> Graph {
    let catalog: Arc<dyn Catalog> = place::catalog(&store.data()).open().await.unwrap();
    let repo = catalog.repo(&store.repo).await.unwrap().unwrap().id;
    let mut snapshot = catalog.snapshot(repo).await.unwrap();
    let commits = snapshot.commits(None, u32::MAX).await.unwrap();
    let ids: Vec<EntityId> = commits.iter().map(|one| one.edges.commit).collect();
    Graph {
        floor: snapshot.walk_floor().await.unwrap(),
        tags: snapshot.tags_of(&ids).await.unwrap(),
        without_commit: snapshot.tags_without_commit(u32::MAX).await.unwrap().len(),
        commits,
    }
}

/// Checks that generations, floor and tags are as they should be.
async fn is_prepared(store: &TestStore, when: &str) {
    let graph = graph(store).await;
    let numbers: BTreeMap<EntityId, u64> =
        graph.commits.iter().map(|one| (one.edges.commit, one.generation)).collect();
    for one in &graph.commits {
        let parents = one.edges.parents().filter_map(|parent| numbers.get(&parent));
        assert_eq!(one.generation, 1 + parents.max().copied().unwrap_or(0), "{when}: {one:?}");
    }
    assert_eq!((graph.floor, graph.without_commit, graph.tags.len()), (None, 0, 6), "{when}");
}

/// Packs of two commits, each with a tag of the second.
fn packs() -> Vec<Vec<u8>> {
    let heads = HeadStyle::OwnBranch;
    history(&HistoryOptions { heads, overlap: false, ..HistoryOptions::default() })
}

#[tokio::test]
async fn what_was_pushed_in_disorder_is_numbered_by_the_next_consolidation() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    is_prepared(&store, "pushed in order").await;
    let expected = graph(&store).await;

    let store = TestStore::new().await;
    store.push_each(&packs().into_iter().rev().collect::<Vec<_>>()).await;
    let pushed = graph(&store).await;
    assert!(pushed.floor.is_some() && pushed.commits != expected.commits, "{pushed:?}");
    assert_eq!(pushed.tags, expected.tags, "a push records the commits of its tags");
    assert!(!store.gc().await.unwrap().skipped);
    assert_eq!(graph(&store).await, expected);
    store.sound().await;
}

#[tokio::test]
async fn verify_finds_wrong_generations_and_wrong_commits_of_tags() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let verify = async || {
        let verified =
            store.store.verify(&store.repo, VerifyOptions::default(), &Progress::silent()).await;
        verified.unwrap().problems
    };
    assert_eq!(verify().await, []);
    for (damage, repair, entity, told) in [
        (
            "UPDATE commits SET generation = generation + 100 WHERE generation = 2",
            "UPDATE commits SET generation = generation - 100 WHERE generation > 100",
            "commit ",
            "not above those of its parents",
        ),
        (
            "UPDATE tag_ids SET commit_id = (SELECT id FROM commits ORDER BY id DESC LIMIT 1)
             WHERE entity = (SELECT entity FROM tag_ids ORDER BY entity LIMIT 1)",
            "UPDATE tag_ids SET commit_id = NULL",
            "tag ",
            "the catalog does not say that it names commit",
        ),
    ] {
        place::sql(&store.data(), damage.into()).await;
        let found = verify().await;
        assert!(!found.is_empty(), "{damage}");
        for problem in &found {
            assert_eq!(problem.kind, ProblemKind::DamagedCatalog);
            assert!(problem.entity.as_ref().unwrap().starts_with(entity), "{problem:?}");
            assert!(problem.detail.contains(told), "{problem:?}");
        }
        place::sql(&store.data(), repair.into()).await;
        assert_eq!(verify().await, [], "{repair}");
    }
}

#[tokio::test]
async fn every_verb_that_consolidates_or_repairs_prepares_fetches_of_an_older_store() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let expected = graph(&store).await;
    let silent = Progress::silent();
    for verb in ["gc that is planned and applied", "gc that skips", "verify --repair", "verify"] {
        place::sql(&store.data(), OLDER.into()).await;
        let older = graph(&store).await;
        assert_eq!((older.floor, older.without_commit, older.tags.len()), (Some(0), 6, 0));
        match verb {
            "gc that is planned and applied" => {
                let plan = store.plan().await.unwrap();
                assert_eq!(graph(&store).await, older, "a plan changes nothing");
                store.store.apply_gc(plan, &silent).await.unwrap();
            }
            "gc that skips" => {
                let options = GcOptions::default();
                assert!(store.store.gc(&store.repo, options, &silent).await.unwrap().skipped);
            }
            repair => {
                let options = VerifyOptions { repair: repair != "verify" };
                assert!(store.store.verify(&store.repo, options, &silent).await.unwrap().ok);
            }
        }
        let changed = graph(&store).await;
        assert_eq!(changed, if verb == "verify" { older } else { expected.clone() }, "{verb}");
    }
}
