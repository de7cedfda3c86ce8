//! Commands of the config, with real keys through the loop.

use crossterm::event::Event;
use packhouse_host::JobStatus;
use tokio::sync::oneshot;

use super::fake::{job, now};
use super::fake_store::{Fake, FakeStore};
use super::{Console, event};
use crate::console::app::Exit;
use crate::console::inputs::Input;
use crate::console::keys::{CustomCommand, Focus, KeyChange, Keymap, Variable, Word};
use crate::console::msg::Ended;
use crate::console::state::{ConfirmDialog, JobChange, StorePlace};

/// Commands on a repo, on a job, and on the store.
fn commands() -> Vec<CustomCommand> {
    let command = |name: &str, key: &str, words: &[Word], read_only| CustomCommand {
        name: name.to_owned(),
        key: key.parse().unwrap(),
        screens: CustomCommand::possible_screens(words),
        words: words.to_vec(),
        read_only,
        wait: name != "usage",
        description: (name == "usage").then(|| "Show how much the store takes".to_owned()),
        question: match name {
            "import" => Some("Import all of it?".to_owned()),
            "check" => Some("Check all of it?".to_owned()),
            _ => None,
        },
        position: "console.toml:1".to_owned(),
    };
    let text = |text: &str| Word::Text(text.to_owned());
    vec![
        command(
            "past",
            "t",
            &[text("packhouse"), text("log"), Word::Variable(Variable::Repo)],
            true,
        ),
        command("check", "F6", &[text("check")], true),
        command("follow", "F7", &[text("follow"), Word::Variable(Variable::Job)], true),
        command("usage", "F8", &[text("du"), text("-sh"), Word::Variable(Variable::Data)], true),
        command("import", "F9", &[text("import")], false),
    ]
}

/// A console with these commands.
async fn console(read_only: bool, columns: u16, rows: u16) -> Console<FakeStore> {
    let mut console = match read_only {
        true => Console::read_only(Fake::three(), columns, rows).await,
        false => Console::on(Fake::three(), columns, rows).await,
    };
    console.app.model.keymap = Keymap::with(&[], commands(), read_only).unwrap();
    console
}

/// The end of the next command, which the test decides.
fn next_end(console: &Console<FakeStore>) -> oneshot::Sender<Ended> {
    let (sender, end) = oneshot::channel();
    console.commands.lock().unwrap().ends.push_back(end);
    sender
}

fn started(console: &Console<FakeStore>) -> Vec<String> {
    console.commands.lock().unwrap().started.iter().map(|words| words.join("|")).collect()
}

fn printed(console: &Console<FakeStore>) -> String {
    console.commands.lock().unwrap().printed.concat()
}

/// Whether the console has the terminal again.
fn is_back(console: &Console<FakeStore>) -> bool {
    console.commands.lock().unwrap().resumed > 0
}

#[tokio::test]
async fn a_command_has_the_terminal_until_it_ends_and_enter_is_pressed() {
    let mut console = console(false, 100, 24).await;
    let end = next_end(&console);
    console.press(&["t"]).await;
    assert_eq!(started(&console), ["packhouse|log|gabriel/notes"]);
    // Neither its keys nor its Ctrl-C are for the console.
    console.press(&["Down", "v", "Enter", "q"]).await;
    console.send([Input::Signal(2)]);
    console.settle().await;
    assert!(console.exit.is_none() && !is_back(&console));
    assert_eq!(console.calls("verify"), [""; 0]);
    end.send(Ended::Code(0)).unwrap();
    console.turn_until(|console| !printed(console).is_empty()).await;
    assert_eq!(printed(&console), "past: exit code 0. Press Enter to return ");
    console.press(&["q", "v"]).await;
    assert!(!is_back(&console));
    console.press(&["Enter"]).await;
    assert!(is_back(&console));
    console.shows("past: exit code 0");
    console.press(&["Enter"]).await;
    console.shows("packhouse › gabriel/notes");
    console.press(&["l"]).await;
    console.shows("past: exit code 0");
}

#[tokio::test]
async fn the_ctrl_c_that_has_ended_a_command_may_come_late() {
    let mut console = console(false, 100, 24).await;
    let end = next_end(&console);
    console.press(&["t"]).await;
    end.send(Ended::Signal(2)).unwrap();
    console.turn_until(|console| !printed(console).is_empty()).await;
    assert!(printed(&console).starts_with("past: ended by signal 2."));
    console.send([Input::Signal(2)]);
    console.settle().await;
    assert!(!is_back(&console) && console.exit.is_none());
    console.press(&["Enter"]).await;
    console.send([Input::Signal(2)]);
    console.settle().await;
    assert!(is_back(&console) && console.exit.is_none());
    console.shows("gabriel/notes");
}

#[tokio::test]
async fn without_waiting_only_a_failure_stays() {
    let mut console = console(false, 100, 24).await;
    console.app.model.place =
        StorePlace { data: Some("/srv/store".into()), ..StorePlace::default() };
    next_end(&console).send(Ended::Code(0)).unwrap();
    console.press(&["F8"]).await;
    console.turn_until(is_back).await;
    assert_eq!(
        (started(&console), printed(&console).as_str()),
        (vec!["du|-sh|/srv/store".into()], "")
    );
    next_end(&console).send(Ended::Code(3)).unwrap();
    console.press(&["F8"]).await;
    console.turn_until(|console| !printed(console).is_empty()).await;
    assert!(printed(&console).starts_with("usage: exit code 3."));
}

#[tokio::test]
async fn a_program_that_does_not_start_is_named() {
    let mut console = console(false, 100, 24).await;
    console.press(&["t"]).await;
    console.shows("past: starting `packhouse` failed: ");
    assert!(is_back(&console));
    console.press(&["Enter"]).await;
    console.shows("packhouse › gabriel/notes");
}

#[tokio::test]
async fn a_variable_without_a_value_says_why() {
    let mut console = console(false, 100, 24).await;
    console.press(&["F8"]).await;
    console.shows("usage: $DATA has no value: the store has no folder on this machine");
    console.press(&["2", "F7"]).await;
    console.shows("follow: $JOB has no value: no job is selected");
    console.press(&["1", "F7"]).await;
    console.shows("F7 does nothing here");
    console.app.model.place.in_memory = true;
    console.press(&["t"]).await;
    console.shows("past: the demo is only in memory; commands can't reach it");
    assert_eq!(started(&console), [""; 0]);
}

#[tokio::test]
async fn a_read_only_console_has_the_commands_that_change_nothing() {
    let mut console = console(true, 100, 24).await;
    console.press(&["F9"]).await;
    console.shows("F9 changes the store, and the console is read-only");
    let end = next_end(&console);
    console.press(&["t"]).await;
    assert_eq!(started(&console), ["packhouse|log|gabriel/notes"]);
    drop(end);
}

#[tokio::test]
async fn the_help_and_the_palette_list_commands() {
    let mut console = console(false, 100, 40).await;
    console.press(&["?", "/"]).await;
    console.type_in("packhouse log").await;
    console.press(&["Enter"]).await;
    console.shows("t          Run packhouse log $REPO");
    console.press(&["Esc", ":"]).await;
    console.type_in("past").await;
    console.shows(&format!("▸{:16} {:12} Run packhouse log $REPO", "past", "t"));
    let _end = next_end(&console);
    console.press(&["Enter"]).await;
    assert_eq!(started(&console), ["packhouse|log|gabriel/notes"]);
}

#[tokio::test]
async fn a_run_goes_on_behind_a_command() {
    let mut console = console(false, 60, 15).await;
    console.store.hold("verify");
    let end = next_end(&console);
    console.press(&["v", "Esc", "t"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
    console.store.release();
    console.turn_until(|console| console.app.model.runs.open().next().is_none()).await;
    end.send(Ended::Code(0)).unwrap();
    console.turn_until(|console| !printed(console).is_empty()).await;
    console.press(&["Enter"]).await;
    console.shows("past: exit code 0");
    console.press(&["q"]).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[tokio::test]
async fn another_signal_ends_the_console_during_a_command() {
    let mut console = console(false, 80, 20).await;
    let _end = next_end(&console);
    console.press(&["t"]).await;
    console.send([Input::Event(Event::Key(event("x"))), Input::Signal(15)]);
    console.turn_until(|console| console.exit.is_some()).await;
    assert_eq!(console.exit, Some(Exit::Signal(15)));
}

#[tokio::test]
async fn a_command_with_a_question_runs_after_it_is_confirmed() {
    let mut console = console(false, 100, 24).await;
    console.press(&["F9"]).await;
    console.shows("packhouse › command › import");
    console.shows("Import all of it?");
    console.shows("Runs        import");
    console.press(&["Enter"]).await;
    assert_eq!(started(&console), [""; 0], "Enter presses the button that changes nothing");
    console.press(&["F9"]).await;
    console.press_shown(&["y run import"]).await;
    assert_eq!(started(&console), ["import"]);
}

#[tokio::test]
async fn a_read_only_console_confirms_commands_and_nothing_else() {
    let mut console = console(true, 100, 24).await;
    console.press(&["F6"]).await;
    console.shows("Check all of it?");
    console.press(&["Enter"]).await;
    assert_eq!(started(&console), [""; 0], "Enter presses the button that changes nothing");
    console.press(&["F6"]).await;
    console.press_shown(&["y run check"]).await;
    assert_eq!(started(&console), ["check"]);
    // No key opens this dialog here. Its key does nothing, and it has no such button.
    let model = &mut console.app.model;
    let job = job(3, "gabriel/notes", JobStatus::Failed);
    let dialog = ConfirmDialog::of_job(job, JobChange::Retry, model.ticket());
    (model.dialog, model.dirty) = (Some(dialog), true);
    console.settle().await;
    console.shows("[ Cancel ]  Esc\n");
    console.press(&["y"]).await;
    assert_eq!(console.calls("retry"), [""; 0]);
    assert_eq!(console.app.model.focus(), Focus::Confirm);
}

#[tokio::test]
async fn the_log_names_the_actions_that_lose_a_key_to_the_config() {
    let mut console = Console::on(Fake::three(), 120, 24).await;
    let keys = KeyChange {
        action: "verify".to_owned(),
        keys: vec!["g".to_owned()],
        position: "console.toml:3".to_owned(),
    };
    console.app.model.keymap = Keymap::with(&[keys], Vec::new(), false).unwrap();
    console.app.model.log_notes_of_keys(now());
    console.press(&["l"]).await;
    console.shows("The config binds g to `verify`: `consolidate` does not have it on 5 screens");
}
