//! A plan, and the question whether to run it. The plan scrolls; the question below it is always
//! seen.
//!
//! ```text
//!  packhouse › gabriel/notes › plan
//!  Consolidate gabriel/notes?
//!
//!  Packs       7 → 1
//!  Bytes       812.0 KiB → 773.4 KiB (38.6 KiB less)
//!  Duplicates  34 records are not written again
//!  Reads       1.6 MiB
//!  Writes      773.4 KiB
//!  Extra disk  780.2 KiB at most, until the old packs are deleted
//!  Time        about 1.2 s
//!  Holds       112 objects, 16 commits, 16 snapshots, 0 tags: all that it has now
//!
//!  Plan        sha256:1f0a…
//!  Component   sha256:c0c0…
//!
//!  Everything is proven before the new pack is used, and the old packs stay until packhouse prune deletes them.
//!
//!  [ Cancel ]  Esc     Consolidate  y
//! ```
//!
//! ```text
//!  packhouse › 12 repos › plan
//!  Consolidate 12 repos?
//!
//!  (see [`many`])
//!
//!  [ Cancel ]  Esc
//!  To consolidate all of them, type 12 and Enter: 1▏
//!  1 is not 12. Nothing was done.
//! ```

mod many;

use packhouse_host::{Event, GcReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::{answers, inner, long_fact, shrunk, split, way_out};
use super::{failure_lines, holds, key_in, plain, room, scrolled, styled};
use crate::console::cells::{fit, tail, width, wrap};
use crate::console::keys::{Action, Place};
use crate::console::msg::Extent;
use crate::console::state::{
    Asks, ConfirmDialog, Model, PlanState, RECONNECTING, Subject, Work, step_words,
};
use crate::text::{count, duration, escaped, plural, size};

/// With more lines than these for the plan, a blank one sets the question apart.
const APART: usize = 6;
/// Cells that are kept for an answer that is typed.
const ANSWER: usize = 8;

/// In place of the body.
pub(super) fn draw(model: &Model, dialog: &ConfirmDialog, frame: &mut Frame, area: Rect) -> Extent {
    let room = room(area);
    let mut question = question(model, dialog, room);
    let height = usize::from(area.height);
    if height > question.len() + APART {
        question.insert(0, Line::default());
    }
    // In a low terminal a line of the plan is worth more than the end of the question, but not than
    // its beginning.
    let below = question.len().min(height.saturating_sub(2)).max(1);
    let [plan, asked] = split(area, height.saturating_sub(below));
    let lines = match &dialog.subject {
        Subject::One(repo, state) => one(model, dialog, &escaped(&repo.to_string()), state, room),
        Subject::Many(repos) => many::lines(model, dialog, repos, room),
    };
    let extent = scrolled(frame, plan, lines, dialog.top.at(usize::MAX));
    frame.render_widget(Paragraph::new(question), inner(asked));
    extent
}

fn one(
    model: &Model,
    dialog: &ConfirmDialog,
    repo: &str,
    state: &PlanState,
    room: usize,
) -> Vec<Line<'static>> {
    let styles = model.styles;
    let title = match &dialog.asks {
        Asks::Nothing => format!("What a consolidation of {repo} would do"),
        _ => format!("Consolidate {repo}?"),
    };
    let mut lines = styled(wrap(&title, room), styles.strong());
    if dialog.renewed {
        let words = "The repo changed while its plan was looked at, so nothing was done. This is the plan for what it is now.";
        lines.extend(styled(wrap(words, room), styles.warn()));
    }
    lines.extend(many::hidden(model, dialog, room));
    lines.push(Line::default());
    match state {
        PlanState::Planning(step) => lines.push(planning(model, step.as_ref(), room)),
        PlanState::Ready(report) => lines.extend(plan(model, report, room)),
        PlanState::Idle(report) => {
            let words = match report.packs_before {
                0 => "There is nothing to do: the repo is empty.",
                _ => "There is nothing to do: the repo is one pack already.",
            };
            lines.extend(styled(wrap(words, room), styles.good()));
        }
        PlanState::Failed(failure) => {
            lines.extend(failure_lines(styles, "planning", failure, room));
            lines.extend(way_out(model, Place::Preview, Work::Consolidate, failure.kind, room));
        }
    }
    lines.extend(many::left_out(model, dialog, room));
    lines
}

fn planning(model: &Model, step: Option<&Event>, room: usize) -> Line<'static> {
    if model.is_disconnected() {
        return Line::styled(
            fit(&format!("Looking at what there is to do: {WAITING}"), room),
            model.styles.warn(),
        );
    }
    let step = step.map_or_else(|| "planning …".to_owned(), step_words);
    Line::styled(
        fit(&format!("Looking at what there is to do: {}", escaped(&step)), room),
        model.styles.busy(),
    )
}

fn plan(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let fact = |name, value: &str| long_fact(styles, name, value, room);
    let duplicates = match report.duplicates_dropped {
        0 => "no record stands in several packs".to_owned(),
        1 => "1 record is not written again".to_owned(),
        dropped => format!("{} are not written again", plural(dropped, "record")),
    };
    let mut lines =
        fact("Packs", &styles.to(&count(report.packs_before), &count(report.packs_after)));
    lines.extend(fact(
        "Bytes",
        &shrunk(styles, report.bytes_before, report.bytes_after, "as much as now"),
    ));
    lines.extend(fact("Duplicates", &duplicates));
    if let Some(cost) = &report.cost {
        let time = cost.expected_ms.map_or_else(
            || "not known before the first run".to_owned(),
            |ms| format!("about {}", duration(ms)),
        );
        if cost.bytes_to_download > 0 {
            lines.extend(fact("Downloads", &size(cost.bytes_to_download)));
        }
        lines.extend(fact("Reads", &size(cost.bytes_to_read)));
        lines.extend(fact("Writes", &size(cost.bytes_to_write)));
        lines.extend(fact(
            "Extra disk",
            &format!("{} at most, until the old packs are deleted", size(cost.peak_disk)),
        ));
        lines.extend(fact("Time", &time));
    }
    let all = holds(report.objects, report.commits, report.snapshots, report.tags);
    lines.extend(fact("Holds", &format!("{all}: all that it has now")));
    lines.push(Line::default());
    if let Some(digest) = &report.plan_digest {
        lines.extend(fact("Plan", digest));
    }
    lines.extend(fact("Component", &report.component));
    lines.push(Line::default());
    lines.extend(plain(wrap(
        "Everything is proven before the new pack is used, and the old packs stay until packhouse prune deletes them.",
        room,
    )));
    lines
}

/// What can be answered: nothing is done unless something else is said.
fn question(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let button = |words: &str, key: String| {
        vec![
            Span::styled(format!("[ {words} ]"), styles.pointed()),
            Span::styled(format!("  {key}"), styles.strong()),
        ]
    };
    let cancel = |place, action| button("Cancel", key_in(model, place, action));
    let (mut more, mut below) = (Vec::new(), Vec::new());
    let default = match &dialog.asks {
        Asks::Nothing => {
            below = styled(wrap(&only_shown(model, dialog), room), styles.quiet());
            button("Close", key_in(model, Place::Preview, Action::Back))
        }
        Asks::Key => cancel(Place::Confirm, Action::Decline),
        Asks::Count(_) => cancel(Place::Typing, Action::Cancel),
    };
    match (&dialog.asks, &dialog.subject) {
        (Asks::Key, _) if dialog.is_ready() => {
            let key = model.keymap.key_of(Action::Confirm);
            more.push(vec![
                Span::raw("Consolidate"),
                Span::styled(format!("  {key}"), styles.strong()),
            ]);
        }
        (Asks::Count(input), Subject::Many(repos)) => {
            let enter = key_in(model, Place::Typing, Action::Accept);
            let number = repos.len();
            let short = format!("Type {number}, {enter}:");
            let asks = format!("To consolidate all of them, type {number} and {enter}:");
            let asks = if width(&asks) + ANSWER > room { short } else { asks };
            let mut asks = wrap(&asks, room.saturating_sub(ANSWER));
            let last = asks.pop().unwrap_or_default() + " ";
            let typed = tail(&escaped(input.text()), room.saturating_sub(width(&last) + 1));
            below = plain(asks);
            below.push(Line::from(vec![
                Span::raw(last),
                Span::styled(typed, styles.strong()),
                Span::styled("▏", styles.busy()),
            ]));
            let refusal = dialog.refusal.iter().flat_map(|words| wrap(&escaped(words), room));
            below.extend(refusal.map(|line| Line::styled(line, styles.warn())));
        }
        _ => {}
    }
    let mut lines = answers(default, more.into_iter(), room);
    lines.extend(below);
    lines
}

/// Why nothing is asked, and how to be asked.
fn only_shown(model: &Model, dialog: &ConfirmDialog) -> String {
    match (dialog.is_ready(), model.read_only) {
        (false, _) => String::new(),
        (true, true) => "Only shown: the console is read-only.".to_owned(),
        (true, false) => format!(
            "Only shown. {} asks whether to run it.",
            key_in(model, Place::Preview, Action::Consolidate)
        ),
    }
}
