//! A store that is elsewhere, and a line to it that breaks: what is seen meanwhile, and that
//! everything goes on when it is back.

use std::time::Duration;

use jiff::ToSpan;
use packhouse_host::Phase;
use ratatui::style::Modifier;

use super::fake::{gc_report, now, summary};
use super::update::{failure, model, press};
use super::{Console, text};
use crate::console::app::Exit;
use crate::console::backend::{Connection, ConnectionState, FailureKind};
use crate::console::demo::Demo;
use crate::console::msg::{Effect, Extent, Msg, Ticket};
use crate::console::state::{Level, Model};
use crate::console::update::update;
use crate::console::view::{Styles, Theme, view};

fn up(ms: u64) -> Msg {
    Msg::Connection(Connection {
        state: ConnectionState::Up,
        latency: Some(Duration::from_millis(ms)),
        heard_at: Some(now()),
    })
}

fn down() -> Msg {
    let state = ConnectionState::Down { since: now(), why: "connection refused".to_owned() };
    Msg::Connection(Connection {
        state,
        latency: Some(Duration::from_millis(12)),
        heard_at: Some(now() - 6.seconds()),
    })
}

fn log(model: &Model) -> Vec<(Level, &str)> {
    model.log.newest().map(|line| (line.level, line.text.as_str())).collect()
}

#[test]
fn what_was_read_stays_while_the_line_is_down_and_is_read_again_when_it_is_back() {
    let mut model = model();
    update(&mut model, up(12));
    press(&mut model, &["Enter", "h"]);
    assert_eq!(update(&mut model, down()), []);
    let asked = model.refresh();
    let [Effect::List(list, None), Effect::Show(show, _), Effect::History(history, _)] = asked[..]
    else {
        panic!("{asked:?}")
    };
    let unreachable = || failure(FailureKind::Unreachable);
    assert_eq!(update(&mut model, Msg::Listed(list, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Shown(show, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Remembered(history, Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Summarised(Err(unreachable()))), []);
    assert_eq!(update(&mut model, Msg::Changed(Err(unreachable()))), []);
    model.now += 5.seconds();
    assert_eq!(update(&mut model, Msg::Tick), [], "nobody asks a store that can't be asked");
    assert_eq!(
        (model.repos.shown(), &model.repos.failure, &model.history.failure),
        (1, &None, &None)
    );
    assert_eq!(model.notice, None);
    assert_eq!(log(&model), [(Level::Warning, "The line to demo is down: connection refused")]);

    model.now = now() + 34.seconds();
    let read = update(&mut model, up(15));
    assert!(
        matches!(
            read[..],
            [Effect::List(_, None), Effect::Show(..), Effect::History(..), Effect::Watch(Some(5))]
        ),
        "{read:?}"
    );
    assert_eq!(log(&model)[0], (Level::Note, "The line to demo is back after 34.0 s"));
    assert_eq!(log(&model).len(), 2);
    assert_eq!(update(&mut model, up(16)), [], "that it is up is no news");
}

#[test]
fn a_line_that_is_back_before_anyone_saw_is_caught_up_with_at_the_next_tick() {
    let mut model = model();
    update(&mut model, up(12));
    let list = model.refresh_list();
    let Effect::List(ticket, None) = list else { panic!("{list:?}") };
    update(&mut model, Msg::Listed(ticket, Err(failure(FailureKind::Unreachable))));
    assert!(
        model.repos.failure.is_some() && model.repos.shown() == 1,
        "the line is said to be up, so the failure is shown"
    );
    assert_eq!(log(&model), []);
    assert!(matches!(update(&mut model, Msg::Tick)[..], [Effect::List(_, None)]));
    assert_eq!(update(&mut model, Msg::Tick), [], "it is being read");
}

#[test]
fn seconds_count_while_the_line_is_down_and_only_then() {
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
    // A line that is as it was is not drawn again, another latency is.
    update(&mut model, up(12));
    assert!(!model.dirty);
    update(&mut model, up(13));
    assert!(model.dirty);
}

#[tokio::test]
async fn work_keeps_its_place_while_the_line_is_down() {
    let demo = Demo::three().remote();
    demo.hold("run");
    let mut console = Console::on(demo, 120, 26).await;
    console.shows("remote 12 ms");
    console.press(&["g", "y"]).await;
    console.demo.report_progress(Phase::Splice, 43, 100);
    console.until_seen("43 %").await;
    console.demo.disconnect("connection refused");
    console.settle().await;
    for words in [
        "line down 0 s · data 0 s old · trying again · connection refused",
        "43 %",
        "Time left   waiting for the line",
    ] {
        console.shows(words);
    }
    console.hides("remote");
    // The operator moves around meanwhile, and sees what was read.
    console.press(&["w"]).await;
    console.shows("waiting for the line");
    console.press(&["Esc", "Esc", "/"]).await;
    console.type_in("notes").await;
    console.press(&["Enter"]).await;
    console.shows("running: gabriel/notes waiting for the line");
    console.hides("gabriel/photos");
    console.press(&["Esc", "Enter"]).await;
    console.shows("Waiting for the line …");
    console.press(&["h"]).await;
    console.shows("Waiting for the line …");
    console.press(&["w", "Enter"]).await;
    console.demo.answer_after(15);
    console.until_seen("remote 15 ms").await;
    console.settle().await;
    console.hides("waiting for the line");
    console.shows("43 %");
    console.demo.release();
    console.until_seen("Done: 7 packs became 1").await;
}

#[tokio::test]
async fn what_changed_meanwhile_is_seen_when_the_line_is_back_and_watching_goes_on() {
    let mut console = Console::on(Demo::three().remote(), 120, 26).await;
    console.press(&["Enter"]).await;
    console.demo.advance(6);
    console.demo.disconnect("no route to host");
    // It watches until the first change, and then no more.
    console.demo.put(&summary("okafor/new", 3));
    console.settle().await;
    console.shows("112 objects");
    console.demo.advance(14);
    console.until_seen("line down 14 s · data 20 s old · trying again · no route to host").await;
    console.press(&["r", "Esc"]).await;
    console.hides("okafor/new");
    console.hides("reading of the store");
    console.shows("gabriel/photos");
    console.demo.answer_after(12);
    console.until_seen("okafor/new").await;
    console.settle().await;
    console.hides("not watched");
    console.demo.put(&summary("okafor/newer", 3));
    console.demo.advance(30);
    console.until_seen("okafor/newer").await;
    let about: Vec<&str> = console.app.model.log.newest().map(|line| line.text.as_str()).collect();
    assert_eq!(
        about,
        ["The line to demo is back after 14.0 s", "The line to demo is down: no route to host"]
    );
}

#[tokio::test]
async fn a_plan_waits_for_the_line() {
    let demo = Demo::three().remote();
    demo.hold("plan");
    let mut console = Console::on(demo, 80, 20).await;
    console.demo.disconnect("connection refused");
    console.press(&["g"]).await;
    console.shows("Looking at what there is to do: waiting for the line");
    console.demo.answer_after(12);
    console.demo.release();
    console.until_seen("730.8 KiB").await;
    assert_eq!(console.calls("plan"), ["gabriel/notes"]);
}

#[tokio::test]
async fn work_that_was_lost_sight_of_says_where_its_end_is_told() {
    let demo = Demo::three().remote();
    for verb in ["run", "verify", "plan"] {
        demo.fail(verb, FailureKind::Unreachable, "the server at example.org does not answer");
    }
    let mut console = Console::on(demo, 120, 26).await;
    console.press(&["g"]).await;
    console.shows("Once the line is back, close this and press g again.");
    console.press(&["Esc", "g", "y"]).await;
    console.shows("The consolidation failed.");
    console.shows("the server at example.org does not answer");
    console.shows("What became of it is in the history once the line is back: press h.");
    console.press(&["Esc", "v"]).await;
    console.shows("Once the line is back, press v to try again.");
    console.press(&["w"]).await;
    assert_eq!(console.screen().matches(" failed ").count(), 2, "{}", console.screen());
}

#[tokio::test]
async fn who_can_not_wait_for_the_line_leaves_the_work_behind() {
    let demo = Demo::three().remote();
    demo.hold("verify");
    let mut console = Console::on(demo, 80, 20).await;
    console.press(&["v", "Ctrl-c", "l"]).await;
    console.hides("leave now");
    assert_eq!(console.exit, None, "the store can be asked to stop");
    console.demo.disconnect("connection refused");
    console.settle().await;
    console.shows("The line is down. Who leaves now finds in the history what became of it.");
    console.press_shown(&["l leave now"]).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[test]
fn a_plan_that_was_shown_can_still_be_run() {
    let mut model = model();
    update(&mut model, up(12));
    let ticket = super::update::planned(&press(&mut model, &["g"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_report(&summary("a/b", 3)))));
    update(&mut model, down());
    assert!(matches!(press(&mut model, &["y"])[..], [Effect::Run(_, of)] if of == ticket));
    assert_eq!(model.runs.current().map(|run| run.ticket), Some(Ticket(ticket.0)));
}

/// The console with its line down for 14 seconds, in a theme; of the line below the header, also
/// how it looks.
async fn picture(theme: Theme, (columns, rows): (u16, u16), keys: &[&str]) -> String {
    let demo = Demo::three().remote();
    demo.hold("run");
    let mut console = Console::on(demo, columns, rows).await;
    console.press(&["g", "y"]).await;
    console.demo.report_progress(Phase::Splice, 348_365, 810_990);
    console.until_seen("42 %").await;
    console.press(keys).await;
    console.demo.advance(6);
    console.demo.disconnect("connection refused");
    console.settle().await;
    console.demo.advance(14);
    console.until_seen("line down 14 s").await;
    console.app.model.styles = Styles { theme, ascii: false };
    console.app.terminal.draw(|frame| _ = view(&console.app.model, frame)).unwrap();
    let terminal = console.app.terminal.backend();
    let cell = &terminal.buffer()[(1, 1)];
    assert!(
        cell.modifier.contains(Modifier::REVERSED | Modifier::BOLD),
        "it is seen without colours"
    );
    format!("{theme:?}, {columns} × {rows}: {:?} {:?}\n{}", cell.fg, cell.modifier, text(terminal))
}

#[tokio::test]
async fn a_line_that_is_down_looks_so() {
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
