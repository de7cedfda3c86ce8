//! Runs the real binary in a real pseudo-terminal. Tests wait for its output or its state, never
//! for a time.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, ExitStatus, PtyPair, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

pub(crate) const PACKHOUSE: &str = env!("CARGO_BIN_EXE_packhouse");
pub(crate) const ENTER_SCREEN: &str = "\x1b[?1049h";
pub(crate) const LEAVE_SCREEN: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";
const HIDE_CURSOR: &str = "\x1b[?25l";

/// Modes that must be restored with the screen: bracketed paste and the mouse.
const OTHER_MODES: [&str; 6] = ["2004", "1000", "1002", "1003", "1015", "1006"];

/// A shell with job control, which runs the console as a job, and resumes it after a line of input.
const SHELL: &str = r#"set -m; "$@"; echo "stopped: $?"; read line; fg; echo "ended: $?""#;

/// The size of a terminal, unless a test changes it.
const ROWS: u16 = 20;
const COLUMNS: u16 = 80;

/// A timeout that only a hanging test reaches.
const HUNG: Duration = Duration::from_secs(60);

/// A program in a terminal.
pub(crate) struct Terminal {
    pty: PtyPair,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    reader: JoinHandle<()>,
    deaf: Arc<AtomicBool>,
    output: Receiver<Vec<u8>>,
    seen: String,
    /// What is on the screen.
    screen: vt100::Parser,
    /// The part of `seen` that was checked.
    looked: usize,
    modes_before: String,
}

impl Terminal {
    /// A console on a store with a repo, once the repo is displayed.
    pub(crate) fn console(data: &Path, options: &[&str]) -> Terminal {
        make_repo(data);
        let mut terminal = Terminal::start(&arguments(data, options), data, &[]);
        terminal.has_drawn();
        terminal
    }

    /// The same as a job of a shell.
    pub(crate) fn job(data: &Path) -> Terminal {
        make_repo(data);
        let mut shell: Vec<String> = ["sh", "-c", SHELL, "sh"].map(str::to_owned).into();
        shell.extend(arguments(data, &[]));
        let mut terminal = Terminal::start(&shell, data, &[]);
        terminal.has_drawn();
        terminal
    }

    /// A console on a server, once its repo is displayed.
    pub(crate) fn remote(url: &str, home: &Path) -> Terminal {
        let call = [PACKHOUSE, "--remote", url, "console"].map(str::to_owned);
        let mut terminal = Terminal::start(&call, home, &[]);
        terminal.has_drawn();
        terminal
    }

    /// Any call of the console.
    pub(crate) fn call(data: &Path, options: &[&str], variables: &[(&str, &str)]) -> Terminal {
        Terminal::start(&arguments(data, options), data, variables)
    }

    /// A verb without a screen.
    pub(crate) fn verb(data: &Path, verb: &[&str]) -> Terminal {
        let call = [PACKHOUSE, "--data", data.to_str().unwrap()];
        let arguments: Vec<String> =
            call.iter().chain(verb).map(|word| (*word).to_owned()).collect();
        Terminal::start(&arguments, data, &[])
    }

    fn start(arguments: &[String], home: &Path, variables: &[(&str, &str)]) -> Terminal {
        let pty = native_pty_system()
            .openpty(PtySize { rows: ROWS, cols: COLUMNS, ..PtySize::default() })
            .unwrap();
        let modes_before = modes(&pty);
        let mut command = CommandBuilder::from_argv(arguments.iter().map(Into::into).collect());
        command.env("TERM", "xterm-256color");
        command.env("HOME", home);
        for name in [
            "NO_COLOR",
            "LC_ALL",
            "LC_CTYPE",
            "XDG_CONFIG_HOME",
            "XDG_STATE_HOME",
            "XDG_DATA_HOME",
            "PACKHOUSE_LOG",
        ] {
            command.env_remove(name);
        }
        command.env("LANG", "C.UTF-8");
        // Not the config file of this machine.
        command.env("PACKHOUSE_CONFIG", "/dev/null");
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pty.slave.spawn_command(command).unwrap();
        let (sender, output) = channel();
        let mut source = pty.master.try_clone_reader().unwrap();
        let deaf = Arc::<AtomicBool>::default();
        let listens = deaf.clone();
        // Ends with the terminal, or when the receiver is dropped.
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = source.read(&mut buffer) {
                if listens.load(Ordering::SeqCst) || sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pty.master.take_writer().unwrap();
        Terminal {
            pty,
            keys,
            child,
            reader,
            deaf,
            output,
            seen: String::new(),
            screen: vt100::Parser::new(cells(ROWS), cells(COLUMNS), 0),
            looked: 0,
            modes_before,
        }
    }

    fn has_drawn(&mut self) {
        self.until_seen(ENTER_SCREEN);
        self.until_seen("gabriel/notes");
        assert!(self.is_raw(), "raw mode is off");
    }

    /// Waits for words in the unchecked output, and checks the output up to them.
    pub(crate) fn until_seen(&mut self, text: &str) {
        loop {
            if let Some(at) = self.seen[self.looked..].find(text) {
                self.looked += at + text.len();
                return;
            }
            assert!(self.receive(), "{text:?} is missing in {:?}", self.seen);
        }
    }

    /// Waits until a text is on the screen.
    pub(crate) fn until_shown(&mut self, text: &str) {
        while !self.screen().contains(text) {
            assert!(self.receive(), "{text:?} is missing on:\n{}", self.screen());
        }
    }

    /// Waits until a text is not on the screen any more.
    pub(crate) fn until_gone(&mut self, text: &str) {
        while self.screen().contains(text) {
            assert!(self.receive(), "{text:?} stays on:\n{}", self.screen());
        }
    }

    /// The text on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits for output; false if none comes.
    fn receive(&mut self) -> bool {
        let Ok(bytes) = self.output.recv_timeout(HUNG) else { return false };
        self.seen += &String::from_utf8_lossy(&bytes);
        self.screen.process(&bytes);
        true
    }

    /// All output.
    pub(crate) fn seen(&self) -> &str {
        &self.seen
    }

    pub(crate) fn is_raw(&self) -> bool {
        modes(&self.pty) != self.modes_before
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub(crate) fn resize(&mut self, rows: u16, cols: u16) {
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
        self.pty.master.resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
    }

    /// Sends a signal to the foreground process group: the console.
    pub(crate) fn send(&self, signal: Signal) {
        let shown = self.pty.master.process_group_leader().and_then(Pid::from_raw).unwrap();
        kill_process(shown, signal).unwrap();
    }

    /// Waits until the console is stopped, if it is not a job.
    pub(crate) fn until_stopped(&self) {
        let status = waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED).unwrap().unwrap();
        assert!(status.stopped(), "it has ended");
    }

    /// Sets the modes like a shell in the foreground.
    pub(crate) fn make_sane(&self) {
        let tty = File::open(self.pty.master.tty_name().unwrap()).unwrap();
        assert!(Command::new("stty").arg("sane").stdin(tty).status().unwrap().success());
    }

    fn pid(&self) -> Pid {
        self.child.process_id().and_then(|pid| Pid::from_raw(pid as i32)).unwrap()
    }

    /// Waits for the end of a call that never enters the screen.
    pub(crate) fn refused(mut self) -> (u32, String) {
        let status = wait(&mut *self.child);
        // Every refusal ends with a newline.
        while !self.seen.contains('\n') {
            self.seen += &String::from_utf8_lossy(&self.output.recv_timeout(HUNG).unwrap());
        }
        assert!(!self.seen.contains(ENTER_SCREEN), "{:?}", self.seen);
        assert!(!self.is_raw());
        (status.exit_code(), self.seen)
    }

    /// Waits until the terminal is restored, and for the end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.until_seen(LEAVE_SCREEN);
        self.until_seen(SHOW_CURSOR);
        self.over()
    }

    /// Waits for the end, and checks that the terminal is restored.
    pub(crate) fn over(mut self) -> ExitStatus {
        let status = wait(&mut *self.child);
        // All its output has arrived.
        self.seen.extend(
            self.output.try_iter().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        );
        let (_, after) = self.seen.rsplit_once(LEAVE_SCREEN).unwrap();
        assert!(
            !after.contains(ENTER_SCREEN) && !after.contains("gabriel"),
            "drawn after leaving: {after:?}"
        );
        assert!(
            self.seen.rfind(SHOW_CURSOR) > self.seen.rfind(HIDE_CURSOR),
            "the cursor is hidden"
        );
        for mode in OTHER_MODES {
            let last = |suffix| self.seen.rfind(&format!("\x1b[?{mode}{suffix}"));
            assert!(last('h') <= last('l'), "mode {mode} was not restored");
        }
        assert!(!self.is_raw(), "the modes of the terminal were not restored");
        // It would wait for a reply that never comes.
        assert!(!self.seen.contains("\x1b[6n"), "it asks where the cursor is");
        status
    }

    /// Closes the terminal, and waits for the end of the process.
    pub(crate) fn hung_up(self) -> ExitStatus {
        let Terminal { pty, keys, mut child, reader, deaf, .. } = self;
        deaf.store(true, Ordering::SeqCst);
        // Drawing wakes up the reader, which holds the terminal open, too.
        pty.master.resize(PtySize { rows: 30, cols: 90, ..PtySize::default() }).unwrap();
        reader.join().unwrap();
        drop((pty, keys));
        wait(&mut *child)
    }
}

/// Rows or columns of a terminal, of which there is at least one.
fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn arguments(data: &Path, options: &[&str]) -> Vec<String> {
    let call = [PACKHOUSE, "--data", data.to_str().unwrap(), "console"];
    call.iter().chain(options).map(|word| (*word).to_owned()).collect()
}

pub(crate) fn make_repo(data: &Path) {
    let made = Command::new(PACKHOUSE)
        .arg("--data")
        .arg(data)
        .args(["repo", "create", "gabriel/notes"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Kills a hanging process, and fails the test.
pub(crate) fn wait(child: &mut (dyn Child + Send + Sync)) -> ExitStatus {
    let mut killer = child.clone_killer();
    let (done, ended) = channel::<()>();
    let watchdog =
        std::thread::spawn(move || ended.recv_timeout(HUNG).is_err_and(|_| killer.kill().is_ok()));
    let status = child.wait().unwrap();
    let _ = done.send(());
    assert!(!watchdog.join().unwrap(), "the process hangs");
    status
}

fn modes(pty: &PtyPair) -> String {
    format!("{:?}", pty.master.get_termios().unwrap())
}

/// A server process on a store of a test; killed when it is dropped.
pub(crate) struct Served {
    child: std::process::Child,
    pub(crate) url: String,
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(data: &Path, listen: &str) -> Served {
        let mut command = Command::new(PACKHOUSE);
        command.arg("--data").arg(data).args([
            "--json",
            "serve",
            "--insecure-loopback",
            "--listen",
            listen,
        ]);
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut started = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(child.stdout.take().unwrap()),
            &mut started,
        )
        .unwrap();
        let started: serde_json::Value = serde_json::from_str(&started).unwrap();
        let text = |name: &str| started[name].as_str().unwrap().to_owned();
        Served { child, url: text("url"), address: text("address") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
