//! A panic ends the console, and restores the terminal so that its message is readable. The tests
//! run this test binary again in a pseudo-terminal.

use std::io::Read;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::Console;
use super::fake_store::Fake;
use crate::console::inputs::KeyReader;
use crate::console::terminal::{Guard, Outlet};

const BUG: &str = "a bug on purpose";

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let pty =
        native_pty_system().openpty(PtySize { rows: 20, cols: 80, ..PtySize::default() }).unwrap();
    let modes = || format!("{:?}", pty.master.get_termios().unwrap());
    let before = modes();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "console::tests::panic::panics_in_a_terminal",
        "--nocapture",
    ]);
    let mut child = pty.slave.spawn_command(command).unwrap();
    let mut reader = pty.master.try_clone_reader().unwrap();
    let reading = std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&seen).contains("test result") {
            let Ok(read @ 1..) = reader.read(&mut buffer) else { break };
            seen.extend_from_slice(&buffer[..read]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    assert!(child.wait().unwrap().success());
    let seen = reading.join().unwrap();
    let at =
        |text: &str| seen.find(text).unwrap_or_else(|| panic!("{text:?} is missing in {seen:?}"));
    assert!(at("\x1b[?1049h") < at("\x1b[?1049l") && at("\x1b[?1049l") < at(BUG), "{seen:?}");
    assert_eq!(modes(), before);
}

#[test]
#[ignore = "takes the terminal and panics: the test above runs it in one of its own"]
#[should_panic(expected = "a bug on purpose")]
fn panics_in_a_terminal() {
    let guard = Guard::enter(false, KeyReader::default(), Vec::new())
        .unwrap_or_else(|error| panic!("{BUG}, and no terminal: {error}"));
    assert!(guard.is_ours());
    // On another thread, like a panic in the host.
    let panicked = std::thread::spawn(|| panic!("{BUG}")).join();
    assert!(panicked.is_err() && !guard.is_ours(), "the terminal was not restored");
    panic!("{BUG}");
}

#[tokio::test]
#[should_panic(expected = "a bug in show, on purpose")]
async fn a_task_that_panics_ends_the_console() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.store.panic("show");
    console.press(&["Enter"]).await;
}
