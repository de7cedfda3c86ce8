//! What a worker's checks of policies look at. In memory.

use std::path::Path;
use std::sync::Arc;

use packhouse_host::catalog::Catalog;
use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_host::store::PolicyWatch;
use packhouse_host::vault::memory::MemoryPacks;
use packhouse_host::{
    JobsQuery, Policy, PolicyCheck, Progress, PushOptions, RepoName, Store, Visibility,
};
use packhouse_tests::store::{in_memory, small_pushes};

/// More pushes than are looked at twice.
const BUSY: usize = 70;

async fn store(catalog: &Arc<dyn Catalog>, packs: &Arc<MemoryPacks>, now: &str) -> Store {
    in_memory(catalog.clone(), packs.clone(), now).await
}

async fn push(store: &Store, name: &str, folder: &Path, packs: &[Vec<u8>]) {
    let repo: RepoName = name.parse().unwrap();
    for pack in packs {
        let file = folder.join("pushed.mpack");
        std::fs::write(&file, pack).unwrap();
        let silent = Progress::silent();
        store.push(&repo, &[file], PushOptions::default(), &silent).await.unwrap();
    }
}

#[tokio::test]
async fn law_13_workers_check_the_policies_of_repos_that_changed_or_became_due() {
    let packs = small_pushes(BUSY + 1);
    let folder = tempfile::tempdir().unwrap();
    let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::default());
    let stored = Arc::new(MemoryPacks::default());
    let today = store(&catalog, &stored, "2026-03-02T09:00:00Z").await;
    for name in ["a/one", "a/two", "z/busy"] {
        today.create_repo(&name.parse().unwrap(), Visibility::Public).await.unwrap();
    }
    let policy = |days: u64| Policy { max_age_seconds: Some(days * 86_400), ..Policy::OFF };
    today.set_policy(Some(&"a/one".parse().unwrap()), Some(policy(2))).await.unwrap();
    today.set_policy(None, Some(policy(30))).await.unwrap();
    push(&today, "a/one", folder.path(), &packs[..2]).await;
    push(&today, "a/two", folder.path(), &packs[..2]).await;
    push(&today, "z/busy", folder.path(), &packs[..BUSY]).await;

    let mut watch = PolicyWatch::default();
    let mut checked = async |store: &Store| -> Vec<(String, bool)> {
        let checks = store.check_due(&mut watch).await.unwrap();
        checks.iter().map(|check| (check.repo.to_string(), check.due)).collect()
    };
    let [one, two, busy] = ["a/one", "a/two", "z/busy"].map(|name| (name.to_owned(), false));
    assert_eq!(checked(&today).await, [one.clone(), two.clone(), busy.clone()], "all, at first");
    assert_eq!(checked(&today).await, vec![busy.clone()]);
    push(&today, "a/two", folder.path(), &packs[2..3]).await;
    assert_eq!(checked(&today).await, [two.clone(), busy.clone()]);

    today.set_policy(Some(&"a/two".parse().unwrap()), Some(policy(9))).await.unwrap();
    assert_eq!(checked(&today).await.len(), 3, "all, since a policy is another one");

    // Not all again: an hour has not passed since then, by this clock.
    let later = store(&catalog, &stored, "2026-03-02T09:50:00Z").await;
    push(&later, "z/busy", folder.path(), &packs[BUSY..]).await;
    assert_eq!(checked(&later).await, [two.clone(), busy.clone()]);
    let next_day = store(&catalog, &stored, "2026-03-03T10:00:00Z").await;
    assert_eq!(checked(&next_day).await.len(), 3, "all, since an hour has passed");
    let due = store(&catalog, &stored, "2026-03-04T09:30:00Z").await;
    let found = checked(&due).await;
    assert_eq!(found[0], ("a/one".to_owned(), true), "its first pack is two days old");
    assert_eq!(
        due.jobs(&JobsQuery { limit: 9, ..JobsQuery::default() }).await.unwrap().len(),
        1,
        "and its gc is queued"
    );
}

#[tokio::test]
async fn a_repo_that_becomes_due_by_its_age_is_checked_then_and_as_long_as_it_is_due() {
    let packs = small_pushes(BUSY);
    let folder = tempfile::tempdir().unwrap();
    let catalog: Arc<dyn Catalog> = Arc::new(MemoryCatalog::default());
    let stored = Arc::new(MemoryPacks::default());
    let today = store(&catalog, &stored, "2026-03-02T09:00:00Z").await;
    let repos: [RepoName; 2] = ["a/one", "z/busy"].map(|name| name.parse().unwrap());
    for repo in &repos {
        today.create_repo(repo, Visibility::Public).await.unwrap();
    }
    let policy = Policy { max_age_seconds: Some(1800), ..Policy::OFF };
    today.set_policy(Some(&repos[0]), Some(policy)).await.unwrap();
    today.set_policy(None, Some(Policy::OFF)).await.unwrap();
    push(&today, "a/one", folder.path(), &packs[..2]).await;
    push(&today, "z/busy", folder.path(), &packs).await;
    let mut watch = PolicyWatch::default();
    let mut checked = async |store: &Store| -> Vec<PolicyCheck> {
        let checks = store.check_due(&mut watch).await.unwrap();
        checks.into_iter().filter(|check| check.repo == repos[0]).collect()
    };
    assert!(!checked(&today).await[0].due);
    assert!(checked(&today).await.is_empty());
    let later = store(&catalog, &stored, "2026-03-02T09:40:00Z").await;
    for _ in 0..2 {
        let checks = checked(&later).await;
        assert!(checks.len() == 1 && checks[0].due && checks[0].job.is_some(), "{checks:?}");
    }
    later.delete_repo(&repos[0]).await.unwrap();
    assert!(checked(&later).await.is_empty());
}
