//! The list of repos.
//!
//! ```text
//!  packhouse · 3 repos · 31 packs · 12.4 MiB
//!  NAME                    PACKS    OBJECTS        SIZE  LAST CONSOLIDATION              STATE
//! ▸gabriel/notes               7        112   812.0 KiB  never                           7 packs to merge
//!  gabriel/photos              1     41,240    11.2 MiB  23 → 1 packs, 2 hours ago       in order
//!  zoe/empty                   0          0         0 B  never                           empty
//!
//!  Enter open  g consolidate  v verify  q quit  ? help  / filter  r refresh
//! ```

use jiff::Timestamp;
use packhouse_host::{GcRecord, RepoReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Theme, failure_lines, room};
use crate::console::backend::FailureKind;
use crate::console::msg::Extent;
use crate::console::state::{Model, Outcome, RunState};
use crate::console::words::{ago, count, many, pad, safe, size, wrap};

const NUMBERS: usize = 9;
const SIZES: usize = 10;
const LAST: usize = 32;
const STATES: usize = 20;

/// Which columns there is room for. Name, packs and state always stay.
struct Columns {
    name: usize,
    objects: bool,
    size: bool,
    last: bool,
}

impl Columns {
    fn of(room: usize) -> Columns {
        let (size, objects, last) = (room >= 56, room >= 70, room >= 96);
        let others = [(true, NUMBERS), (objects, NUMBERS), (size, SIZES), (last, 2 + LAST), (true, 2 + STATES)];
        let taken: usize = others.into_iter().filter(|(shown, _)| *shown).map(|(_, cells)| cells).sum();
        Columns { name: room.saturating_sub(taken), objects, size, last }
    }

    fn row(&self, name: &str, packs: &str, objects: &str, bytes: &str, last: &str) -> String {
        let mut row = pad(name, self.name, false) + &pad(packs, NUMBERS, true);
        if self.objects {
            row += &pad(objects, NUMBERS, true);
        }
        if self.size {
            row += &pad(bytes, SIZES, true);
        }
        if self.last {
            row += "  ";
            row += &pad(last, LAST, false);
        }
        row + "  "
    }
}

/// The header.
pub(super) fn title(model: &Model) -> String {
    let all = model.repos.all();
    if !model.repos.known {
        return " packhouse".to_owned();
    }
    let packs = all.iter().fold(0, |sum: u64, report| sum.saturating_add(report.packs));
    let bytes = all.iter().fold(0, |sum: u64, report| sum.saturating_add(report.bytes));
    let repos = match model.repos.filter.as_str() {
        "" => many(all.len() as u64, "repo"),
        filter => format!("{} of {} with “{filter}”", model.repos.shown(), many(all.len() as u64, "repo")),
    };
    format!(" packhouse · {repos} · {} · {}", many(packs, "pack"), size(bytes))
}

/// The body.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let columns = Columns::of(room(area));
    let mut lines = Vec::new();
    if let Some(failure) = &model.repos.failure {
        lines = failure_lines(model.theme, "reading of the store", failure, room(area));
    }
    if let Some(words) = nothing(model) {
        lines.extend(wrap(&words, room(area)).into_iter().map(Line::raw));
    } else {
        let head = columns.row("NAME", "PACKS", "OBJECTS", "SIZE", "LAST CONSOLIDATION") + "STATE";
        lines.push(Line::styled(head, model.theme.quiet()));
    }
    let height = usize::from(area.height).saturating_sub(lines.len());
    // The row that is pointed to stays in the middle, but for the two ends.
    let (selected, shown) = (model.repos.selected(), model.repos.shown());
    let first = selected.saturating_sub(height / 2).min(shown.saturating_sub(height));
    let rows = model.repos.from(first).take(height).enumerate();
    lines.extend(rows.map(|(at, report)| row(model, &columns, report, first + at == selected)));
    let inner = Rect { width: area.width.saturating_sub(1), ..area };
    let lines: Vec<Line> = lines.into_iter().map(margin).collect();
    frame.render_widget(Paragraph::new(lines), inner);
    Extent { content: shown, height }
}

/// Every line has a cell for the pointer.
fn margin(mut line: Line<'static>) -> Line<'static> {
    if line.spans.first().is_none_or(|span| span.content != POINTER) {
        line.spans.insert(0, Span::raw(" "));
    }
    line
}

const POINTER: &str = "▸";

fn row(model: &Model, columns: &Columns, report: &RepoReport, pointed: bool) -> Line<'static> {
    let last = report.last_gc.as_ref().map_or_else(|| "never".to_owned(), |last| last_words(model.now, last));
    let (state, style) = state_words(model, report);
    let name = safe(&report.repo.to_string());
    let row = columns.row(&name, &count(report.packs), &count(report.objects), &size(report.bytes), &last);
    let line = Line::from(vec![Span::raw(row), Span::styled(pad(&state, STATES, false), style)]);
    if !pointed {
        return line;
    }
    let mut line = line.style(model.theme.pointed());
    line.spans.insert(0, Span::raw(POINTER));
    line
}

/// Why there are no rows, if there are none.
fn nothing(model: &Model) -> Option<String> {
    let repos = &model.repos;
    match (repos.shown(), repos.known, repos.all().len()) {
        (0, false, _) if repos.failure.is_some() => Some("Press r to try again.".to_owned()),
        (0, false, _) => Some("Reading the store …".to_owned()),
        (0, true, 0) => Some("There are no repos in this store. Make one with: packhouse repo create OWNER/SLUG".to_owned()),
        (0, true, _) => Some(format!("No repo has “{}” in its name. Esc shows all again.", safe(&repos.filter))),
        _ => None,
    }
}

/// The last consolidation in a line.
pub(super) fn last_words(now: Timestamp, last: &GcRecord) -> String {
    let when = ago(now, last.finished_at);
    match last.outcome.as_str() {
        "consolidated" => format!("{} → {} packs, {when}", last.packs_before, last.packs_after),
        "skipped" => format!("nothing to do, {when}"),
        other => format!("{}, {when}", safe(other)),
    }
}

/// How a repo is, in words first.
pub(super) fn state_words(model: &Model, report: &RepoReport) -> (String, Style) {
    let theme: Theme = model.theme;
    if let Some(run) = model.runs.of_repo(&report.repo) {
        if let Some(step) = run.step_words() {
            return (step, theme.busy());
        }
        match &run.state {
            RunState::Ended(Err(failure)) if failure.kind != FailureKind::Cancelled => {
                return (format!("{} failed", run.work.noun()), theme.bad());
            }
            RunState::Ended(Ok(Outcome::Verified(report))) if !report.ok => {
                return (many(report.problems.len() as u64, "problem"), theme.bad());
            }
            _ => {}
        }
    }
    match report.packs {
        0 => ("empty".to_owned(), theme.quiet()),
        1 => ("in order".to_owned(), theme.good()),
        packs => (format!("{} to merge", many(packs, "pack")), theme.warn()),
    }
}
