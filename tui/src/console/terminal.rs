//! The terminal's modes: taken, lent to the shell while the console is stopped, and given back
//! however it ends.
//!
//! Raw mode, the alternate screen, pasting in brackets and the mouse belong to [`Guard`]. They are
//! given back when it is dropped (on leaving, on an error, on a signal) and by the panic hook,
//! before the panic's message is printed, so that it can be read. [`super::inputs`] is the other
//! half: what comes from outside.

use std::io::{self, Stdout, Write};
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
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};

/// Whose the modes are. The panic hook has no other way to know.
static WHOSE: AtomicU8 = AtomicU8::new(FREE);
/// The modes are as they were: before the console, after it, and after a panic.
const FREE: u8 = 0;
/// The modes are ours.
const OURS: u8 = 1;
/// The modes are as they were, until the process goes on.
const LENT: u8 = 2;

static HOOK: Once = Once::new();

/// What the loop asks of the terminal, besides drawing.
pub(super) trait Outlet {
    /// Whether the alternate screen is up: after a panic on any thread it isn't, and nothing may be
    /// drawn.
    fn is_ours(&self) -> bool;

    /// Puts a text on the operator's clipboard, as far as the terminal lets us.
    fn copy(&mut self, text: &str) -> io::Result<()>;

    /// Gives the terminal back and stops the process. Nothing may be drawn until
    /// [`Outlet::resume`].
    ///
    /// `false`: nobody could let it go on, so it wasn't stopped.
    fn suspend(&mut self) -> io::Result<bool>;

    /// Takes the terminal again, whatever others have made of it meanwhile. What was drawn is gone.
    fn resume(&mut self) -> io::Result<()>;
}

/// Owns the modes.
pub(super) struct Guard {
    mouse: bool,
}

impl Guard {
    /// Takes the terminal, and the mouse if that is wanted.
    pub(super) fn enter(mouse: bool) -> io::Result<Guard> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back(FREE);
                before(panic);
            }));
        });
        // A failure gives back what was taken.
        let guard = Guard { mouse };
        guard.take(FREE)?;
        Ok(guard)
    }

    /// What to draw on.
    pub(super) fn terminal(&self) -> io::Result<Terminal<CrosstermBackend<Frames>>> {
        Terminal::new(CrosstermBackend::new(Frames { pending: Vec::new(), stdout: io::stdout() }))
    }

    fn take(&self, from: u8) -> io::Result<()> {
        enable_raw_mode()?;
        if WHOSE.compare_exchange(from, OURS, Ordering::SeqCst, Ordering::SeqCst).is_err() {
            // Something panicked just now, and its message is to be read.
            return disable_raw_mode();
        }
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
        if self.mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
    }
}

impl Outlet for Guard {
    fn is_ours(&self) -> bool {
        WHOSE.load(Ordering::SeqCst) == OURS
    }

    fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    fn suspend(&mut self) -> io::Result<bool> {
        // A shell with job control gives each job a process group of its own. In the group of the
        // session's leader there is no such shell (`xterm -e`, `ssh -t HOST packhouse`, a
        // container), and a stop would be for ever.
        if getsid(None)? == getpgrp() {
            return Ok(false);
        }
        lend();
        // The whole job, as Ctrl-Z does it: in `cargo run` the shell waits for cargo. Not SIGTSTP,
        // which we catch ourselves.
        kill_current_process_group(Signal::STOP)?;
        Ok(true)
    }

    fn resume(&mut self) -> io::Result<()> {
        // After a SIGSTOP from outside nobody has lent anything, yet the shell has set its own
        // modes.
        lend();
        if WHOSE.load(Ordering::SeqCst) == LENT { self.take(LENT) } else { Ok(()) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back(FREE);
    }
}

fn lend() {
    if WHOSE.load(Ordering::SeqCst) == OURS {
        give_back(LENT);
    }
}

fn give_back(to: u8) {
    if WHOSE.swap(to, Ordering::SeqCst) == OURS {
        // Failing to restore is not worth failing over: after a hang-up there is no terminal left
        // to restore.
        let _ = disable_raw_mode();
        // The mouse, too, where it was never taken: that does no harm, and can't be forgotten.
        let _ = execute!(
            io::stdout(),
            DisableMouseCapture,
            DisableBracketedPaste,
            LeaveAlternateScreen,
            Show
        );
    }
}

/// Writes what was drawn at once, and nothing once the terminal is not ours: a panic on another
/// thread does not find its message under the rest of a frame.
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
        // Who gives the terminal back says so first, and then waits for this lock.
        if WHOSE.load(Ordering::SeqCst) != OURS {
            return Ok(());
        }
        stdout.write_all(&pending)?;
        stdout.flush()
    }
}
