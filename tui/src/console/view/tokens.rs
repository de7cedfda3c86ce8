//! The access tokens of the store, newest first.
//!
//! ```text
//!  packhouse › tokens
//!  3 tokens · 2 active
//!  TOKEN             STATE    SCOPE   REPOS                 NAME
//! ▸5f0c99e1a7b29d31  active   push    gabriel/*             laptop
//!
//!  Repos       gabriel/*
//!  Created     2026-06-03 12:00 UTC
//!  Expires     2026-09-01 12:00 UTC
//!
//!  n new token  x revoke  Esc back
//! ```

use packhouse_host::access::{Reach, TokenReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::parts::{failure_above, inner, joined, long_fact, plain, room, scrolled, split, styled};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, RECONNECTING};
use crate::text::{count, escaped, plural, time};

/// The columns beside the ID, the most important first.
const COLUMNS: [Beside; 4] = [
    Beside { head: "STATE", width: 9, numbers: false },
    Beside { head: "SCOPE", width: 8, numbers: false },
    Beside { head: "REPOS", width: 22, numbers: false },
    Beside { head: "NAME", width: 18, numbers: false },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, tokens, room) = (model.styles, &model.tokens, room(area));
    let mut above = vec![sums(model)];
    let (failure, is_empty) = (tokens.failure.as_ref(), tokens.entries.is_empty());
    above.extend(failure_above(styles, "Loading the tokens", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = tokens.current() else {
        frame.render_widget(Paragraph::new(plain(wrap(&nothing(model), room))), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, current, room), tokens.cursor);
    let table = Table::of("TOKEN", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, token: &TokenReport, selected| {
        table.row(styles, &escaped(&token.id), |head| cell(model, token, head), selected)
    };
    detailed.draw(frame, table.head(styles), tokens.entries.iter(), row)
}

/// How many tokens there are, and how many of them work.
fn sums(model: &Model) -> Line<'static> {
    let (styles, tokens) = (model.styles, &model.tokens);
    if !tokens.known {
        let loading = match (tokens.loading, model.is_disconnected()) {
            (_, true) => RECONNECTING,
            (Some(_), false) => "loading …",
            (None, false) => "",
        };
        return Line::styled(loading, styles.busy());
    }
    let active = tokens.entries.iter().filter(|token| is_active(model, token)).count() as u64;
    let all = plural(tokens.entries.len() as u64, "token");
    joined(styles, [Span::raw(all), Span::raw(format!("{} active", count(active)))])
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model) -> String {
    let key = |action| model.keymap.key_in(Focus::Tokens, action);
    match (model.tokens.known, &model.tokens.failure) {
        (false, Some(_)) => format!("Press {} to retry.", key(Action::Refresh)),
        (false, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, None) => "Loading the tokens …".to_owned(),
        (true, _) if model.read_only => "No tokens yet.".to_owned(),
        (true, _) => format!("No tokens yet. Press {} to create one.", key(Action::NewToken)),
    }
}

/// Whether a token works.
fn is_active(model: &Model, token: &TokenReport) -> bool {
    token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > model.now)
}

fn cell(model: &Model, token: &TokenReport, head: &str) -> (String, Style) {
    let plain = |text: String| (text, Style::new());
    match head {
        "STATE" if is_active(model, token) => ("active".to_owned(), model.styles.good()),
        "STATE" if token.revoked_at.is_some() => ("revoked".to_owned(), model.styles.quiet()),
        "STATE" => ("expired".to_owned(), model.styles.quiet()),
        "SCOPE" => plain(token.scope.to_string()),
        "REPOS" => plain(covered(&token.repos)),
        _ => plain(escaped(&token.name)),
    }
}

/// The repos of a token.
pub(super) fn covered(repos: &[Reach]) -> String {
    repos.iter().map(Reach::to_string).collect::<Vec<_>>().join(" ")
}

/// The selected token in full.
fn facts(model: &Model, token: &TokenReport, room: usize) -> Vec<Line<'static>> {
    let fact = |name, value: &str| long_fact(model.styles, name, value, room);
    let mut lines = fact("Repos", &covered(&token.repos));
    if !token.name.is_empty() {
        lines.extend(fact("Name", &token.name));
    }
    lines.extend(fact("Created", &time(token.created_at)));
    match (token.revoked_at, token.expires_at) {
        (Some(at), _) => lines.extend(fact("Revoked", &time(at))),
        (None, Some(end)) => lines.extend(fact("Expires", &time(end))),
        (None, None) => lines.extend(fact("Expires", "never")),
    }
    lines
}

/// Draws a new token: the only time that it is displayed.
pub(super) fn created(model: &Model, token: &TokenReport, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut lines =
        styled(wrap("The token was created. It is not shown again.", room), styles.good());
    lines.push(Line::default());
    let text = token.token.as_deref().unwrap_or_default();
    lines.extend(styled(wrap(&escaped(text), room), styles.strong()));
    lines.push(Line::default());
    let copy = model.keymap.key_in(Focus::NewToken, Action::Copy);
    lines.extend(plain(wrap(&format!("Press {copy} to copy it.",), room)));
    lines.push(Line::default());
    let fact = |name, value: &str| long_fact(styles, name, value, room);
    lines.extend(fact("ID", &token.id));
    lines.extend(fact("Scope", token.scope.as_str()));
    lines.extend(facts(model, token, room));
    scrolled(frame, area, lines, 0)
}
