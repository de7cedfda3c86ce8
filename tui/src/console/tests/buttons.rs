//! The buttons of the dialogs: with keys, and with the mouse.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use packhouse_host::JobStatus;

use super::Console;
use super::fake::{job, replaced};
use super::fake_store::{Fake, FakeStore};
use super::update::{model, model_with, press};
use crate::console::app::Exit;
use crate::console::inputs::Input;
use crate::console::keys::{Action, Focus};
use crate::console::msg::{Effect, Msg};
use crate::console::tests::fake::{gc_plan, summary};
use crate::console::tests::{key, update::planned};
use crate::console::update::update;

impl Console<FakeStore> {
    /// Clicks on a text of the screen.
    async fn click_on(&mut self, text: &str) {
        let screen = self.screen();
        let (row, line) = screen
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains(text))
            .last()
            .unwrap_or_else(|| panic!("“{text}” is missing on:\n{screen}"));
        let column = line.split(text).next().unwrap_or_default().chars().count();
        let click = MouseEvent {
            kind: MouseEventKind::Down(MouseButton::Left),
            column: column as u16,
            row: row as u16,
            modifiers: KeyModifiers::NONE,
        };
        self.send([Input::Event(Event::Mouse(click))]);
        self.settle().await;
    }
}

#[tokio::test]
async fn tab_and_arrows_select_a_button_and_enter_presses_it() {
    for select in [&["Tab"][..], &["Right"], &["Left"], &["BackTab"], &["Tab", "Left", "Right"]] {
        let mut console = Console::on(Fake::three(), 80, 24).await;
        console.press(&["g"]).await;
        console.shows("[ Cancel ]  Esc    Consolidate    y");
        console.press(select).await;
        console.shows("  Cancel    Esc  [ Consolidate ]  y");
        assert_eq!(console.calls("run"), [""; 0]);
        console.press(&["Enter"]).await;
        assert_eq!(console.calls("run"), ["gabriel/notes"], "{select:?}");
    }
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.press(&["g", "Tab", "Tab", "Enter"]).await;
    assert_eq!(console.calls("run"), [""; 0], "Cancel was selected again");
    console.hides("gabriel/notes › plan");
}

#[tokio::test]
async fn a_click_presses_a_button() {
    for (button, runs) in [("Consolidate    y", 1), ("Cancel ]", 0)] {
        let mut console = Console::on(Fake::three(), 80, 24).await;
        console.press(&["g"]).await;
        console.click_on(button).await;
        assert_eq!(console.calls("run").len(), runs, "{button}");
        console.hides("gabriel/notes › plan");
    }
    // Beside the buttons, a click does nothing.
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.press(&["g"]).await;
    console.click_on("Component").await;
    console.shows("gabriel/notes › plan");
}

#[tokio::test]
async fn enter_closes_a_preview() {
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.press(&["p"]).await;
    console.shows("[ Close ]");
    console.press(&["Enter"]).await;
    console.hides("gabriel/notes › plan");
}

#[tokio::test]
async fn no_button_of_a_dialog_with_a_number_needs_less_than_the_number() {
    let store = || {
        let store = Fake::three();
        store.put_replaced(vec![replaced(1, "gabriel/notes", 30)]);
        store
    };
    let mut console = Console::on(store(), 80, 24).await;
    console.press(&["4", "p"]).await;
    console.shows("  Cancel    Esc  [ Prune ]  Enter");
    console.press(&["Enter", "Tab", "Tab", "Enter"]).await;
    console.click_on("[ Prune ]").await;
    console.shows("Type 1 to confirm");
    console.press(&["1", "Tab"]).await;
    console.shows("[ Cancel ]  Esc    Prune    Enter");
    console.press(&["Enter"]).await;
    console.hides("To confirm");
    console.press(&["p", "1"]).await;
    let prunes =
        |console: &Console| console.store.calls().iter().filter(|call| *call == "prune").count();
    assert_eq!(prunes(&console), 0);
    console.click_on("[ Prune ]").await;
    assert_eq!(prunes(&console), 1);
}

#[tokio::test]
async fn the_buttons_of_the_quit_dialog() {
    let store = Fake::three();
    store.hold("verify");
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["v", "Ctrl-c"]).await;
    console.shows("[ Stay ]");
    console.press(&["Right"]).await;
    console.shows("[ Wait, then quit ]");
    console.press(&["Enter"]).await;
    console.shows("Quitting when all runs have finished");
    console.shows("[ Stay ]");
    console.press(&["Enter"]).await;
    assert_eq!(console.exit, None);
    console.press(&["Ctrl-c"]).await;
    console.click_on("Cancel all, then quit    x").await;
    console.turn_until(|console| console.exit.is_some()).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[tokio::test]
async fn a_job_is_retried_with_its_button() {
    let store = Fake::three();
    store.put_job(job(1, "gabriel/notes", JobStatus::Failed));
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["2", "r"]).await;
    console.shows("[ Cancel ]  Esc");
    console.press(&["Tab", "Enter"]).await;
    assert_eq!(console.calls("retry").len(), 1, "{:?}", console.store.calls());
}

/// Some terminals paste text as single keys, with Tab and Enter among them.
#[test]
fn a_button_must_be_displayed_as_selected_before_enter_presses_it() {
    let mut model = model();
    let ticket = planned(&press(&mut model, &["g"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    let drawn = model.extent.clone();
    update(&mut model, Msg::Drawn(drawn));
    for name in ["Tab", "Enter"] {
        assert_eq!(update(&mut model, Msg::Key(key(name))), []);
    }
    assert_eq!(model.button(Focus::Confirm), Some(Action::Confirm));
    assert!(matches!(press(&mut model, &["Enter"])[..], [Effect::Run(..)]));
}

/// A plan that is not ready has nothing to confirm, and the button that comes is not selected.
#[test]
fn a_new_button_is_not_the_selected_one() {
    let mut model = model_with(vec![summary("a/b", 3)]);
    let ticket = planned(&press(&mut model, &["g", "Tab", "Tab"]));
    assert_eq!(model.buttons(Focus::Confirm), [Action::Decline]);
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    assert_eq!(model.button(Focus::Confirm), Some(Action::Decline));
    assert_eq!(press(&mut model, &["Enter"]), [Effect::Forget(ticket)]);
}
