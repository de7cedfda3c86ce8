//! A remote store whose connection is lost: what is displayed meanwhile, and that everything
//! continues after reconnecting.

use std::time::Duration;

use jiff::ToSpan;
use packhouse_host::{ConnectionStatus, Phase};
use ratatui::style::Modifier;

use super::fake::{gc_plan, now, summary};
use super::fake_store::Fake;
use super::update::{failure, model, press};
use super::{Console, text};
use crate::console::app::Exit;
use crate::console::failure::FailureKind;
use crate::console::msg::{Effect, Msg};
use crate::console::state::{Extent, Level, Model, Ticket};
use crate::console::theme::{Styles, Theme};
use crate::console::update::{reload_all, reload_list, update};
use crate::console::view::view;

fn up(ms: u64) -> Msg {
    Msg::Connection(ConnectionStatus {
        down: None,
        latency: Some(Duration::from_millis(ms)),
        heard_at: Some(now()),
    })
}

fn down() -> Msg {
    Msg::Connection(ConnectionStatus {
        down: Some((now(), "connection refused".to_owned())),
        latency: Some(Duration::from_millis(12)),
        heard_at: Some(now() - 6.seconds()),
    })
}

fn log(model: &Model) -> Vec<(Level, &str)> {
    model.log.newest().map(|line| (line.level, line.text.as_str())).collect()
}

#[test]
fn loaded_data_stays_while_disconnected_and_is_reloaded_after_reconnecting() {
    let mut model = model();
    update(&mut model, up(12));
    press(&mut model, &["Enter", "h"]);
    assert_eq!(update(&mut model, down()), []);
    let effects = reload_all(&mut model);
    let [
        Effect::List(list, None),
        Effect::Health(health),
        Effect::Show(show, _),
        Effect::History(history, _),
    ] = effects[..]
    else {
        panic!("{effects:?}")
    };
    let unreachable = || failure(FailureKind::Unreachable);
    assert_eq!(update(&mut model, Msg::Listed(list, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Health(health, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Shown(show, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Remembered(history, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Summarised(Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Changed(Err(unreachable()))), []);
    model.now += 5.seconds();
    assert_eq!(update(&mut model, Msg::Tick), [], "no request while disconnected");
    assert_eq!(
        (model.repos.shown(), &model.repos.failure, &model.history.failure),
        (1, &None, &None)
    );
    assert_eq!(model.notice, None);
    assert_eq!(log(&model), [(Level::Warning, "Disconnected from demo: connection refused")]);

    model.now = now() + 34.seconds();
    let read = update(&mut model, up(15));
    assert!(
        matches!(
            read[..],
            [
                Effect::List(_, None),
                Effect::Health(_),
                Effect::Show(..),
                Effect::History(..),
                Effect::Watch(Some(5))
            ]
        ),
        "{read:?}"
    );
    assert_eq!(log(&model)[0], (Level::Note, "Reconnected to demo after 34.0 s"));
    assert_eq!(log(&model).len(), 2);
    assert_eq!(update(&mut model, up(16)), [], "nothing has changed");
}

#[test]
fn a_short_loss_is_caught_up_with_at_the_next_tick() {
    let mut model = model();
    update(&mut model, up(12));
    let list = reload_list(&mut model);
    let Effect::List(ticket, None) = list else { panic!("{list:?}") };
    update(&mut model, Msg::Listed(ticket, Err(failure(FailureKind::Unreachable))));
    assert!(
        model.repos.failure.is_some() && model.repos.shown() == 1,
        "the connection seems up, so the failure is displayed"
    );
    assert_eq!(log(&model), []);
    assert!(matches!(update(&mut model, Msg::Tick)[..], [Effect::List(_, None), _]));
    assert_eq!(update(&mut model, Msg::Tick), [], "it is loading");
}

#[test]
fn seconds_count_only_while_disconnected() {
    let mut model = model();
    let ticks = |model: &mut Model| {
        update(model, Msg::Drawn(Extent::default()));
        model.dirty = false;
        update(model, Msg::Tick);
        model.dirty
    };
    update(&mut model, up(12));
    assert!(!ticks(&mut model));
    update(&mut model, down());
    assert!(ticks(&mut model));
    update(&mut model, up(12));
    assert!(!ticks(&mut model));
    // Without a change there is no new frame; a new latency is a change.
    update(&mut model, up(12));
    assert!(!model.dirty);
    update(&mut model, up(13));
    assert!(model.dirty);
}

#[tokio::test]
async fn runs_keep_their_step_while_disconnected() {
    let store = Fake::three().remote();
    store.hold("run");
    let mut console = Console::on(store, 120, 26).await;
    console.shows("remote 12 ms");
    console.press(&["g", "y"]).await;
    console.store.report_progress(Phase::Splice, 43, 100);
    console.until_seen("43 %").await;
    console.store.disconnect("connection refused");
    console.settle().await;
    for text in [
        "Disconnected 0 s · data 0 s old · retrying · connection refused",
        "43 %",
        "Time left   reconnecting …",
    ] {
        console.shows(text);
    }
    console.hides("remote");
    // Meanwhile the operator can move around, and sees what was loaded.
    console.press(&["w"]).await;
    console.shows("reconnecting");
    console.press(&["Esc", "Esc", "/"]).await;
    console.type_in("notes").await;
    console.press(&["Enter"]).await;
    console.shows("running: gabriel/notes reconnecting …");
    console.hides("gabriel/photos");
    console.press(&["Esc", "Enter"]).await;
    console.shows("reconnecting");
    console.press(&["h"]).await;
    console.shows("reconnecting");
    console.press(&["w", "Enter"]).await;
    console.store.answer_after(15);
    console.until_seen("remote 15 ms").await;
    console.settle().await;
    console.hides("econnecting");
    console.shows("43 %");
    console.store.release();
    console.until_seen("Consolidated 7 packs into 1").await;
}

#[tokio::test]
async fn changes_are_displayed_after_reconnecting_and_watching_continues() {
    let mut console = Console::on(Fake::three().remote(), 120, 26).await;
    console.press(&["Enter"]).await;
    console.store.advance(6);
    console.store.disconnect("no route to host");
    // It watches until the first change.
    console.store.put(&summary("okafor/new", 3));
    console.settle().await;
    console.shows("112 objects");
    console.store.advance(14);
    console.until_seen("Disconnected 14 s · data 20 s old · retrying · no route to host").await;
    console.press(&["r", "Esc"]).await;
    console.hides("okafor/new");
    console.hides("Loading the repos failed");
    console.shows("gabriel/photos");
    console.store.answer_after(12);
    console.until_seen("okafor/new").await;
    console.settle().await;
    console.hides("not watching");
    console.store.put(&summary("okafor/newer", 3));
    console.store.advance(30);
    console.until_seen("okafor/newer").await;
    let about: Vec<&str> = console.app.model.log.newest().map(|line| line.text.as_str()).collect();
    assert_eq!(
        about,
        ["Reconnected to demo after 14.0 s", "Disconnected from demo: no route to host"]
    );
}

#[tokio::test]
async fn a_plan_waits_for_the_connection() {
    let store = Fake::three().remote();
    store.hold("plan");
    let mut console = Console::on(store, 80, 20).await;
    console.store.disconnect("connection refused");
    console.press(&["g"]).await;
    console.shows("Planning: reconnecting …");
    console.store.answer_after(12);
    console.store.release();
    console.until_seen("730.8 KiB").await;
    assert_eq!(console.calls("plan"), ["gabriel/notes"]);
}

#[tokio::test]
async fn lost_runs_say_where_their_result_is() {
    let store = Fake::three().remote();
    for verb in ["run", "verify", "plan"] {
        store.fail(verb, FailureKind::Unreachable, "the server at example.org does not answer");
    }
    let mut console = Console::on(store, 120, 26).await;
    console.press(&["g"]).await;
    console.shows("After reconnecting, close this and press g again.");
    console.press(&["Esc", "g", "y"]).await;
    console.shows("Consolidation failed.");
    console.shows("the server at example.org does not answer");
    console.shows("After reconnecting, press h: its result is in the history.");
    console.press(&["Esc", "v"]).await;
    console.shows("After reconnecting, press v to retry.");
    console.press(&["w"]).await;
    assert_eq!(console.screen().matches(" Failed ").count(), 2, "{}", console.screen());
}

#[tokio::test]
async fn quitting_while_disconnected_leaves_runs_behind() {
    let store = Fake::three().remote();
    store.hold("verify");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["v", "Ctrl-c", "l"]).await;
    console.hides("quit now");
    assert_eq!(console.exit, None, "runs can be cancelled while connected");
    console.store.disconnect("connection refused");
    console.settle().await;
    console.shows("Disconnected. If you quit now, the results are in the history later.");
    console.press_shown(&["l quit now"]).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[test]
fn a_displayed_plan_can_still_be_run() {
    let mut model = model();
    update(&mut model, up(12));
    let ticket = super::update::planned(&press(&mut model, &["g"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    update(&mut model, down());
    assert!(matches!(press(&mut model, &["y"])[..], [Effect::Run(_, of)] if of == ticket));
    assert_eq!(model.runs.current().map(|run| run.ticket), Some(Ticket(ticket.0)));
}

/// The console after 14 seconds without a connection, in a theme, with the style of the line below
/// the header.
async fn picture(theme: Theme, (columns, rows): (u16, u16), keys: &[&str]) -> String {
    let store = Fake::three().remote();
    store.hold("run");
    let mut console = Console::on(store, columns, rows).await;
    console.press(&["g", "y"]).await;
    console.store.report_progress(Phase::Splice, 348_365, 810_990);
    console.until_seen("42 %").await;
    console.press(keys).await;
    console.store.advance(6);
    console.store.disconnect("connection refused");
    console.settle().await;
    console.store.advance(14);
    console.until_seen("Disconnected 14 s").await;
    console.app.model.styles = Styles { theme, ascii: false };
    console.app.terminal.draw(|frame| _ = view(&console.app.model, frame)).unwrap();
    let terminal = console.app.terminal.backend();
    let cell = &terminal.buffer()[(1, 1)];
    assert!(
        cell.modifier.contains(Modifier::REVERSED | Modifier::BOLD),
        "it is visible without colours"
    );
    format!("{theme:?}, {columns} × {rows}: {:?} {:?}\n{}", cell.fg, cell.modifier, text(terminal))
}

#[tokio::test]
async fn a_lost_connection_is_visible() {
    let mut pictures = String::new();
    for theme in [Theme::Default, Theme::Mono] {
        for size in [(60, 16), (120, 26)] {
            for keys in [&[][..], &["w"], &["Esc"]] {
                pictures += &picture(theme, size, keys).await;
            }
        }
    }
    insta::assert_snapshot!("down", pictures);
}
