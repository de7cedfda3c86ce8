//! Snapshots of the screens at 60, 80, 120 and 200 columns, in `snapshots/` here and in `screens/`:
//! [`store`] has those of the store, [`contents`] those of a repo; [`looks`] is about text and
//! colours. To update them after an intended change: `INSTA_UPDATE=always cargo test -p packhouse
//! --lib screens`.

mod contents;
mod looks;
mod store;

use packhouse_host::{
    DiskSpace, Health, JobStatus, MpackKey, Phase, Problem, ProblemKind, RepoSummary,
};

use super::Console;
use super::fake::{job, last_gc, summary};
use super::fake_store::Fake;

pub(super) const SIZES: [(u16, u16); 4] = [(60, 16), (80, 20), (120, 26), (200, 30)];

/// The screen after some keys, at all sizes.
async fn pictures(store: impl Fn() -> Fake, keys: &[&str]) -> String {
    pictures_after(store, keys, async |_| {}).await
}

/// The same, after a further step.
async fn pictures_after(
    store: impl Fn() -> Fake,
    keys: &[&str],
    then: impl AsyncFn(&mut Console),
) -> String {
    let mut pictures = String::new();
    for (columns, rows) in SIZES {
        let mut console = Console::on(store(), columns, rows).await;
        console.press(keys).await;
        then(&mut console).await;
        pictures += &format!(
            "{:─^width$}\n{}",
            format!(" {columns} × {rows} "),
            console.screen(),
            width = usize::from(columns)
        );
    }
    pictures
}

/// Fragmented repos; the consolidation of one has failed.
fn busy() -> Fake {
    let store = Fake::three();
    store.put(&summary("studio/album", 23));
    let mut failed = summary("lab/genome-2019", 4);
    failed.last_gc = Some(last_gc("failed", "2026-06-29T08:00:00Z"));
    store.put(&failed);
    store
}

fn damaged(detail: &str) -> Fake {
    let store = Fake::three();
    let pack = Some(MpackKey::new([0x1f; 32]));
    let entity = Some(format!("object sha256:{}", "0e".repeat(32)));
    store.damage(vec![
        Problem { kind: ProblemKind::DamagedPack, entity, pack, detail: detail.to_owned() },
        Problem { kind: ProblemKind::MissingPack, entity: None, pack, detail: detail.to_owned() },
    ]);
    store
}

#[tokio::test]
async fn repos() {
    insta::assert_snapshot!("repos", pictures(busy, &["s", "Space", "Space"]).await);
}

/// A store in which all kinds of things are wrong.
fn troubled() -> Fake {
    let store = busy();
    store.put(&RepoSummary { damaged: 2, ..summary("tidal-lab/hydrophone-array-of-2019", 12) });
    store.put(&summary("city-archive/radio-1974", 315));
    for (id, repo, status) in [
        (1, "gabriel/photos", JobStatus::Done),
        (2, "lab/genome-2019", JobStatus::Failed),
        (3, "gabriel/notes", JobStatus::Failed),
        (4, "city-archive/radio-1974", JobStatus::Running),
        (5, "studio/album", JobStatus::Queued),
        (6, "zoe/empty", JobStatus::Cancelled),
    ] {
        store.put_job(job(id, repo, status));
    }
    store.put_health(Health {
        prunable_packs: 40,
        prunable_bytes: 590 << 20,
        unchecked_packs: 12,
        disk: Some(DiskSpace { used_bytes: 91 << 30, free_bytes: 9 << 30 }),
        ..Health::default()
    });
    store
}

#[tokio::test]
async fn troubled_repos() {
    insta::assert_snapshot!("troubled_repos", pictures(troubled, &["s"]).await);
}

#[tokio::test]
async fn filter() {
    insta::assert_snapshot!(
        "filter",
        pictures(busy, &["/", "p", "a", "c", "k", "s", ">", "5"]).await
    );
}

#[tokio::test]
async fn bad_filter() {
    insta::assert_snapshot!(
        "bad_filter",
        pictures(busy, &["/", "s", "i", "z", "e", ">", "x"]).await
    );
}

#[tokio::test]
async fn plan() {
    insta::assert_snapshot!("plan", pictures(Fake::three, &["g"]).await);
}

#[tokio::test]
async fn plan_of_many() {
    let many = || Fake::of(&(0..12).map(|n| (NAMES[n], 2 + n as u64)).collect::<Vec<_>>());
    insta::assert_snapshot!("plan_of_many", pictures(many, &["a", "g", "1", "1", "Enter"]).await);
}

const NAMES: [&str; 12] = [
    "a/a",
    "a/b",
    "a/c",
    "a/d",
    "b/a",
    "b/b",
    "b/c",
    "c/a",
    "c/b",
    "d/a",
    "lab/genome",
    "studio/an-album-with-a-long-name",
];

#[tokio::test]
async fn running() {
    let held = || {
        let store = busy();
        store.hold("run");
        store.hold("consolidate");
        store
    };
    let progressed = async |console: &mut Console| {
        console.store.report_progress(Phase::Splice, 348_365, 810_990);
        console.until_seen("42 %").await;
    };
    insta::assert_snapshot!("run", pictures_after(held, &["g", "y"], progressed).await);
    insta::assert_snapshot!("runs", pictures_after(held, &["a", "g", "y"], progressed).await);
}

#[tokio::test]
async fn consolidated() {
    insta::assert_snapshot!("consolidated", pictures(Fake::three, &["g", "y"]).await);
}

#[tokio::test]
async fn findings() {
    let store = || damaged("hash mismatch: got sha256:00; restore that file from a backup");
    insta::assert_snapshot!("findings", pictures(store, &["v", "Down"]).await);
}

#[tokio::test]
async fn history() {
    insta::assert_snapshot!("history", pictures(busy, &["g", "y", "Esc", "h"]).await);
}

#[tokio::test]
async fn record() {
    insta::assert_snapshot!("record", pictures(busy, &["g", "y", "Esc", "h", "Enter"]).await);
}

#[tokio::test]
async fn log() {
    insta::assert_snapshot!(
        "log",
        pictures(|| damaged("bad"), &["v", "Esc", "g", "y", "Esc", "l", "Down", "Down"]).await
    );
}

#[tokio::test]
async fn leave() {
    let held = || {
        let store = Fake::three();
        store.hold("verify");
        store
    };
    insta::assert_snapshot!("leave", pictures(held, &["v", "Ctrl-c"]).await);
}

#[tokio::test]
async fn palette() {
    insta::assert_snapshot!("palette", pictures(Fake::three, &[":", "s", "o", "r"]).await);
}

#[tokio::test]
async fn help() {
    insta::assert_snapshot!("help", pictures(Fake::three, &["?"]).await);
}
