//! The console of the real binary in a real pseudo-terminal: it starts, and however it ends the terminal is given back.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "in tests, a failure should panic; clippy sees no tests in their helpers")]

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, ExitStatus, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

const PACKHOUSE: &str = env!("CARGO_BIN_EXE_packhouse");
const ENTER_SCREEN: &str = "\x1b[?1049h";
const LEAVE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const HIDE_CURSOR: &str = "\x1b[?25l";

/// Long after what any of this needs: only a hanging test gets there.
const HUNG: Duration = Duration::from_secs(60);

/// The binary, in a terminal.
struct Terminal {
    pty: PtyPair,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    seen: String,
    modes_before: String,
}

impl Terminal {
    /// A console on a store, once it shows the repo that is in it.
    fn start(data: &Path) -> Terminal {
        let made = Command::new(PACKHOUSE).arg("--data").arg(data).args(["repo", "create", "gabriel/notes"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let pty = native_pty_system().openpty(PtySize { rows: 20, cols: 80, ..PtySize::default() }).unwrap();
        let modes_before = modes(&pty);
        let mut command = CommandBuilder::new(PACKHOUSE);
        command.arg("--data");
        command.arg(data);
        command.arg("console");
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        let (sender, output) = channel();
        let mut reader = pty.master.try_clone_reader().unwrap();
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Terminal { pty, child, output, seen: String::new(), modes_before };
        terminal.until_seen("gabriel/notes");
        assert!(terminal.seen.contains(ENTER_SCREEN));
        assert_ne!(modes(&terminal.pty), terminal.modes_before, "raw mode is off");
        terminal
    }

    fn until_seen(&mut self, words: &str) {
        while !self.seen.contains(words) {
            match self.output.recv_timeout(HUNG) {
                Ok(bytes) => self.seen += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{words:?} did not come; what came: {:?}", self.seen),
            }
        }
    }

    fn send(&self, signal: Signal) {
        let pid = self.child.process_id().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn type_keys(&self, keys: &str) {
        let mut writer = self.pty.master.take_writer().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits for the end; the terminal must be as it was.
    fn ended(mut self) -> ExitStatus {
        self.until_seen(LEAVE_SCREEN);
        self.until_seen(SHOW_CURSOR);
        // Should it hang, it is killed, and the status says so.
        let mut killer = self.child.clone_killer();
        let (done, ended) = channel::<()>();
        let watchdog = std::thread::spawn(move || ended.recv_timeout(HUNG).is_err_and(|_| killer.kill().is_ok()));
        let status = self.child.wait().unwrap();
        let _ = done.send(());
        assert!(!watchdog.join().unwrap(), "it has left the screen, and goes on");
        // All that it wrote before it ended is here at once.
        self.seen.extend(self.output.try_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
        let (_, after) = self.seen.rsplit_once(LEAVE_SCREEN).unwrap();
        assert!(!after.contains(ENTER_SCREEN) && !after.contains("gabriel"), "drawn after leaving: {after:?}");
        assert!(self.seen.rfind(SHOW_CURSOR) > self.seen.rfind(HIDE_CURSOR), "the cursor is hidden");
        assert_eq!(modes(&self.pty), self.modes_before, "the terminal's modes are not what they were");
        status
    }
}

fn modes(pty: &PtyPair) -> String {
    format!("{:?}", pty.master.get_termios().unwrap())
}

#[test]
fn q_leaves_and_gives_the_terminal_back() {
    let data = tempfile::tempdir().unwrap();
    let terminal = Terminal::start(data.path());
    terminal.type_keys("q");
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn signals_leave_and_give_the_terminal_back() {
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2), (Signal::HUP, 1)] {
        let data = tempfile::tempdir().unwrap();
        let terminal = Terminal::start(data.path());
        terminal.send(signal);
        assert_eq!(terminal.ended().exit_code(), 128 + number);
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let data = tempfile::tempdir().unwrap();
    let ended = Command::new(PACKHOUSE).arg("--data").arg(data.path()).arg("console").output().unwrap();
    assert!(!ended.status.success());
    assert!(String::from_utf8_lossy(&ended.stderr).contains("terminal"));
    assert!(!String::from_utf8_lossy(&ended.stdout).contains('\x1b'));
}
