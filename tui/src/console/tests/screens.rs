//! Snapshots of the screens at 60, 80, 120 and 200 columns, in `snapshots/`. To update them after
//! an intended change: `INSTA_UPDATE=always cargo test -p packhouse --lib screens`.

use packhouse_host::access::Scope;
use packhouse_host::{
    DiskSpace, Health, JobStatus, MpackKey, PackFate, Phase, Policy, PolicyCheck, Problem,
    ProblemKind, ReplacedPack, RepoSummary,
};
use ratatui::style::{Color, Modifier};

use super::comparison::differing;
use super::contents::filled;
use super::fake::{check, commit, file, job, last_gc, replaced, summary, token};
use super::fake_store::Fake;
use super::filters::named;
use super::records::packed;
use super::server::{remote, sampled};
use super::{Console, text};
use crate::console::theme::{Styles, Theme};
use crate::console::view::view;

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
async fn jobs() {
    insta::assert_snapshot!("jobs", pictures(troubled, &["2", "Down"]).await);
}

#[tokio::test]
async fn job_in_full() {
    insta::assert_snapshot!("job", pictures(troubled, &["2", "End", "Up", "Enter"]).await);
}

#[tokio::test]
async fn retry_job() {
    insta::assert_snapshot!("retry_job", pictures(troubled, &["2", "End", "Up", "r"]).await);
}

#[tokio::test]
async fn health() {
    insta::assert_snapshot!("health", pictures(troubled, &["3", "Down"]).await);
}

/// Packs that are due, are kept, and wait.
fn worn() -> Fake {
    let store = troubled();
    let mut packs: Vec<ReplacedPack> = (1..9)
        .map(|n| {
            replaced(
                n,
                ["gabriel/notes", "tidal-lab/hydrophone-array-of-2019", ""][usize::from(n % 3)],
                40 - i64::from(n),
            )
        })
        .collect();
    packs[7].fate = PackFate::Kept;
    packs[7].repos = vec!["studio/album".parse().unwrap(), "gabriel/notes".parse().unwrap()];
    packs.extend((9..12).map(|n| replaced(n, "gabriel/notes", 14 - i64::from(n))));
    store.put_replaced(packs);
    store
}

#[tokio::test]
async fn prune() {
    insta::assert_snapshot!("prune", pictures(worn, &["4", "Down"]).await);
}

#[tokio::test]
async fn confirm_prune() {
    insta::assert_snapshot!("confirm_prune", pictures(worn, &["4", "p", "3", "Enter"]).await);
}

#[tokio::test]
async fn pruned() {
    insta::assert_snapshot!("pruned", pictures(worn, &["4", "p", "7", "Enter"]).await);
}

#[tokio::test]
async fn policies() {
    let store = || {
        let store = troubled();
        store.put_checks(vec![
            check("gabriel/notes", 7),
            check("city-archive/radio-1974", 315),
            PolicyCheck { own_policy: true, policy: Policy::OFF, ..check("studio/album", 23) },
            check("tidal-lab/hydrophone-array-of-2019", 12),
        ]);
        store
    };
    insta::assert_snapshot!("policies", pictures(store, &["5"]).await);
    insta::assert_snapshot!("policy_form", pictures(store, &["5", "E", "Ctrl-u", "9"]).await);
    let set = pictures(store, &["5", "e", "Ctrl-u", "9", "Enter"]).await;
    insta::assert_snapshot!("confirm_policy", set);
}

#[tokio::test]
async fn delete_branch() {
    insta::assert_snapshot!("confirm_branch", pictures(Fake::three, &["Enter", "x"]).await);
}

#[tokio::test]
async fn repair() {
    let store = || {
        let store = Fake::three();
        store.put_damage("gabriel/notes", &[3]);
        store
    };
    insta::assert_snapshot!("confirm_repair", pictures(store, &["Enter", "R"]).await);
}

#[tokio::test]
async fn commits() {
    insta::assert_snapshot!("commits", pictures(filled, &["b", "Down"]).await);
}

#[tokio::test]
async fn packs() {
    let store = || {
        let store = Fake::three();
        store.put_damage("gabriel/notes", &[3]);
        store
    };
    insta::assert_snapshot!("packs", pictures(store, &["P"]).await);
}

#[tokio::test]
async fn records_of_a_pack() {
    let keys = ["P", "Enter", "Down", "Down", "Down", "Down", "Down", "Down", "Down"];
    insta::assert_snapshot!("records", pictures(|| packed(1200), &keys).await);
}

#[tokio::test]
async fn comparison_of_packs() {
    let keys = ["P", "Space", "Down", "Space", "d", "Down"];
    insta::assert_snapshot!("comparison", pictures(|| differing(1200), &keys).await);
}

#[tokio::test]
async fn load_of_the_server() {
    let then = async |console: &mut Console| sampled(console, 40).await;
    insta::assert_snapshot!("server", pictures_after(remote, &[], then).await);
}

#[tokio::test]
async fn filters_of_the_config() {
    let then = async |console: &mut Console| {
        named(console);
        console.press(&["F", "Down"]).await;
    };
    insta::assert_snapshot!("filters", pictures_after(busy, &[], then).await);
}

#[tokio::test]
async fn columns_of_the_list() {
    let keys = ["C", "Down", "Space", "J", "J", "Down"];
    insta::assert_snapshot!("columns", pictures(busy, &keys).await);
}

/// A token that works, one that is revoked, and one that has expired.
fn tokens() -> Fake {
    let store = Fake::three();
    let repos = |text: &str| vec![text.parse().unwrap()];
    let days = |days: u64| Some(days * 24 * 3600);
    store.put_token(token("00000000000000aa", Scope::Read, "", repos("*"), Some(60)));
    let mut revoked = token("00000000000000bb", Scope::Admin, "of zoe", repos("*"), None);
    revoked.revoked_at = Some(revoked.created_at);
    store.put_token(revoked);
    store.put_token(token("00000000000000cc", Scope::Push, "ci", repos("gabriel/*"), days(90)));
    store
}

#[tokio::test]
async fn tokens_of_the_store() {
    insta::assert_snapshot!("tokens", pictures(tokens, &["7"]).await);
}

#[tokio::test]
async fn new_token() {
    let typed = async |console: &mut Console| {
        console.type_in("push gabriel/* 90d laptop of ines").await;
        console.press(&["Enter"]).await;
    };
    insta::assert_snapshot!("confirm_token", pictures_after(tokens, &["7", "n"], typed).await);
    let created = async |console: &mut Console| {
        typed(console).await;
        console.press(&["y"]).await;
    };
    insta::assert_snapshot!("new_token", pictures_after(tokens, &["7", "n"], created).await);
}

#[tokio::test]
async fn workers() {
    insta::assert_snapshot!("workers", pictures(troubled, &["8"]).await);
}

#[tokio::test]
async fn files() {
    insta::assert_snapshot!("files", pictures(filled, &["b", "Enter", "Down"]).await);
}

#[tokio::test]
async fn record_of_a_commit() {
    insta::assert_snapshot!("entity_commit", pictures(filled, &["b", "i"]).await);
}

#[tokio::test]
async fn bytes() {
    let keys = ["f", "0", "e", "0", "e", "Enter", "Enter"];
    insta::assert_snapshot!("entity_bytes", pictures(filled, &keys).await);
}

#[tokio::test]
async fn find() {
    insta::assert_snapshot!("find", pictures(filled, &["6", "0", "b", "0", "b", "Enter"]).await);
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
async fn repo() {
    insta::assert_snapshot!("repo", pictures(Fake::three, &["Enter"]).await);
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

#[tokio::test]
async fn hostile_text_and_tiny_terminals_break_nothing() {
    let long = format!("{}/{}", "o".repeat(100), "s".repeat(100));
    let hostile = "東京\x1b]0;gone\x07\r\n\u{202e}\u{200b}é🦀 ".repeat(40);
    for (columns, rows) in [(1, 1), (2, 3), (10, 4), (59, 14), (60, 15), (200, 60)] {
        for keys in [
            &[][..],
            &["Enter"],
            &["g"],
            &["v"],
            &["?"],
            &["/", "東", "🦀"],
            &["g", "y"],
            &["h"],
            &["2"],
            &["2", "Enter", "End"],
            &["2", "x"],
            &["3", "Down"],
            &["l"],
            &["P"],
            &["7"],
            &["7", "x"],
            &["8"],
            &["b"],
            &["b", "Enter"],
            &["b", "Enter", "Enter", "x"],
            &["f", "0", "b", "0", "b", "Enter"],
            &[":", "🦀"],
        ] {
            for ascii in [false, true] {
                let store = damaged(&hostile);
                let mut worst = summary(&long, u64::from(u8::MAX));
                worst.last_gc = Some(last_gc("failed", "2026-07-01T09:30:00Z"));
                if let Some(last) = &mut worst.last_gc {
                    (last.outcome, last.error) = (hostile.clone(), Some(hostile.clone()));
                }
                let repos = vec!["a/*".parse().unwrap()];
                store.put_token(token("aa", Scope::Read, &hostile, repos, None));
                let mut foreign = commit(1, &[2, 3]);
                (foreign.message, foreign.author) = (Some(hostile.clone()), Some(hostile.clone()));
                (foreign.branches, foreign.tags) = (vec![hostile.clone()], vec![hostile.clone()]);
                foreign.committed_at = Some(hostile.clone());
                store.put_commits(vec![foreign, commit(2, &[])]);
                store.put_files(vec![file(&hostile)]);
                store.put_object("0b", hostile.as_bytes());
                store.put(&summary("a/a", 2));
                store.put(&worst);
                let mut foreign = job(1, &long, JobStatus::Queued);
                (foreign.reason, foreign.worker) = (Some(hostile.clone()), Some(hostile.clone()));
                foreign.result = Some(hostile.as_str().into());
                store.put_job(foreign);
                let mut console = Console::on(store, columns, rows).await;
                (console.app.model.styles.ascii, console.app.model.dirty) = (ascii, true);
                console.settle().await;
                console.press(keys).await;
                let screen = console.screen();
                assert!(
                    !screen.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'),
                    "{screen}"
                );
                assert!(!ascii || screen.is_ascii(), "{screen}");
            }
        }
    }
}

#[tokio::test]
async fn without_colours_text_and_weights_say_everything() {
    let mut console = Console::on(damaged("bad"), 80, 20).await;
    for keys in [&["v"][..], &["Esc"], &["g"], &["y"], &["Esc", "h"], &["l"]] {
        console.press(keys).await;
        let cells = console.app.terminal.backend().buffer().content();
        assert!(cells.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    }
}

#[tokio::test]
async fn colours_and_weights_match_the_text() {
    let store = busy();
    store.put(&summary("studio/live", 60));
    let mut console = Console::on(store, 120, 20).await;
    let mut style_of = |theme: Theme, word: &str| {
        console.app.model.styles = Styles { theme, ascii: false };
        console.app.terminal.draw(|frame| _ = view(&console.app.model, frame)).unwrap();
        let terminal = console.app.terminal.backend();
        let screen = text(terminal);
        let found = screen.lines().enumerate().find(|(_, line)| line.contains(word));
        let (y, line) = found.unwrap_or_else(|| panic!("“{word}” is missing on:\n{screen}"));
        let x = line.split(word).next().unwrap().chars().count();
        let cell = &terminal.buffer()[(x as u16, y as u16)];
        (cell.fg, cell.modifier)
    };
    let fragmented = "fragmented (60)";
    assert_eq!(style_of(Theme::Default, fragmented), (Color::Yellow, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "fragmented (23)"), (Color::Reset, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "fragmented (7)").1, Modifier::REVERSED);
    assert_eq!(style_of(Theme::Default, "ok"), (Color::Green, Modifier::empty()));
    assert_eq!(style_of(Theme::Default, "gabriel/notes"), (Color::Reset, Modifier::REVERSED));
    assert_eq!(style_of(Theme::Default, "gabriel/photos"), (Color::Reset, Modifier::empty()));
    assert_eq!(style_of(Theme::Mono, "ok").0, Color::Reset);
    // Yellow is unreadable on white.
    assert_ne!(style_of(Theme::Light, fragmented).0, Color::Yellow);
}
