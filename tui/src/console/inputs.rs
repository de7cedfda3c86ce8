//! All inputs: keys, text, the mouse, resizes, signals, log lines, and the end of the terminal.

mod reader;

use std::io;
use std::time::Duration;

use crossterm::event::Event;
use futures::stream::{self, Stream, StreamExt};
use rustix::process::Signal as Number;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::MissedTickBehavior;

use super::log_file::LogMessage;
use super::state::Level;
pub(super) use reader::KeyReader;

/// Time between two checks whether the terminal still exists.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// An input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A key, pasted text, the mouse, or a resize.
    Event(Event),
    /// A signal that ends the console, by number.
    Signal(u8),
    /// SIGTSTP. Ctrl-Z arrives as a key.
    Suspend,
    /// The process continues after it was stopped.
    Continued,
    /// A log line from below the console.
    Logged(Level, String),
    /// The terminal is gone.
    Gone,
}

/// The stream of all inputs, and what pauses those of the terminal. Catches signals from this call
/// on. Must be called within a tokio runtime.
pub(super) fn inputs(
    logged: UnboundedReceiver<LogMessage>,
) -> io::Result<(impl Stream<Item = Input> + Unpin, KeyReader)> {
    // Numbers of signals are small.
    let ends = [Number::HUP, Number::INT, Number::TERM]
        .map(|number| (number, Input::Signal(number.as_raw() as u8)));
    let stops = [(Number::TSTP, Input::Suspend), (Number::CONT, Input::Continued)];
    let signals =
        ends.into_iter().chain(stops).map(|(number, input)| Ok(each(number, input)?.boxed()));
    let signals = stream::select_all(signals.collect::<io::Result<Vec<_>>>()?);
    let logged = received(logged).map(|(level, text)| Input::Logged(level, text));
    let reader = KeyReader::default();
    let events = events(reader.clone())?;
    let others = stream::select_all([events.boxed(), logged.boxed(), hang_up().boxed()]);
    // Signals come first: a key repeat must not delay the end.
    let first = |(): &mut ()| stream::PollNext::Left;
    Ok((stream::select_with_strategy(signals, others, first), reader))
}

fn each(number: Number, input: Input) -> io::Result<impl Stream<Item = Input> + Send> {
    let signal = signal(SignalKind::from_raw(number.as_raw()))?;
    Ok(stream::unfold((signal, input), |(mut signal, input)| async {
        signal.recv().await?;
        Some((input.clone(), (signal, input)))
    }))
}

/// Keys, text, the mouse and resizes. They are read on a separate thread: crossterm reads from a
/// lost terminal forever without an error, which must not block the event loop. The thread ends
/// with the process.
fn events(reader: KeyReader) -> io::Result<impl Stream<Item = Input> + Send> {
    let (sender, events) = unbounded_channel();
    let read = move || {
        loop {
            let input = crossterm::event::read().map_or(Input::Gone, Input::Event);
            let last = input == Input::Gone;
            if sender.send(input).is_err() || last {
                reader.end();
                return;
            }
            reader.wait_while_paused();
        }
    };
    std::thread::Builder::new().name("console-keys".to_owned()).spawn(read)?;
    Ok(received(events))
}

fn received<T: Send>(channel: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(channel, |mut channel| async { Some((channel.recv().await?, channel)) })
}

/// The end of the terminal. Usually SIGHUP reports it, but not to a process outside the session of
/// the terminal.
fn hang_up() -> impl Stream<Item = Input> + Send {
    let mut ticks = tokio::time::interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(ticks, |mut ticks| async {
        while !hung_up() {
            ticks.tick().await;
        }
        Some((Input::Gone, ticks))
    })
}

fn hung_up() -> bool {
    rustix::termios::tcgetattr(io::stdin()).is_err()
}
