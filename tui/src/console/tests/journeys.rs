//! Typical tasks of an operator, from the first key to the last, with the demo store,
//! which is a real one, and with a fake store.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::SignedDuration;
use packhouse_host::RepoSummary;

use super::fake::{now, summary};
use super::fake_store::Fake;
use super::screens::SIZES;
use super::{Console, demo, own_demo};
use crate::console::app::Exit;
use crate::console::demo::{Demo, REPOS};
use crate::console::failure::FailureKind;
use crate::console::inputs::Input;
use crate::console::keys::Focus;

#[tokio::test]
async fn the_three_worst_repos_are_consolidated_with_displayed_keys() {
    let mut console = Console::on(own_demo(REPOS).await, 200, 50).await;
    let mut worst: Vec<_> = console.app.model.repos.from(0).cloned().collect();
    worst.sort_by_key(|repo| std::cmp::Reverse(repo.reclaimable()));
    let before = console.app.model.repos.totals();
    let worst: Vec<String> = worst.iter().take(3).map(|repo| repo.repo.to_string()).collect();

    // By name, state, packs, reclaimable.
    console.press_shown(&["s sort", "s sort", "s sort"]).await;
    assert_eq!(
        console
            .app
            .model
            .repos
            .from(0)
            .take(3)
            .map(|repo| repo.repo.to_string())
            .collect::<Vec<_>>(),
        worst
    );
    console.press_shown(&["Space mark", "Space mark", "Space mark"]).await;
    console.shows("3 marked");
    console.press_shown(&["p preview"]).await;
    for repo in &worst {
        console.shows(repo);
    }
    assert_eq!(console.app.model.focus(), Focus::Preview);
    console.press_shown(&["g consolidate", "y run this plan"]).await;
    for repo in &worst {
        console.shows(repo);
    }
    let mut ran = console.calls("consolidate");
    ran.sort();
    let mut all = worst.clone();
    all.sort();
    assert_eq!(ran, all);

    console.press_shown(&["Enter open"]).await;
    console.shows("VERIFIED BEFORE PUBLISHING");
    console.shows("kept until a prune deletes them");
    let proven = console.app.model.runs.current().map(|run| run.of()).unwrap();
    assert!(worst.contains(&proven));
    console.press_shown(&["Esc back", "Esc back"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
    for repo in
        console.app.model.repos.from(0).filter(|repo| worst.contains(&repo.repo.to_string()))
    {
        assert_eq!((repo.packs, repo.reclaimable()), (1, 0));
    }
    // Less is reclaimable, and the old packs are pending deletion.
    let after = console.app.model.repos.totals();
    assert!(after.reclaimable < before.reclaimable && after.waiting > before.waiting);
    let first = console.app.model.repos.from(0).next().unwrap();
    assert!(first.packs > 1, "the worst repo is fragmented");
    console.press_shown(&["q quit"]).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[tokio::test]
async fn read_only_shows_plans_and_no_way_to_run_them() {
    let mut console = Console::read_only(Fake::three(), 160, 30).await;
    console.shows("read-only");
    console.hides("g consolidate");
    console.press(&["p"]).await;
    console.shows("730.8 KiB");
    console.hides("run this plan");
    console.hides("g consolidate");
    console.press(&["g", "y", "Enter"]).await;
    assert_eq!(
        (console.calls("plan"), console.calls("run")),
        (vec!["gabriel/notes".to_owned()], vec![])
    );
}

#[tokio::test]
async fn an_outdated_plan_is_not_run_and_the_new_one_is_displayed() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.press(&["g"]).await;
    console.shows("7 → 1");
    console.store.pushed("gabriel/notes");
    console.settle().await;
    // Pressing it twice confirms the old plan only.
    console.press(&["y", "y"]).await;
    assert_eq!(console.app.model.focus(), Focus::Preview);
    console.shows("The repo changed while its plan was displayed, so nothing was done.");
    console.shows("8 → 1");
    assert_eq!(console.calls("run").len(), 1);
    // The footer says so until the next key.
    console.shows("y does nothing here");
    console.press(&["Down"]).await;
    console.press_shown(&["g consolidate", "y run this plan"]).await;
    console.until_seen("Consolidated 8 packs into 1").await;
    console.press(&["w"]).await;
    assert_eq!(console.app.model.runs.len(), 1, "the old plan was not run");
}

#[tokio::test]
async fn the_history_is_searched_and_one_of_it_is_read() {
    let mut console = Console::on(demo().await, 120, 30).await;
    console.press(&["h"]).await;
    assert!(console.app.model.history.entries.len() > 10);
    console.press(&["/"]).await;
    console.type_in("FAILED").await;
    assert_eq!(console.app.model.history.entries.len(), 1);
    console.shows("aster-studio/film-score-north");
    console.press(&["Enter", "Enter"]).await;
    assert_eq!(console.app.model.focus(), Focus::Record);
    console.shows("not enough disk space");
    console.press(&["Esc", "/", "Esc"]).await;
    assert!(console.app.model.history.entries.len() > 10);
}

#[tokio::test]
async fn a_damaged_repo_is_found_and_not_consolidated() {
    let mut console = Console::on(own_demo(4).await, 120, 40).await;
    console.press(&["/"]).await;
    console.type_in("hydrophone").await;
    console.press(&["Enter"]).await;
    console.shows("tidal-lab/hydrophone-array");
    console.press(&["v"]).await;
    console.shows("problems found");
    console.press(&["Esc", "g", "y"]).await;
    console.shows("damage");
    let packs = console.app.model.repos.current().unwrap().packs;
    assert!(packs > 1, "it was consolidated");
}

#[tokio::test]
async fn the_log_has_all_runs() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.press(&["g", "y", "Esc", "v", "l"]).await;
    console.shows("gabriel/notes: consolidated 7 packs into one, sha256:");
    console.shows("gabriel/notes: verified, no problems");
}

#[tokio::test]
async fn an_error_in_the_log_is_shown_to_its_end() {
    let mut console = Console::on(Fake::three(), 80, 24).await;
    let words: Vec<String> = (0..90).map(|n| format!("reason-{n}")).collect();
    console.store.fail("plan", FailureKind::Damage, &format!("{}; way-out", words.join(" ")));
    console.press(&["g", "Esc", "l"]).await;
    console.shows("planning failed: reason-0");
    console.shows("way-out");
    console.hides("more");
}

#[tokio::test]
async fn a_click_on_a_line_of_a_repo_points_to_it() {
    let mut console = Console::on(Fake::three(), 120, 40).await;
    console.press(&["Enter"]).await;
    for text in ["sha256:4f4f", "sha256:"] {
        let screen = console.screen();
        let row =
            screen.lines().enumerate().filter(|(_, line)| line.contains(text)).last().unwrap().0
                as u16;
        let kind = MouseEventKind::Down(MouseButton::Left);
        let click = MouseEvent { kind, column: 9, row, modifiers: KeyModifiers::NONE };
        console.send([Input::Event(Event::Mouse(click))]);
        console.settle().await;
        let selected = console.screen().lines().position(|line| line.starts_with('▸')).unwrap();
        assert_eq!(selected, usize::from(row), "{}", console.screen());
    }
}

#[tokio::test]
async fn the_heading_of_a_long_list_stays() {
    for (columns, rows) in SIZES {
        let mut console = Console::on(Fake::of(&[("a/1", 200)]), columns, rows).await;
        console.press(&["Enter", "PgDn", "PgDn", "PgDn"]).await;
        let heading = console.screen().lines().nth(1).unwrap_or_default().to_owned();
        assert!(heading.starts_with(" PACKS") && heading.contains("SIZE"), "{}", console.screen());
    }
    // A low terminal still has a line for the timeline.
    let mut console = Console::on(Fake::of(&[("a/1", 200)]), 60, 20).await;
    console.press(&["Enter"]).await;
    console.shows("200 now, peak 200");
}

#[tokio::test]
async fn the_palette_finds_an_action_and_does_it() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.press(&[":"]).await;
    console.type_in("hash every").await;
    console.press_shown(&["Enter run"]).await;
    assert_eq!(console.calls("verify"), ["gabriel/notes"]);
    // It asks for confirmation, like the key.
    console.press(&["Esc", ":"]).await;
    console.type_in("consol").await;
    console.press(&["Enter"]).await;
    assert_eq!((console.app.model.focus(), console.calls("run")), (Focus::Confirm, vec![]));
}

#[tokio::test]
async fn copied_text_is_on_the_clipboard_and_displayed() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.press(&["c", "Down", "Enter", "Down", "c"]).await;
    let copied = console.copied.lock().unwrap().clone();
    assert!(copied[0] == "gabriel/notes" && copied[1].starts_with("sha256:"), "{copied:?}");
    console.shows("Copied sha256:");
}

#[tokio::test]
async fn repos_are_found_by_their_properties() {
    let mut console = Console::on(demo().await, 160, 30).await;
    console.press(&["/"]).await;
    for (typed, wanted) in [
        (
            "packs>100 reclaim>40%",
            vec![
                "aster-studio/evening-sessions",
                "city-archive/radio-1974",
                "tidal-lab/reef-soundscapes",
            ],
        ),
        ("state:empty", vec!["okafor/tour-diary", "tidal-lab/spring-cruise"]),
        ("gc:failed", vec!["aster-studio/film-score-north"]),
        ("unreleased", vec!["zoe/unreleased"]),
    ] {
        console.press(&["Ctrl-u"]).await;
        console.type_in(typed).await;
        let shown: Vec<String> =
            console.app.model.repos.from(0).map(|repo| repo.repo.to_string()).collect();
        assert_eq!(shown, wanted, "{typed}");
    }
    console.press(&["Ctrl-u"]).await;
    console.type_in("packs>x").await;
    console.shows("a number such as");
}

#[tokio::test]
async fn a_list_of_many_pages_is_read_to_its_end() {
    let names: Vec<String> = (0..2500).map(|n| format!("owner/repo-{n:04}")).collect();
    let repos: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let console = Console::on(Fake::of(&repos), 120, 30).await;
    assert_eq!(console.app.model.repos.shown(), 2500);
    assert_eq!(console.store.calls().len(), 3);
    console.shows("2,500 repos");
}

#[tokio::test]
async fn changes_by_others_are_displayed() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.store.put(&summary("anna/new", 3));
    console.settle().await;
    assert!(console.app.model.repos.stale);
    // The list is reloaded automatically, once loading is a small part of the time.
    console.store.advance(3);
    console.until_seen("anna/new").await;
    console.store.remove("anna/new");
    console.store.advance(3);
    console.turn_until(|console| console.app.model.repos.len() == 3).await;
}

#[tokio::test]
async fn a_deleted_repo_is_reported() {
    let mut console = Console::on(Fake::three(), 120, 30).await;
    console.store.remove("gabriel/notes");
    console.settle().await;
    console.press(&["Enter"]).await;
    console.shows("there is no repo `gabriel/notes`");
    console.press(&["Esc", "g"]).await;
    console.shows("there is no repo `gabriel/notes`");
}

#[tokio::test]
async fn equal_seeds_give_equal_stores_and_some_of_everything() {
    let summaries = async |seed, repos| {
        let demo = Demo::build(repos, seed, now()).await.unwrap();
        demo.store.summaries(None, u32::MAX).await.unwrap()
    };
    let all = summaries(1, REPOS).await;
    assert_eq!(all.len(), REPOS);
    assert_eq!(summaries(1, REPOS).await, all);
    assert_ne!(summaries(2, 8).await, summaries(3, 8).await);
    let those = |is: &dyn Fn(&RepoSummary) -> bool| all.iter().filter(|repo| is(repo)).count();
    let of_last = |repo: &RepoSummary, outcome: &str| {
        repo.last_gc.as_ref().is_some_and(|last| last.outcome == outcome)
    };
    assert_eq!(those(&|repo| repo.packs > 100 && repo.reclaimable() * 10 > repo.bytes * 4), 3);
    assert!(those(&|repo| repo.packs == 1) > 8 && those(&|repo| repo.packs == 0) == 2);
    assert!(those(&|repo| repo.packs > 1) > 10);
    assert_eq!(those(&|repo| of_last(repo, "failed")), 1);
    assert!(those(&|repo| of_last(repo, "consolidated")) > 10);
    assert_eq!(those(&|repo| repo.damaged > 0), 1);
    assert!(those(&|repo| repo.superseded_bytes > 0) > 2);
    for repo in &all {
        assert!(repo.created_at < now() && repo.duplicate_bytes < repo.bytes.max(1), "{repo:?}");
        let last = repo.last_gc.as_ref().map(|last| last.finished_at);
        assert!(last.is_none_or(|last| last < now() - SignedDuration::from_secs(1)), "{repo:?}");
    }
}
