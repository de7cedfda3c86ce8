//! All that comes from outside: keys, text, the mouse, sizes, signals, lines of the log, and the
//! end of the terminal.

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

/// Between two looks whether the terminal is still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A key, some text, the mouse, or another size.
    Event(Event),
    /// A signal that asks to end, by number.
    Signal(u8),
    /// A signal that asks to stop, as a shell's `kill -TSTP` does. Ctrl-Z comes as a key.
    Suspend,
    /// The process goes on after it was stopped, by whomever.
    Continued,
    /// Something below the console had something to say.
    Logged(Level, String),
    /// There is no terminal any more.
    Gone,
}

/// Everything from outside. Signals are caught from this call on. Must be called within a tokio
/// runtime.
pub(super) fn inputs(
    logged: UnboundedReceiver<LogMessage>,
) -> io::Result<impl Stream<Item = Input> + Unpin> {
    // Numbers of signals are small.
    let ends = [Number::HUP, Number::INT, Number::TERM]
        .map(|number| (number, Input::Signal(number.as_raw() as u8)));
    let stops = [(Number::TSTP, Input::Suspend), (Number::CONT, Input::Continued)];
    let signals =
        ends.into_iter().chain(stops).map(|(number, input)| Ok(each(number, input)?.boxed()));
    let signals = stream::select_all(signals.collect::<io::Result<Vec<_>>>()?);
    let logged = received(logged).map(|(level, text)| Input::Logged(level, text));
    let others = stream::select_all([events()?.boxed(), logged.boxed(), hang_up().boxed()]);
    // Signals come first: nobody's key repeat shall hold up an order to end.
    Ok(stream::select_with_strategy(signals, others, |(): &mut ()| stream::PollNext::Left))
}

fn each(number: Number, input: Input) -> io::Result<impl Stream<Item = Input> + Send> {
    let signal = signal(SignalKind::from_raw(number.as_raw()))?;
    Ok(stream::unfold((signal, input), |(mut signal, input)| async {
        signal.recv().await?;
        Some((input.clone(), (signal, input)))
    }))
}

/// Keys, text, the mouse and sizes. They are read on a thread of their own: from a terminal that is
/// gone crossterm reads on without an end and without a word, and the loop must not be caught in
/// there. The thread ends with the process.
fn events() -> io::Result<impl Stream<Item = Input> + Send> {
    let (sender, events) = unbounded_channel();
    let read = move || {
        loop {
            let input = crossterm::event::read().map_or(Input::Gone, Input::Event);
            let last = input == Input::Gone;
            if sender.send(input).is_err() || last {
                return;
            }
        }
    };
    std::thread::Builder::new().name("console-keys".to_owned()).spawn(read)?;
    Ok(received(events))
}

fn received<T: Send>(channel: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send {
    stream::unfold(channel, |mut channel| async { Some((channel.recv().await?, channel)) })
}

/// The end of the terminal. Mostly SIGHUP tells of it; to a process that is not of the terminal's
/// session nobody does.
fn hang_up() -> impl Stream<Item = Input> + Send {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    stream::unfold(looks, |mut looks| async {
        while !hung_up() {
            looks.tick().await;
        }
        Some((Input::Gone, looks))
    })
}

fn hung_up() -> bool {
    rustix::termios::tcgetattr(io::stdin()).is_err()
}
