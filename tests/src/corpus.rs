//! What the corpus of tapes in `fixtures/tapes` records, and how it is recorded: scenario by
//! scenario and history by history.

use std::path::Path;

use packhouse_host::sample::{HistoryOptions, SnapshotForm, history};
use packhouse_host::{FetchRequest, GcOptions, Progress, PushOptions};

use crate::scenario::Scenario;
use crate::store::TestStore;
use crate::{fixtures, model, seed};

/// Records the corpus to a folder. Clock and ids are fixed, so it is the same each time.
///
/// # Panics
/// When the store fails otherwise than a scenario says.
pub async fn record(folder: &Path) {
    record_scenarios(folder).await;
    for (name, packs) in histories() {
        record_history(folder, name, &packs).await;
    }
    record_long(folder).await;
    record_disagreement(folder).await;
    record_nothing(folder).await;
}

/// Histories that are pushed one pack after the other; the last push, a clone, an update and a
/// consolidation are recorded.
fn histories() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let generated = |seed, form| HistoryOptions {
        seed,
        form,
        merges: true,
        tags: true,
        overlap: true,
        object_bytes: 10..200,
        ..HistoryOptions::default()
    };
    let mut tip = None;
    let chains = ["pg6a", "pg6b", "pg6c"].map(|name| {
        let chain = seed::chain(3, name, tip.as_deref());
        tip = Some(chain.tip);
        chain.pack
    });
    vec![
        ("muse-cli", fixtures::muse_cli_packs()),
        ("seed", chains.to_vec()),
        ("whole", history(&generated(1, SnapshotForm::Whole))),
        ("delta", history(&generated(2, SnapshotForm::Delta))),
        ("mixed", history(&generated(3, SnapshotForm::Mixed))),
    ]
}

/// More commits than a call may ask for. With more of them, more rows than a page may hold.
pub fn long(commits_per_push: usize) -> Vec<Vec<u8>> {
    let options = HistoryOptions {
        seed: 4,
        pushes: 2,
        commits_per_push,
        objects_per_commit: 1,
        object_bytes: 8..9,
        ..HistoryOptions::default()
    };
    history(&HistoryOptions {
        form: SnapshotForm::Delta,
        merges: false,
        tags: false,
        overlap: false,
        ..options
    })
}

async fn record_long(folder: &Path) {
    let store = TestStore::new().await;
    store.push_each(&long(520)).await;
    let recording = store.store.recording(&folder.join("long-gc.tape"));
    recording
        .gc(&store.repo, GcOptions::default(), &Progress::silent())
        .await
        .expect("it can be consolidated");
}

async fn record_history(folder: &Path, name: &str, packs: &[Vec<u8>]) {
    let at = |verb: &str| folder.join(format!("{name}-{verb}.tape"));
    let (store, silent) = (TestStore::new().await, Progress::silent());
    let (last, before) = packs.split_last().expect("a history has packs");
    store.push_each(before).await;
    let had: Vec<String> = store.heads().await.into_values().collect();
    let recording = |verb: &str| store.store.recording(&at(verb));
    recording("push")
        .push(&store.repo, &[store.file(last)], PushOptions::default(), &silent)
        .await
        .expect("it can be pushed");
    recording("clone")
        .fetch(&store.repo, &FetchRequest::default(), &silent)
        .await
        .expect("it can be fetched");
    let update = FetchRequest { have: had, ..FetchRequest::default() };
    recording("update")
        .fetch(&store.repo, &update, &silent)
        .await
        .expect("what is new can be fetched");
    recording("gc")
        .gc(&store.repo, GcOptions::default(), &silent)
        .await
        .expect("it can be consolidated");
}

/// Every step of every scenario, those that fail included.
async fn record_scenarios(folder: &Path) {
    for (name, scenario) in Scenario::all() {
        let (store, made, silent) = (TestStore::new().await, scenario.make(), Progress::silent());
        for (number, step) in (1..).zip(&scenario.steps) {
            let recording = |verb: &str| {
                store.store.recording(&folder.join(format!("{name}-{number}-{verb}.tape")))
            };
            let failed = if let Some(names) = &step.push {
                let files: Vec<_> =
                    names.iter().map(|name| store.file(&made.packs[name])).collect();
                recording("push")
                    .push(&store.repo, &files, PushOptions { force: step.force }, &silent)
                    .await
                    .err()
            } else if let Some(fetch) = &step.fetch {
                let request = FetchRequest {
                    want: made.ids(&fetch.want),
                    have: made.ids(&fetch.have),
                    ..FetchRequest::default()
                };
                recording("fetch").fetch(&store.repo, &request, &silent).await.err()
            } else {
                recording("gc").gc(&store.repo, GcOptions::default(), &silent).await.err()
            };
            assert_eq!(failed.is_some(), step.error.is_some(), "{name}, step {number}: {failed:?}");
        }
    }
}

/// A forged commit: the same id, another snapshot.
async fn record_disagreement(folder: &Path) {
    let store = TestStore::new().await;
    let pack = seed::chain(2, "forged", None).pack;
    store.push(std::slice::from_ref(&pack)).await.expect("it can be pushed");
    let recording = store.store.recording(&folder.join("disagreement-push.tape"));
    let files = [store.file(&forged(pack))];
    let refused =
        recording.push(&store.repo, &files, PushOptions::default(), &Progress::silent()).await;
    assert!(
        matches!(
            refused,
            Err(packhouse_host::Error::Push(packhouse_host::PushError::Disagreement { .. }))
        ),
        "{refused:?}"
    );
}

/// The pack with the first commit at another snapshot.
fn forged(mut pack: Vec<u8>) -> Vec<u8> {
    let snapshot = model::read(&pack)
        .records
        .iter()
        .find(|r| r.kind == model::Kind::Snapshot)
        .expect("it has one")
        .id
        .clone();
    let at = pack
        .windows(snapshot.len())
        .position(|window| window == snapshot.as_bytes())
        .expect("a commit names it");
    let last = at + snapshot.len() - 1;
    pack[last] = if pack[last] == b'0' { b'1' } else { b'0' };
    pack
}

/// A repo that has nothing yet, and one pack in which there is nothing.
async fn record_nothing(folder: &Path) {
    let (store, silent) = (TestStore::new().await, Progress::silent());
    let fetching = store.store.recording(&folder.join("empty-clone.tape"));
    fetching
        .fetch(&store.repo, &FetchRequest::default(), &silent)
        .await
        .expect("nothing can be fetched");
    let pushing = store.store.recording(&folder.join("empty-push.tape"));
    let files = [store.file(&[0x80])];
    pushing
        .push(&store.repo, &files, PushOptions::default(), &silent)
        .await
        .expect("a pack may be empty");
}
