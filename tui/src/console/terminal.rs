//! The terminal's modes: taken once, and given back however the console ends.
//!
//! Raw mode and the alternate screen belong to [`Guard`]. They are given back when it is dropped (on leaving, on an
//! error, on a signal) and by the panic hook, before the panic's message is printed, so that it can be read.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::Show;
use crossterm::event::{Event, EventStream};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use futures::stream::{self, Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the modes are ours now. The panic hook has no other way to know.
static OURS: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// Owns raw mode and the alternate screen.
pub(super) struct Guard(());

impl Guard {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Guard> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        OURS.store(true, Ordering::SeqCst);
        // From here on, a failure gives back what was taken.
        let guard = Guard(());
        execute!(io::stdout(), EnterAlternateScreen)?;
        Ok(guard)
    }

    /// What to draw on.
    pub(super) fn terminal(&mut self) -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
        Terminal::new(CrosstermBackend::new(io::stdout()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether the alternate screen is still up: after a panic on any thread it isn't, and nothing may be drawn.
pub(super) fn is_ours() -> bool {
    OURS.load(Ordering::SeqCst)
}

fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        // Failing to restore is not worth failing over: after a hang-up there is no terminal left to restore.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    }
}

/// Something from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A key, or another size.
    Event(Event),
    /// A signal that asks to end, by number.
    Signal(i32),
    /// There is no terminal any more.
    Gone,
}

/// Everything that comes from outside: keys, sizes and signals. Signals are caught from this call on.
pub(super) fn inputs() -> io::Result<impl Stream<Item = Input> + Unpin> {
    let kinds = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
    let signals = kinds.map(|kind| signal(kind).map(|stream| (kind, stream))).into_iter().collect::<io::Result<Vec<_>>>()?;
    let signals = stream::select_all(signals.into_iter().map(|(kind, signal)| Box::pin(each(kind, signal))));
    let events = EventStream::new().map(|event| event.map_or(Input::Gone, Input::Event)).chain(stream::iter([Input::Gone]));
    // Signals come first: nobody's key repeat shall hold up an order to end.
    Ok(stream::select_with_strategy(signals, events, |(): &mut ()| stream::PollNext::Left))
}

fn each(kind: SignalKind, signal: Signal) -> impl Stream<Item = Input> {
    stream::unfold(signal, move |mut signal| async move {
        signal.recv().await?;
        Some((Input::Signal(kind.as_raw_value()), signal))
    })
}
