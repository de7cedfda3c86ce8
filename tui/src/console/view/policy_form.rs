//! The form of a policy: each rule with its value now, and the one to set.
//!
//! ```text
//!  packhouse › policies › gabriel/notes
//!  Policy of gabriel/notes, now the default
//!
//!  RULE        VALUE               NOW
//! ▸max packs   20▏                 50
//!  growth      1                   1
//!  max age                         none
//!
//!  Consolidate a repo that has more packs than this: 50. Empty: however many it has.
//!
//!  Then        consolidated with more than 20 packs, or when …
//!
//!  Enter set policy  Ctrl-r reset  Esc cancel
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::{inner, long_fact, plain, room, split, styled};
use super::table::draw_rows;
use crate::console::cells::{fit, pad, tail, width, wrap};
use crate::console::state::{Extent, Field, Model, PolicyForm};
use crate::text::{capitalized, duration, escaped, rules};

/// Width of the names of rules, and of the values.
const NAME: usize = 12;
const VALUE: usize = 20;

/// Draws the screen.
pub(super) fn draw(model: &Model, form: &PolicyForm, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = styled(wrap(&title(form), room), styles.strong());
    above.push(Line::default());
    let head = format!("{}{}NOW", pad("RULE", NAME, false), pad("VALUE", VALUE, false));
    above.push(Line::styled(fit(&head, room), styles.quiet()));
    // In a low terminal the fields matter more.
    let height = usize::from(area.height);
    let spare = height.saturating_sub(form.fields.len());
    above.drain(..above.len().saturating_sub(spare));
    let ([top, rest], fields) = (split(area, above.len()), form.fields.len());
    let [rows, below] = split(rest, fields);
    frame.render_widget(Paragraph::new(above), inner(top));
    let selected = form.cursor.at(fields);
    let lines = form.fields.iter().enumerate();
    let lines: Vec<Line> =
        lines.map(|(at, field)| row(model, form, field, at == selected, room)).collect();
    draw_rows(frame, rows, lines, selected);
    frame.render_widget(Paragraph::new(details(model, form, room)), inner(below));
    Extent { content: fields, height: fields, row: rows.y, ..Extent::default() }
}

/// Which policy it is, and where it comes from.
fn title(form: &PolicyForm) -> String {
    match (form.repo(), form.now.set) {
        (Some(repo), true) => format!("Policy of {}", escaped(&repo.to_string())),
        (Some(repo), false) => {
            format!("Policy of {}: the default, until it is set", escaped(&repo.to_string()))
        }
        (None, true) => "Default policy, of all repos without their own".to_owned(),
        (None, false) => {
            "Default policy, of all repos without their own: the built-in one, until it is set"
                .to_owned()
        }
    }
}

/// A rule with its values.
fn row(
    model: &Model,
    form: &PolicyForm,
    field: &Field,
    selected: bool,
    room: usize,
) -> Line<'static> {
    let styles = model.styles;
    let value = tail(&escaped(field.input.text()), VALUE - 2);
    let fill = " ".repeat(VALUE.saturating_sub(width(&value) + usize::from(selected)));
    let now = match form.present(field.rule) {
        none if none.is_empty() => field.rule.absent(),
        now => now,
    };
    let mut spans = vec![
        Span::raw(if selected { "▸" } else { " " }),
        Span::raw(pad(field.rule.name(), NAME, false)),
        Span::styled(value, styles.strong()),
    ];
    spans.extend(selected.then(|| Span::styled("▏", styles.busy())));
    let now = fit(&now, room.saturating_sub(NAME + VALUE));
    spans.extend([Span::raw(fill), Span::styled(now, styles.quiet())]);
    Line::from(spans)
}

/// What the selected rule does, and what the policy would do; or what is wrong with it.
fn details(model: &Model, form: &PolicyForm, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = vec![Line::default()];
    let policy = form.policy();
    let wrong = policy.as_ref().err().or(form.refusal.as_ref());
    if let Some(wrong) = wrong {
        lines.extend(styled(wrap(&capitalized(&escaped(wrong)), room), styles.warn()));
        lines.push(Line::default());
    }
    let help = form.current().map_or("", |field| field.rule.help());
    lines.extend(plain(wrap(help, room)));
    if let Ok(policy) = policy {
        lines.push(Line::default());
        lines.extend(long_fact(styles, "Then", &rules(&policy), room));
        if form.repo().is_none() {
            lines.extend(long_fact(styles, "", &scrubbing(&policy), room));
        }
    }
    lines
}

/// How often packs are read.
pub(super) fn scrubbing(policy: &packhouse_host::Policy) -> String {
    match policy.scrub_age() {
        Some(age) => format!("every pack is read within {}", days(age)),
        None => "packs are not read to check them".to_owned(),
    }
}

fn days(seconds: u64) -> String {
    match (seconds % 86_400, seconds / 86_400) {
        (0, days) => crate::text::plural(days, "day"),
        _ => duration(seconds.saturating_mul(1000)),
    }
}
