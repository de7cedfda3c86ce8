//! The server of a remote store, with real keys through the loop.

use std::time::Duration;

use jiff::ToSpan;
use packhouse_host::ConnectionStatus;

use super::Console;
use super::fake::{now, server_report};
use super::fake_store::Fake;
use super::update::{model, press};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;
use crate::console::msg::{Effect, Msg};
use crate::console::state::Model;
use crate::console::update::update;

/// A console on a remote store, with so many samples of its server.
pub(super) async fn sampled(console: &mut Console, polls: u64) {
    console.press(&["9"]).await;
    for poll in 1..=polls {
        let started = now().as_second() - 7500;
        console.store.put_server(server_report(100 * poll * poll, started));
        console.store.advance(2);
        console.press(&["F5"]).await;
        console.press(&["r"]).await;
    }
}

pub(super) fn remote() -> Fake {
    let store = Fake::three().remote();
    store.put_server(server_report(0, now().as_second() - 7500));
    store
}

#[tokio::test]
async fn the_load_of_the_server_is_displayed_and_polled_only_then() {
    let mut console = Console::on(remote(), 120, 30).await;
    console.press(&["9"]).await;
    assert_eq!(console.app.model.focus(), Focus::Server);
    console.shows("Sampling …");
    sampled(&mut console, 3).await;
    console.shows("packhouse 0.1.0 · up 2 h 5 min");
    console.shows("Requests    250.0 per second");
    console.shows("Errors      1.0 %, 9 of 900");
    console.shows("p50         2 ms");
    console.shows("Running     3");
    let polls = console.calls("server").len();
    console.press(&["Esc"]).await;
    console.store.advance(10);
    console.press(&["r"]).await;
    assert_eq!(console.calls("server").len(), polls);
}

#[test]
fn a_tick_polls_the_server_every_two_seconds_while_it_is_displayed() {
    let mut model = model();
    let latency = Some(Duration::from_millis(9));
    let up = ConnectionStatus { down: None, latency, heard_at: Some(now()) };
    update(&mut model, Msg::Connection(up));
    let polls = |model: &mut Model, seconds: i64| {
        model.now = now() + seconds.seconds();
        let effects = update(model, Msg::Tick);
        let ticket = effects.iter().find_map(|effect| match effect {
            Effect::Server(ticket) => Some(*ticket),
            _ => None,
        });
        let report = server_report(10, 0);
        ticket
            .map(|ticket| update(model, Msg::Served(ticket, Ok(Some(Box::new(report))))))
            .is_some()
    };
    model.now = now();
    assert!(!polls(&mut model, 0), "it is not displayed");
    let effects = press(&mut model, &["9"]);
    let Some(Effect::Server(ticket)) = effects.last() else { panic!("{effects:?}") };
    assert!(!polls(&mut model, 5), "the poll is pending");
    update(&mut model, Msg::Served(*ticket, Ok(Some(Box::new(server_report(1, 0))))));
    assert_eq!([6, 7, 8].map(|at| polls(&mut model, at)), [true, false, true]);
    press(&mut model, &["l"]);
    assert!(!polls(&mut model, 20), "the log is above it");
}

#[tokio::test]
async fn a_restart_of_the_server_begins_anew() {
    let mut console = Console::on(remote(), 100, 30).await;
    sampled(&mut console, 3).await;
    console.store.put_server(server_report(5, now().as_second()));
    console.store.advance(2);
    console.press(&["r"]).await;
    console.shows("The server was restarted");
    console.shows("Sampling …");
}

#[tokio::test]
async fn errors_are_displayed_and_what_was_sampled_stays() {
    let mut console = Console::on(remote(), 100, 30).await;
    sampled(&mut console, 3).await;
    console.store.fail("server", FailureKind::Refused, "a token with scope admin is needed");
    console.store.advance(2);
    console.press(&["r"]).await;
    console.shows("Loading the metrics failed.");
    console.shows("a token with scope admin is needed");
    console.shows("p99 ");
}

#[tokio::test]
async fn a_store_on_this_machine_has_no_server() {
    let mut console = Console::on(Fake::three(), 100, 30).await;
    console.press(&["9"]).await;
    console.shows("This store has no server");
    assert_eq!(console.app.model.focus(), Focus::Repos);
    console.hides("9 server");
}
