//! The confirm dialog: a plan, which scrolls, and the question below it, which is always visible.
//!
//! ```text
//!  packhouse › gabriel/notes › plan
//!  Consolidate gabriel/notes?
//!
//!  Kind        full: all packs become one
//!  Packs       7 → 1
//!  Bytes       812.0 KiB → 773.4 KiB (38.6 KiB less)
//!  Duplicates  34 records removed
//!  Reads       1.6 MiB
//!  Writes      773.4 KiB
//!  Extra disk  up to 780.2 KiB until the old packs are deleted
//!  Time        about 1.2 s
//!  Contents    112 objects, 16 commits, 16 snapshots, 0 tags (unchanged)
//!
//!  Plan        sha256:1f0a…
//!  Component   sha256:c0c0…
//!
//!  The new pack is verified before it replaces the old ones. Old packs are kept until a prune
//!  deletes them; 4 shows when.
//!
//!  [ Cancel ]  Esc    Consolidate    y
//! ```
//!
//! A job is confirmed in the same way, and a prune by its number of packs: see [`job`] and [`prune`].
//!
//! ```text
//!  packhouse › 12 repos › plan
//!  Consolidate 12 repos?
//!
//!  (see [`many`])
//!
//!    Cancel    Esc  [ Consolidate ]  Enter
//!  To confirm, type 12 and press Enter: 1▏
//!  1 is not 12. Nothing was done.
//! ```

mod branch;
mod command;
mod job;
mod many;
mod policy;
mod prune;
mod repair;
mod token;

use packhouse_host::{Event, GcPlanReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::buttons::Buttons;
use super::parts::{
    contents, failure_lines, inner, kept_until, long_fact, plain, room, scrolled, shrunk, split,
    styled, way_out,
};
use super::result::{kind, nothing_done};
use crate::console::cells::{fit, tail, width, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{
    Asks, ConfirmDialog, Extent, JobChange, Model, PlanState, RECONNECTING, Subject, Work,
    step_text,
};
use crate::text::{capitalized, count, duration, escaped, plural, size};

/// With more lines for the plan, there is a blank line before the question.
const APART: usize = 6;
/// Columns and rows in which a plan and its question can be read.
const READABLE: (usize, usize) = (36, 6);
/// Rows above and below.
const AROUND: usize = 2;
/// Cells for the typed number.
const ANSWER: usize = 8;

/// Draws the dialog instead of the body.
pub(super) fn draw(model: &Model, dialog: &ConfirmDialog, frame: &mut Frame, area: Rect) -> Extent {
    let room = room(area);
    let height = usize::from(area.height);
    let cramped = height < READABLE.1 || usize::from(area.width) < READABLE.0;
    let (buttons, mut question) = match cramped && !matches!(dialog.asks, Asks::Nothing) {
        true => (Buttons::default(), too_small(model, room)),
        false => question(model, dialog, room),
    };
    question.splice(0..0, buttons.lines.iter().cloned());
    let apart = usize::from(height > question.len() + APART);
    if apart > 0 {
        question.insert(0, Line::default());
    }
    // In a low terminal, cut the question rather than the plan, but keep its first line.
    let below = question.len().min(height.saturating_sub(2)).max(1);
    let [plan, footer] = split(area, height.saturating_sub(below));
    let lines = match &dialog.subject {
        Subject::One(repo, state) => one(model, dialog, &escaped(&repo.to_string()), state, room),
        Subject::Many(repos) => many::lines(model, dialog, repos, room),
        Subject::Job(job, change) => job::lines(model, job, *change, room),
        Subject::Prune(report, _) => prune::lines(model, report, room),
        Subject::NewToken(token) => token::new(model, token, room),
        Subject::Revoke(token) => token::revoke(model, token, room),
        Subject::Policy(change) => policy::lines(model, change, room),
        Subject::Branch(branch) => branch::lines(model, branch, room),
        Subject::Command(line) => command::lines(model, line, room),
        Subject::Repair(repos) => repair::lines(model, repos, room),
    };
    let extent = scrolled(frame, plan, lines, dialog.top.at(usize::MAX));
    frame.render_widget(Paragraph::new(question), inner(footer));
    let [_, below] = split(inner(footer), apart);
    Extent { cramped, buttons: buttons.placed(below), ..extent }
}

/// What replaces the question where it can't be read.
fn too_small(model: &Model, room: usize) -> Vec<Line<'static>> {
    let (columns, rows) = (READABLE.0, READABLE.1 + AROUND);
    let text = format!("Too small to confirm: {columns}×{rows} is enough");
    styled(wrap(&text, room), model.styles.warn())
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
        Asks::Nothing => format!("Plan for {repo}"),
        _ => format!("Consolidate {repo}?"),
    };
    let mut lines = styled(wrap(&title, room), styles.strong());
    if dialog.renewed {
        let message = "The repo changed while its plan was displayed, so nothing was done. This is the new plan.";
        lines.extend(styled(wrap(message, room), styles.warn()));
    }
    lines.extend(many::hidden(model, dialog, room));
    lines.extend(damaged(model, dialog, room));
    lines.push(Line::default());
    match state {
        PlanState::Planning(step) => lines.push(planning(model, step.as_ref(), room)),
        PlanState::Ready(report) => lines.extend(plan(model, report, room)),
        PlanState::Idle(report) => lines.extend(nothing_done(model, report, room)),
        PlanState::Failed(failure) => {
            lines.extend(failure_lines(styles, "Planning", failure, room));
            lines.extend(way_out(model, Focus::Preview, Work::Consolidate, failure.kind, room));
        }
    }
    lines.extend(many::left_out(model, dialog, room));
    lines
}

/// That the repo has known damage, at which the run will stop.
fn damaged(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    let summary = dialog.repo().and_then(|repo| model.repos.get(repo));
    let Some(repo) = summary.filter(|repo| repo.damaged > 0) else { return Vec::new() };
    let repair = match model.keymap.key_in(Focus::Repo, Action::Repair) {
        key if key.is_empty() => "with packhouse verify --repair".to_owned(),
        key => format!("with {key} on its screen"),
    };
    let message = format!(
        "{} known in this repo. The run stops when it reads what is damaged, and changes nothing. \
         Repair the repo first, {repair}.",
        plural(repo.damaged, "fault")
    );
    styled(wrap(&message, room), model.styles.warn())
}

fn planning(model: &Model, step: Option<&Event>, room: usize) -> Line<'static> {
    if model.is_disconnected() {
        return Line::styled(fit(&format!("Planning: {RECONNECTING}"), room), model.styles.warn());
    }
    let step = step.map_or_else(|| "planning …".to_owned(), step_text);
    Line::styled(fit(&capitalized(&escaped(&step)), room), model.styles.busy())
}

fn plan(model: &Model, report: &GcPlanReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let fact = |name, value: &str| long_fact(styles, name, value, room);
    let duplicates = match report.duplicates_dropped {
        0 => "none".to_owned(),
        1 => "1 record removed".to_owned(),
        dropped => format!("{} removed", plural(dropped, "record")),
    };
    let mut lines = fact("Kind", &kind(report));
    lines
        .extend(fact("Packs", &styles.to(&count(report.packs_before), &count(report.packs_after))));
    lines.extend(fact(
        "Bytes",
        &shrunk(styles, report.bytes_before, report.bytes_after, "unchanged"),
    ));
    lines.extend(fact("Duplicates", &duplicates));
    if let Some(cost) = &report.phase.cost {
        let time = cost.expected_ms.map_or_else(
            || "unknown before the first run".to_owned(),
            |ms| format!("about {}", duration(ms)),
        );
        if cost.bytes_to_download > 0 {
            lines.extend(fact("Downloads", &size(cost.bytes_to_download)));
        }
        lines.extend(fact("Reads", &size(cost.bytes_to_read)));
        lines.extend(fact("Writes", &size(cost.bytes_to_write)));
        lines.extend(fact(
            "Extra disk",
            &format!("up to {} until the old packs are deleted", size(cost.peak_disk)),
        ));
        lines.extend(fact("Time", &time));
    }
    let all = contents(report.objects, report.commits, report.snapshots, report.tags);
    lines.extend(fact("Contents", &format!("{all} (unchanged)")));
    lines.push(Line::default());
    if let Some(digest) = &report.phase.plan_digest {
        lines.extend(fact("Plan", digest));
    }
    lines.extend(fact("Component", &report.component));
    lines.push(Line::default());
    let message = format!(
        "The new pack is verified before it replaces the old ones. Old packs are {}.",
        kept_until(model)
    );
    lines.extend(plain(wrap(&message, room)));
    lines
}

/// The buttons, and what the dialog asks below them.
fn question(model: &Model, dialog: &ConfirmDialog, room: usize) -> (Buttons, Vec<Line<'static>>) {
    let styles = model.styles;
    let label = |action| match action {
        Action::Back => "Close".to_owned(),
        Action::Confirm | Action::Accept => capitalized(&dialog.subject.hint("consolidate")),
        // "Cancel" would be ambiguous where a job may be cancelled.
        _ if matches!(dialog.subject, Subject::Job(_, JobChange::Cancel)) => "Back".to_owned(),
        _ => "Cancel".to_owned(),
    };
    let buttons = Buttons::of(model, dialog.focus(), room, label);
    let below = match &dialog.asks {
        Asks::Nothing => styled(wrap(&only_shown(model, dialog), room), styles.quiet()),
        Asks::Key => Vec::new(),
        Asks::Count(input) => typing(model, dialog, input.text(), room),
    };
    (buttons, below)
}

/// The number to type, what is typed, and what is wrong with it.
fn typing(model: &Model, dialog: &ConfirmDialog, text: &str, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let enter = model.keymap.key_in(Focus::Typing, Action::Accept);
    let number = dialog.number();
    let short = format!("Type {number}, {enter}:");
    let asks = format!("To confirm, type {number} and press {enter}:");
    let asks = if width(&asks) + ANSWER > room { short } else { asks };
    let mut asks = wrap(&asks, room.saturating_sub(ANSWER));
    let last = asks.pop().unwrap_or_default() + " ";
    let typed = tail(&escaped(text), room.saturating_sub(width(&last) + 1));
    let mut lines = plain(asks);
    lines.push(Line::from(vec![
        Span::raw(last),
        Span::styled(typed, styles.strong()),
        Span::styled("▏", styles.busy()),
    ]));
    let refusal = dialog.refusal.iter().flat_map(|text| wrap(&escaped(text), room));
    lines.extend(refusal.map(|line| Line::styled(line, styles.warn())));
    lines
}

/// Why there is nothing to confirm, and how to get there.
fn only_shown(model: &Model, dialog: &ConfirmDialog) -> String {
    match (dialog.is_ready(), model.read_only) {
        (false, _) => String::new(),
        (true, true) => "Preview only: the console is read-only.".to_owned(),
        (true, false) => format!(
            "Preview only. Press {} to run it.",
            model.keymap.key_in(Focus::Preview, Action::Consolidate)
        ),
    }
}
