//! Any component of the world gives the same packs as the reference artifact.
//!
//! `.ci/run` sets `PACKHOUSE_TEST_COMPONENT` to one that another compiler built; without it, the
//! artifact's own bytes go the way that any component goes.
use std::sync::Arc;

use packhouse_host::catalog::sql::sqlite::SqliteCatalog;
use packhouse_host::clock::SystemClock;
use packhouse_host::sample::{HistoryOptions, SnapshotForm, history};
use packhouse_host::sandbox::{Sandbox, SandboxLimits};
use packhouse_host::vault::Vault;
use packhouse_host::{FetchRequest, GcOptions, Progress, PushOptions, Store, Visibility};
use packhouse_tests::{fixtures, model};

#[tokio::test]
async fn a_component_gives_the_packs_of_the_model() {
    let component = match std::env::var_os("PACKHOUSE_TEST_COMPONENT") {
        Some(path) => std::fs::read(path).unwrap(),
        None => packhouse_artifact::COMPONENT.to_vec(),
    };
    let folder = tempfile::tempdir().unwrap();
    let store = Store::with_parts(
        Arc::new(SqliteCatalog::open(&folder.path().join("catalog.db")).await.unwrap()),
        Vault::local(folder.path()).unwrap(),
        Arc::new(Sandbox::load(&component, None, SandboxLimits::default()).unwrap()),
        Arc::new(SystemClock),
    )
    .await
    .unwrap();
    let generated = |form, seed| HistoryOptions {
        seed,
        form,
        merges: true,
        tags: true,
        overlap: true,
        ..HistoryOptions::default()
    };
    let corpus = [
        fixtures::muse_cli_packs(),
        history(&generated(SnapshotForm::Whole, 1)),
        history(&generated(SnapshotForm::Delta, 2)),
        history(&generated(SnapshotForm::Mixed, 3)),
    ];
    for (n, packs) in corpus.iter().enumerate() {
        let repo = format!("corpus/{n}").parse().unwrap();
        store.create_repo(&repo, Visibility::Public).await.unwrap();
        for (i, pack) in packs.iter().enumerate() {
            let file = folder.path().join(format!("{n}-{i}.mpack"));
            std::fs::write(&file, pack).unwrap();
            store.push(&repo, &[file], PushOptions::default(), &Progress::silent()).await.unwrap();
        }
        let heads = store.repo(&repo).await.unwrap().branch_heads;
        let expected = model::key(&model::consolidate(packs, &heads));
        let before =
            store.fetch(&repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
        let done = store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
        assert_eq!(done.consolidated_key.unwrap().to_string(), expected, "corpus {n}");
        let after =
            store.fetch(&repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
        assert_eq!(
            (before.object_count, before.commit_count, before.tag_count, before.missing),
            (after.object_count, after.commit_count, after.tag_count, after.missing),
            "corpus {n}"
        );
    }
}
