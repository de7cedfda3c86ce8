//! The modes of the terminal: set, restored while the console is suspended, and restored however it
//! ends.
//!
//! [`Guard`] owns raw mode, the alternate screen, bracketed paste and mouse capture. They are
//! restored when it is dropped (on quit, error or signal) and by the panic hook, before the panic
//! message is printed. [`super::inputs`] reads the inputs.

use std::ffi::OsString;
use std::io::{self, Stdout, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use futures::future::{BoxFuture, FutureExt};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

use super::inputs::KeyReader;
use super::msg::Ended;
use super::state::CommandLine;
use crate::text::escaped;

/// Who owns the modes. A static, because the panic hook needs it.
static OWNER: AtomicU8 = AtomicU8::new(ORIGINAL);
/// The original modes: before and after the console, and after a panic.
const ORIGINAL: u8 = 0;
/// The modes of the console.
const OURS: u8 = 1;
/// The original modes, until the process resumes, or a command of the config has ended.
const SUSPENDED: u8 = 2;

static HOOK: Once = Once::new();

/// What the event loop needs from the terminal, besides drawing.
pub(super) trait Outlet {
    /// Whether the alternate screen is active. After a panic on any thread it is not, and nothing
    /// may be drawn.
    fn is_ours(&self) -> bool;

    /// Copies a text to the clipboard, if the terminal supports it.
    fn copy(&mut self, text: &str) -> io::Result<()>;

    /// Restores the terminal and stops the process. Nothing may be drawn until [`Outlet::resume`].
    ///
    /// Returns `false` if no shell could resume the process, so that it was not stopped.
    fn suspend(&mut self) -> io::Result<bool>;

    /// Sets the modes again, whatever they are now. The screen must be drawn again.
    fn resume(&mut self) -> io::Result<()>;

    /// Restores the terminal, and starts a command that has it until it ends. Nothing may be drawn
    /// until [`Outlet::resume`].
    fn run(&mut self, line: &CommandLine) -> io::Result<Running>;

    /// Prints a text below the output of a command, and reads keys again.
    fn ask_to_return(&mut self, text: &str) -> io::Result<()>;
}

/// A command that was started: how it ends, or why that is unknown.
pub(super) type Running = BoxFuture<'static, Result<Ended, String>>;

/// Owns the modes of the terminal.
pub(super) struct Guard {
    mouse: bool,
    keys: KeyReader,
    /// The variables that name the store of the console, for commands. Without a value they are
    /// removed, because they could name another.
    variables: Vec<(&'static str, Option<OsString>)>,
}

impl Guard {
    /// Sets the modes, including mouse capture if `mouse`. `keys` is what reads the terminal.
    pub(super) fn enter(
        mouse: bool,
        keys: KeyReader,
        variables: Vec<(&'static str, Option<OsString>)>,
    ) -> io::Result<Guard> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore(ORIGINAL);
                before(panic);
            }));
        });
        // After a failure, dropping the guard restores the modes.
        let guard = Guard { mouse, keys, variables };
        guard.take(ORIGINAL)?;
        Ok(guard)
    }

    /// The terminal to draw on.
    pub(super) fn terminal(&self) -> io::Result<Terminal<CrosstermBackend<Frames>>> {
        Terminal::new(CrosstermBackend::new(Frames { pending: Vec::new(), stdout: io::stdout() }))
    }

    fn take(&self, from: u8) -> io::Result<()> {
        enable_raw_mode()?;
        if OWNER.compare_exchange(from, OURS, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // A thread has just panicked, and its message must stay readable.
            return disable_raw_mode();
        }
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if self.mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
    }
}

impl Outlet for Guard {
    fn is_ours(&self) -> bool {
        OWNER.load(Ordering::SeqCst) == OURS
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    fn suspend(&mut self) -> io::Result<bool> {
        // A shell with job control gives each job its own process group. In the group of the
        // session leader there is no such shell (`xterm -e`, `ssh -t HOST packhouse`, a container),
        // and nothing would resume the process.
        if getsid(None)? == getpgrp() {
            return Ok(false);
        }
        restore_for_shell();
        // Stop the whole job, as Ctrl-Z does: in `cargo run` the shell waits for cargo. Not with
        // SIGTSTP, which we catch.
        kill_current_process_group(Signal::STOP)?;
        Ok(true)
    }

    fn resume(&mut self) -> io::Result<()> {
        // After a SIGSTOP the modes were not restored, but the shell has set its own.
        restore_for_shell();
        self.keys.resume();
        if OWNER.load(Ordering::SeqCst) == SUSPENDED { self.take(SUSPENDED) } else { Ok(()) }
    }

    fn run(&mut self, line: &CommandLine) -> io::Result<Running> {
        self.keys.pause()?;
        restore_for_shell();
        let words: Vec<&str> =
            std::iter::once(&line.program).chain(&line.arguments).map(String::as_str).collect();
        writeln!(io::stdout(), "$ {}", escaped(&words.join(" ")))?;
        let mut command = Command::new(&line.program);
        command.args(&line.arguments);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        // A program that is killed leaves the modes that it has set.
        let modes = tcgetattr(io::stdin()).ok();
        let mut child = command.spawn()?;
        let (sender, ended) = oneshot::channel();
        // A thread, because waiting must not keep the process when the console ends.
        std::thread::Builder::new().name("console-command".to_owned()).spawn(move || {
            let ended = child.wait();
            if let Some(modes) = modes {
                let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
            }
            // The receiver is gone when the console has ended.
            let _ = sender.send(ended);
        })?;
        let how = |ended: Result<io::Result<ExitStatus>, _>| match ended {
            Ok(Ok(status)) => Ok(how_it_ended(status)),
            Ok(Err(error)) => Err(format!("waiting for its end failed: {error}")),
            Err(_) => Err("its end is unknown".to_owned()),
        };
        Ok(ended.map(how).boxed())
    }

    fn ask_to_return(&mut self, text: &str) -> io::Result<()> {
        // First, because it drops keys: an answer to the text is none of them.
        self.keys.resume();
        let mut stdout = io::stdout();
        write!(stdout, "\n{text}")?;
        stdout.flush()
    }
}

fn how_it_ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Code(code),
        (None, signal) => Ended::Signal(signal.unwrap_or_default()),
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        restore(ORIGINAL);
    }
}

fn restore_for_shell() {
    if OWNER.load(Ordering::SeqCst) == OURS {
        restore(SUSPENDED);
    }
}

fn restore(to: u8) {
    if OWNER.swap(to, Ordering::SeqCst) == OURS {
        // Ignore errors: after a hang-up there is no terminal to restore.
        let _ = disable_raw_mode();
        // Disable the mouse even if it was not enabled; it does no harm.
        let _ = execute!(
            io::stdout(),
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
    }
}

/// Writes each frame at once, and nothing after the terminal was restored, so that a frame can't
/// overwrite the message of a panic on another thread.
pub(super) struct Frames {
    pending: Vec<u8>,
    stdout: Stdout,
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut stdout = self.stdout.lock();
        let pending = std::mem::take(&mut self.pending);
        // `restore` sets the owner first, and then waits for this lock.
        if OWNER.load(Ordering::SeqCst) != OURS {
            return Ok(());
        }
        stdout.write_all(&pending)?;
        stdout.flush()
    }
}
