//! How the console looks: `view` draws a model and changes nothing.
//!
//! ```text
//!  packhouse › gabriel/notes                       1 running: gabriel/notes splicing 43 %   header: where one is
//!                                                                                           body: a file per screen
//!  g consolidate  v verify  Esc back  ? help  r refresh                                     footer: what keys do
//! ```
//!
//! Screens draw only what they have room for, and drop columns and hints as it gets narrow. Every text that comes from
//! a store goes through [`super::words::safe`]. Whatever a colour says, a word says too.

mod dialog;
mod gate;
mod help;
mod leave;
mod repo;
mod repos;
mod result;
mod run;
mod theme;

pub(super) use theme::Theme;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::backend::Failure;
use super::keys::{Place, of_place};
use super::msg::Extent;
use super::state::{Model, RunState, Screen};
use super::words::{count, fit, safe, width, wrap};

/// Draws everything, and tells how far the scrolled part reaches.
pub(super) fn view(model: &Model, frame: &mut Frame) -> Extent {
    let [header, body, footer] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    let mut extent = match model.screens.last() {
        None => repos::draw(model, frame, body),
        Some(Screen::Repo(repo)) => scrolled(frame, body, repo::lines(model, repo, room(body)), repo.top),
        Some(Screen::Run(ticket)) => match model.runs.get(*ticket) {
            None => Extent::default(),
            Some(run) => {
                let lines = match &run.state {
                    RunState::Going { step, stopping } => run::lines(model, run, step.as_ref(), *stopping, room(body)),
                    RunState::Ended(end) => result::lines(model, run, end, room(body)),
                };
                scrolled(frame, body, lines, run.top)
            }
        },
    };
    if let Some(gate) = &model.gate {
        gate::draw(model, gate, frame, body);
    }
    if let Some(leave) = model.leave {
        leave::draw(model, leave, frame, body);
    }
    if let Some(top) = model.help {
        extent = help::draw(model, top, frame, body);
    }
    draw_header(model, frame, header);
    draw_footer(model, frame, footer);
    extent
}

fn draw_header(model: &Model, frame: &mut Frame, area: Rect) {
    let title = match model.screens.last() {
        _ if model.help.is_some() => " packhouse › help".to_owned(),
        None => repos::title(model),
        Some(Screen::Repo(repo)) => format!(" packhouse › {}", repo.name),
        Some(Screen::Run(ticket)) => match model.runs.get(*ticket) {
            Some(run) => format!(" packhouse › {} › {}", run.repo, run.work.noun()),
            None => " packhouse".to_owned(),
        },
    };
    // The screen of a work tells of it at length; the header tells of the others.
    let here = |ticket| matches!(model.screens.last(), Some(Screen::Run(shown)) if *shown == ticket);
    let mut going = model.runs.going().filter(|run| !here(run.ticket));
    let running = match (going.next(), going.count()) {
        (None, _) => String::new(),
        (Some(run), 0) => format!(" running: {} {} ", run.repo, run.step_words().unwrap_or_default()),
        (Some(_), more) => format!(" {} running ", more as u64 + 1),
    };
    let all = usize::from(area.width);
    let running = fit(&safe(&running), all / 2);
    let title = super::words::pad(&safe(&title), all - width(&running), false);
    let line = Line::from(vec![Span::styled(title, model.theme.strong()), Span::styled(running, model.theme.busy())]);
    frame.render_widget(Paragraph::new(line).style(model.theme.bar()), area);
}

/// As many hints as fit, in the order of the table.
fn draw_footer(model: &Model, frame: &mut Frame, area: Rect) {
    let place = model.place();
    let mut spans = Vec::new();
    let mut left = usize::from(area.width).saturating_sub(1);
    if place == Place::Filter {
        let filter = format!(" filter: {}▏ ", fit(&safe(&model.repos.filter), left / 2));
        left = left.saturating_sub(width(&filter));
        spans.push(Span::styled(filter, model.theme.strong()));
    }
    for binding in of_place(place).filter(|binding| !binding.hint.is_empty()) {
        let Some(key) = binding.keys.first() else { continue };
        let (key, hint) = (format!(" {key}"), format!(" {} ", binding.hint));
        let takes = width(&key) + width(&hint);
        if takes > left {
            break;
        }
        left -= takes;
        spans.extend([Span::styled(key, model.theme.strong()), Span::raw(hint)]);
    }
    frame.render_widget(Paragraph::new(Line::from(spans)).style(model.theme.bar()), area);
}

/// Cells of a line of text: a margin stays free on either side.
fn room(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(2)
}

/// Draws lines from `top` on; below them, that there are more.
fn scrolled(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>, top: usize) -> Extent {
    let extent = Extent { content: lines.len(), height: usize::from(area.height) };
    let inner = Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area };
    let below = extent.content.saturating_sub(top + extent.height);
    let mut seen: Vec<Line> = lines.into_iter().skip(top).take(extent.height).collect();
    if below > 0
        && let Some(last) = seen.last_mut()
    {
        *last = Line::raw(format!("↓ {} more", count(below as u64 + 1)));
    }
    frame.render_widget(Paragraph::new(seen), inner);
    extent
}

/// A failure in lines, with what it means in words.
fn failure_lines(theme: Theme, what: &str, failure: &Failure, room: usize) -> Vec<Line<'static>> {
    use super::backend::FailureKind as Kind;
    let (word, advice) = match failure.kind {
        Kind::Refused => ("failed", ""),
        Kind::Conflict => ("gave way to another writer", "Trying again is safe."),
        Kind::Damage => ("found damage", ""),
        Kind::Cancelled => ("was cancelled", ""),
    };
    let style = if failure.kind == Kind::Cancelled { theme.warn() } else { theme.bad() };
    let mut lines = styled(wrap(&format!("The {what} {word}."), room), style);
    lines.extend(plain(wrap(&safe(&failure.message), room)));
    lines.extend(plain(wrap(advice, room)));
    lines
}

fn plain(lines: Vec<String>) -> Vec<Line<'static>> {
    lines.into_iter().map(Line::raw).collect()
}

fn styled(lines: Vec<String>, style: ratatui::style::Style) -> Vec<Line<'static>> {
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// A fact under its name: `Objects    112`.
fn fact(theme: Theme, name: &str, value: &str, room: usize) -> Line<'static> {
    const NAMES: usize = 12;
    let value = fit(&safe(value), room.saturating_sub(NAMES));
    Line::from(vec![Span::styled(super::words::pad(name, NAMES, false), theme.quiet()), Span::raw(value)])
}
