//! Packs and bytes of a repo over time.
//!
//! ```text
//!  PACKS, peak 23                                    BYTES, peak 2.6 MiB
//!       23│              ⣀⣀⣀⡇                        2.6 MiB│              ⣀⣀⣀⡇
//!         │       ⢀⣀⣀⣀⡇   ⡇                                │       ⢀⣀⣀⣀⡇   ⡇
//!        0│⣀⣀⣀⣀⣀⡇         ⢇⣀⣀⣀                           0 B│⣀⣀⣀⣀⣀⡇         ⢇⣀⣀⣀
//!         └────────────────────                             └────────────────────
//!        12 days ago        now                         12 days ago        now
//! ```
//!
//! With less room, one line each:
//!
//! ```text
//!  SINCE 12 DAYS AGO
//!  Packs       ▁▁▂▃▃▅▆▇█▁▁▂▂▃  7 now, peak 23
//!  Bytes       ▁▁▂▃▃▅▆▇█▁▁▂▂▃  812.0 KiB now, peak 2.6 MiB
//! ```

use jiff::Timestamp;
use packhouse_host::Moment;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, Widget};

use super::parts::fact;
use crate::console::cells::fit;
use crate::console::theme::Styles;
use crate::text::{ago, count, plural, size};

/// Lines of a chart; with fewer it is unreadable.
const HEIGHTS: std::ops::RangeInclusive<usize> = 7..=9;
/// Lines that are kept for the lists below charts, and for the first list below lines.
const LISTS: usize = 8;
const LIST: usize = 3;
/// With at least this many cells, both charts are side by side.
const BESIDE: usize = 110;
const BETWEEN: usize = 4;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Cells for the text beside the bars.
const SAID: usize = 36;

/// A measure: its name, its value at a moment, and its format.
type Measure = (&'static str, fn(&Moment) -> u64, fn(u64) -> String);

const MEASURES: [Measure; 2] =
    [("Packs", |moment| moment.packs, count), ("Bytes", |moment| moment.bytes, size)];

/// The timeline, in at most `height` lines together with the lists below. Charts leave room for the
/// lists, lines only for their beginning.
pub(super) fn lines(
    styles: Styles,
    timeline: &[Moment],
    now: Timestamp,
    room: usize,
    height: usize,
) -> Vec<Line<'static>> {
    let [first, _, ..] = timeline else {
        let label = match timeline {
            [] => "no pushes yet".to_owned(),
            [one, ..] => format!("{}, {}", plural(one.packs, "pack"), ago(now, one.at)),
        };
        return vec![fact(styles, "Over time", &label, room)];
    };
    let beside = room >= BESIDE;
    let each = height.saturating_sub(LISTS + 1) / if beside { 1 } else { 2 };
    let mut lines = vec![Line::default()];
    if each >= *HEIGHTS.start() {
        lines.extend(charts(styles, timeline, now, room, each.min(*HEIGHTS.end()), beside));
    } else if height >= 4 + LIST {
        lines.push(Line::styled(
            format!("SINCE {}", ago(now, first.at).to_uppercase()),
            styles.quiet(),
        ));
        lines.extend(MEASURES.map(|measure| bars(styles, timeline, now, measure, room)));
    } else {
        lines.clear();
    }
    lines
}

/// Both charts as lines, drawn into a buffer first, so that they scroll with the text around them.
fn charts(
    styles: Styles,
    timeline: &[Moment],
    now: Timestamp,
    room: usize,
    each: usize,
    beside: bool,
) -> Vec<Line<'static>> {
    let wide = if beside { room.saturating_sub(BETWEEN) / 2 } else { room };
    let high = if beside { each } else { 2 * each };
    let (wide, each, high) = (wide.min(500) as u16, each as u16, high as u16);
    let mut buffer = Buffer::empty(Rect::new(0, 0, room.min(1100) as u16, high));
    for (at, measure) in MEASURES.into_iter().enumerate() {
        let at = at as u16;
        let place = if beside { (at * (wide + BETWEEN as u16), 0) } else { (0, at * each) };
        chart(
            styles,
            timeline,
            now,
            measure,
            Rect::new(place.0, place.1, wide, each).intersection(buffer.area),
            &mut buffer,
        );
    }
    let columns = usize::from(buffer.area.width).max(1);
    buffer.content().chunks(columns).map(line).collect()
}

fn line(cells: &[Cell]) -> Line<'static> {
    let same = cells.chunk_by(|left, right| left.style() == right.style());
    Line::from_iter(same.map(|cells| {
        Span::styled(cells.iter().map(Cell::symbol).collect::<String>(), cells[0].style())
    }))
}

fn chart(
    styles: Styles,
    timeline: &[Moment],
    now: Timestamp,
    (name, value, label): Measure,
    area: Rect,
    buffer: &mut Buffer,
) {
    let (Some(first), Some(last)) = (timeline.first(), timeline.last()) else { return };
    let x = |at: Timestamp| (at.as_second().saturating_sub(first.at.as_second())) as f64;
    let end = now.max(last.at);
    // A step function: each value holds until the next change.
    let mut points = Vec::with_capacity(2 * timeline.len() + 1);
    let mut before = None;
    for moment in timeline {
        points.extend(before.map(|before| (x(moment.at), before)));
        points.push((x(moment.at), value(moment) as f64));
        before = Some(value(moment) as f64);
    }
    points.push((x(end), value(last) as f64));
    let most = timeline.iter().map(value).max().unwrap_or_default();
    let line = Dataset::default()
        .marker(if styles.ascii { Marker::Dot } else { Marker::Braille })
        .graph_type(GraphType::Line)
        .style(styles.busy())
        .data(&points);
    let axis = |bounds, labels: [String; 2]| {
        Axis::default().style(styles.quiet()).bounds(bounds).labels(labels)
    };
    let until = if end == now { "now".to_owned() } else { ago(now, end) };
    Chart::new(vec![line])
        .block(Block::new().title(Line::styled(
            format!("{}, peak {}", name.to_uppercase(), label(most)),
            styles.quiet(),
        )))
        .x_axis(axis([0.0, x(end).max(1.0)], [ago(now, first.at), until]))
        .y_axis(axis([0.0, most.max(1) as f64], [label(0), label(most)]))
        .legend_position(None)
        .render(area, buffer);
}

/// A measure in a line: each bar is the maximum of its part of the time.
fn bars(
    styles: Styles,
    timeline: &[Moment],
    now: Timestamp,
    (name, value, label): Measure,
    room: usize,
) -> Line<'static> {
    let (Some(first), Some(last)) = (timeline.first(), timeline.last()) else {
        return Line::default();
    };
    let most = timeline.iter().map(value).max().unwrap_or_default();
    let cells = room.saturating_sub(12 + SAID).clamp(4, 60);
    let start = first.at.as_second();
    let all = i128::from(now.max(last.at).as_second().saturating_sub(start)).max(1);
    let mut tops = vec![0; cells];
    for (at, moment) in timeline.iter().enumerate() {
        let cell = |at: Timestamp| {
            let gone = i128::from(at.as_second().saturating_sub(start)).clamp(0, all);
            (gone * (cells as i128 - 1) / all) as usize
        };
        let until = timeline.get(at + 1).map_or(cells - 1, |next| cell(next.at));
        for top in tops.iter_mut().take(until + 1).skip(cell(moment.at)) {
            *top = value(moment).max(*top);
        }
    }
    let bar = |top: u64| BARS[(u128::from(top) * 7 / u128::from(most.max(1))) as usize];
    let values = format!("  {} now, peak {}", label(value(last)), label(most));
    let mut line = fact(styles, name, "", room);
    line.spans.push(Span::styled(tops.into_iter().map(bar).collect::<String>(), styles.busy()));
    line.spans.push(Span::raw(fit(&values, room.saturating_sub(12 + cells))));
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::fake::now;
    use crate::console::theme::Theme;
    use packhouse_host::Cause;

    fn moments(of: &[(i64, u64)]) -> Vec<Moment> {
        let at = |days: i64| now() - jiff::SignedDuration::from_hours(24 * days);
        of.iter()
            .map(|(days, packs)| Moment {
                at: at(*days),
                cause: Cause::Push,
                packs: *packs,
                bytes: packs.saturating_mul(100_000),
            })
            .collect()
    }

    fn text(timeline: &[Moment], room: usize, height: usize) -> Vec<String> {
        let styles = Styles { theme: Theme::Mono, ascii: false };
        lines(styles, timeline, now(), room, height)
            .iter()
            .map(|line| line.to_string().trim_end().to_owned())
            .collect()
    }

    #[test]
    fn with_less_room_there_is_a_line_for_each() {
        let timeline = moments(&[(12, 1), (8, 23), (2, 1), (1, 7)]);
        assert_eq!(text(&timeline, 120, 20).len(), 10);
        assert_eq!(text(&timeline, 78, 28).len(), 19);
        let small = text(&timeline, 78, 10);
        assert_eq!(small[1], "SINCE 12 DAYS AGO");
        assert!(
            small[2].starts_with("Packs       ▁") && small[2].ends_with("7 now, peak 23"),
            "{small:?}"
        );
        assert_eq!(text(&timeline, 78, 6).len(), 0);
    }

    #[test]
    fn one_moment_makes_no_chart() {
        assert_eq!(text(&[], 78, 20), ["Over time   no pushes yet"]);
        assert_eq!(text(&moments(&[(3, 1)]), 78, 20), ["Over time   1 pack, 3 days ago"]);
    }

    #[test]
    fn extreme_times_and_numbers_are_harmless() {
        for timeline in
            [moments(&[(0, 0), (0, 0)]), moments(&[(-5, u64::MAX), (5, 0), (-9, u64::MAX)])]
        {
            for (room, height) in
                [(0, 0), (1, 30), (20, 30), (78, 8), (78, 30), (110, 30), (198, 50), (3000, 50)]
            {
                let styles = Styles { theme: Theme::Mono, ascii: false };
                let drawn = lines(styles, &timeline, now(), room, height);
                assert!(drawn.len() <= height, "{} lines of {height}", drawn.len());
                let widest = drawn.iter().map(Line::width).max().unwrap_or_default();
                assert!(widest <= room, "{widest} cells of {room}");
            }
        }
    }
}
