//! The server behind a remote store, in numbers and curves of the last minutes.
//!
//! ```text
//!  packhouse › server
//!  http://10.0.0.7:8080 · packhouse 0.1.0 · up 3 h 12 min
//!
//!  Requests    12.5 per second                     ▁▁▂▃▂▁▁▅▇▃▂
//!  Running     3                                   ▁▁▁▂▁▁▁▂▃▂▁
//!  Connections 12                                  ▂▂▂▂▃▂▂▂▂▂▂
//!  Errors      0.2 %, 3 of 1,204                   ▁▁▁▁▁▁▁▁▂▁▁
//!  p50         4 ms                                ▂▂▂▂▃▂▂▂▂▂▂
//!  p99         250 ms                              ▂▂▅▂▃▂▂█▂▂▂
//!  Received    1.2 MiB per second                  ▁▁▂▃▂▁▁▅▇▃▂
//!  Sent        840.0 KiB per second                ▁▁▂▃▂▁▁▅▇▃▂
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::parts::{fact, failure_above, joined, room, scrolled, styled};
use super::run::curve;
use crate::console::cells::{pad, wrap};
use crate::console::state::{Extent, Model, RECONNECTING, Sample, Server};
use crate::text::{count, duration, escaped, size};

/// Width of a number beside its curve; narrower than this and so many cells of a curve, there is
/// no curve.
const VALUE: usize = 34;
const CURVE: usize = 10;

/// Width of the name of a fact.
const NAME: usize = 12;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    scrolled(frame, area, lines(model, &model.server, room(area)), model.server.top.at(usize::MAX))
}

fn lines(model: &Model, server: &Server, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = vec![title(model, server)];
    let is_empty = server.samples.is_empty();
    let failure = server.failure.as_ref();
    lines.extend(failure_above(styles, "Loading the metrics", failure, is_empty, room));
    if server.restarted {
        let note = "The server was restarted: the curves begin there.";
        lines.extend(styled(wrap(note, room), styles.warn()));
    }
    lines.push(Line::default());
    let Some(last) = server.samples.back() else {
        if failure.is_none() {
            lines.extend(styled(
                wrap("Sampling … a sample takes two seconds.", room),
                styles.quiet(),
            ));
        }
        return lines;
    };
    let of = |value: fn(&Sample) -> u64| server.samples.iter().map(value).collect::<Vec<_>>();
    let latency = |part| server.latency(part).map_or_else(|| "no requests".to_owned(), duration);
    let (all, errors) = server.handled();
    let share = errors as f64 * 100.0 / all.max(1) as f64;
    let rate = last.requests;
    for (name, value, samples) in [
        (
            "Requests",
            format!("{}.{} per second", count(rate / 1000), rate % 1000 / 100),
            of(|sample| sample.requests),
        ),
        ("Running", count(last.running), of(|sample| sample.running)),
        (
            "Connections",
            last.connections.map_or_else(|| "not counted by this server".to_owned(), count),
            of(|sample| sample.connections.unwrap_or(0)),
        ),
        ("Errors", format!("{share:.1} %, {} of {}", count(errors), count(all)), server.errors()),
        ("p50", latency(0.5), server.latencies(0.5)),
        ("p99", latency(0.99), server.latencies(0.99)),
        ("Received", format!("{} per second", size(last.received)), of(|sample| sample.received)),
        ("Sent", format!("{} per second", size(last.sent)), of(|sample| sample.sent)),
    ] {
        lines.push(row(model, name, &value, &samples, room));
    }
    lines.push(Line::default());
    let notes = "Errors (a status of 500 or above), p50 and p99 (the time to the first byte) are of \
                 the last minute. Requests that wait for changes are left out of p50 and p99. This \
                 console is among the clients.";
    lines.extend(styled(wrap(notes, room), styles.quiet()));
    lines
}

/// Where the server is, its version, and since when it runs.
fn title(model: &Model, server: &Server) -> Line<'static> {
    let styles = model.styles;
    let mut parts = vec![Span::styled(escaped(&model.store), styles.strong())];
    let version = server.version.as_ref();
    parts.extend(version.map(|version| Span::raw(format!("packhouse {}", escaped(version)))));
    if let Some(at) = server.started_at() {
        let up = model.now.duration_since(at).as_millis();
        let up = duration(u64::try_from(up).unwrap_or(0));
        parts.push(Span::raw(format!("up {up}")));
    }
    if model.is_disconnected() {
        parts.push(Span::styled(RECONNECTING, styles.busy()));
    }
    joined(styles, parts)
}

/// A number, and its curve if there is room.
fn row(
    model: &Model,
    name: &'static str,
    value: &str,
    samples: &[u64],
    room: usize,
) -> Line<'static> {
    let cells = room.saturating_sub(NAME + VALUE);
    if cells < CURVE {
        return fact(model.styles, name, value, room);
    }
    let mut line = fact(model.styles, name, &pad(value, VALUE, false), NAME + VALUE);
    let curve = curve(samples, cells, 1).concat();
    line.spans.push(Span::styled(curve, model.styles.busy()));
    line
}
