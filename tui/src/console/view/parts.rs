//! Parts of several screens: facts, headings, failures and scrolling lines.

use packhouse_host::{GcRecord, RepoSummary};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::console::cells::{fit, pad, width, wrap};
use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::{Action, Focus};
use crate::console::state::{
    Condition, Cursor, Extent, Model, Outcome, Pace, RECONNECTING, Run, RunState, TextBelow, Work,
    is_worn,
};
use crate::console::theme::Styles;
use crate::text::{ago, count, escaped, percent, plural, size};

/// Width of the names of facts.
const NAMES: usize = 12;
/// Digits of a hash that is shortened.
const DIGITS: usize = 12;

/// How long replaced packs are kept.
pub(super) fn kept_until(model: &Model) -> String {
    let key = model.keymap.key_in(Focus::Repos, Action::Prune);
    format!("kept until a prune deletes them; {key} shows when")
}

/// Width of a line of text, without the margins.
pub(super) fn room(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(2)
}

/// The area of such lines.
pub(super) fn inner(area: Rect) -> Rect {
    Rect { x: area.x + 1.min(area.width), width: area.width.saturating_sub(2), ..area }
}

/// The first `rows` rows, and the rest.
pub(super) fn split(area: Rect, rows: usize) -> [Rect; 2] {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(area.height);
    [Rect { height: rows, ..area }, Rect { y: area.y + rows, height: area.height - rows, ..area }]
}

/// Draws lines from `top` on, but not past the end, and how many follow.
pub(super) fn scrolled(
    frame: &mut Frame,
    area: Rect,
    lines: Vec<Line<'static>>,
    top: usize,
) -> Extent {
    let (content, height) = (lines.len(), usize::from(area.height));
    let first = top.min(content.saturating_sub(height));
    let mut seen: Vec<Line> = lines.into_iter().skip(first).take(height).collect();
    say_more(&mut seen, content.saturating_sub(first + height));
    frame.render_widget(Paragraph::new(seen), inner(area));
    Extent { content, height, first, row: area.y, ..Extent::default() }
}

/// Draws text below a list, after a blank line: scrolled as the cursor of the list says.
pub(super) fn text_below(
    frame: &mut Frame,
    area: Rect,
    lines: Vec<Line<'static>>,
    cursor: Cursor,
) -> TextBelow {
    let [_, area] = split(area, 1);
    let height = usize::from(area.height);
    // In no row at all nothing can be read, and there is nothing to scroll.
    let hidden = if height > 0 { lines.len().saturating_sub(height) } else { 0 };
    let first = cursor.text(hidden);
    let mut seen: Vec<Line> = lines.into_iter().skip(first).take(height).collect();
    say_more(&mut seen, hidden - first);
    frame.render_widget(Paragraph::new(seen), inner(area));
    TextBelow { height, hidden }
}

/// Replaces the last line by the number of lines below, if there are any.
pub(super) fn say_more(seen: &mut [Line<'static>], below: usize) {
    // A single line stays.
    if let ([_, .., last], 1..) = (seen, below) {
        *last = Line::raw(format!("↓ {} more", count(below as u64 + 1)));
    }
}

/// A fact with its name: `Objects    112`.
pub(super) fn fact(styles: Styles, name: &str, value: &str, room: usize) -> Line<'static> {
    let value = fit(&escaped(value), room.saturating_sub(NAMES));
    Line::from(vec![Span::styled(pad(name, NAMES, false), styles.quiet()), Span::raw(value)])
}

/// A fact in as many lines as it needs.
pub(super) fn long_fact(
    styles: Styles,
    name: &str,
    value: &str,
    room: usize,
) -> Vec<Line<'static>> {
    let width = room.saturating_sub(NAMES);
    let values = wrap(&short_hashes(&escaped(value), width), width).into_iter().enumerate();
    values.map(|(at, value)| fact(styles, if at == 0 { name } else { "" }, &value, room)).collect()
}

/// The text, with hashes that would be broken at the end of a line shortened: without the name of the
/// hash, and in a sentence, if that is still too long, to their first digits.
fn short_hashes(text: &str, room: usize) -> String {
    let short = |word: &str| {
        let (Some((before, hash)), true) = (word.split_once("sha256:"), width(word) > room) else {
            return word.to_owned();
        };
        let bare = format!("{before}{hash}");
        let digits = hash.bytes().take_while(u8::is_ascii_hexdigit).count();
        match width(&bare) > room && digits > DIGITS && text.contains(' ') {
            true => format!("{before}{}…{}", &hash[..DIGITS], &hash[digits..]),
            false => bare,
        }
    };
    text.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// The whole key of a pack; if it does not fit, without the name of the hash, like the file name.
pub(super) fn key_fact(styles: Styles, key: &str, room: usize) -> Vec<Line<'static>> {
    id_fact(styles, "Pack", key, room)
}

/// A whole ID; if it does not fit, without the name of the hash.
pub(super) fn id_fact(styles: Styles, name: &str, id: &str, room: usize) -> Vec<Line<'static>> {
    let fits = long_fact(styles, name, id, room);
    let bare = id.strip_prefix("sha256:").filter(|_| fits.len() > 1);
    bare.map_or(fits, |bare| long_fact(styles, name, bare, room))
}

/// A heading after a blank line.
pub(super) fn heading(model: &Model, text: &'static str) -> [Line<'static>; 2] {
    [Line::default(), Line::from(Span::styled(text, model.styles.quiet()))]
}

/// Maximum number of lines of a failure above a list.
const FAILURE_ABOVE: usize = 3;

/// Describes a failure.
pub(super) fn failure_lines(
    styles: Styles,
    what: &str,
    failure: &Failure,
    room: usize,
) -> Vec<Line<'static>> {
    let (word, advice) = match failure.kind {
        FailureKind::Refused => ("failed", ""),
        FailureKind::Conflict => ("conflicted with another writer", "Retrying is safe."),
        FailureKind::Damage => ("found damage", ""),
        FailureKind::Cancelled => ("was cancelled", ""),
        FailureKind::Unreachable => ("failed", "The store can't be reached."),
    };
    let style = if failure.kind == FailureKind::Cancelled { styles.warn() } else { styles.bad() };
    let mut lines = styled(wrap(&format!("{what} {word}."), room), style);
    lines.extend(plain(wrap(&escaped(&failure.message), room)));
    lines.extend(plain(wrap(advice, room)));
    lines
}

/// Describes why a list could not be loaded, above the list: in few lines if there is a list.
pub(super) fn failure_above(
    styles: Styles,
    what: &str,
    failure: Option<&Failure>,
    is_empty: bool,
    room: usize,
) -> Vec<Line<'static>> {
    let mut lines =
        failure.map(|failure| failure_lines(styles, what, failure, room)).unwrap_or_default();
    if !is_empty {
        lines.truncate(FAILURE_ABOVE);
    }
    lines
}

/// What to do about a failure, after a blank line.
pub(super) fn way_out(
    model: &Model,
    focus: Focus,
    work: Work,
    kind: FailureKind,
    room: usize,
) -> Vec<Line<'static>> {
    let Some(next) = next(model, focus, work, kind) else { return Vec::new() };
    [vec![Line::default()], long_fact(model.styles, "Next", &next, room)].concat()
}

/// What to do in the console; the message of the failure says what to do about its cause.
fn next(model: &Model, focus: Focus, work: Work, kind: FailureKind) -> Option<String> {
    let key = |action| Some(model.keymap.key_in(focus, action)).filter(|key| !key.is_empty());
    let again = match work {
        Work::Consolidate => Action::Consolidate,
        Work::Verify | Work::Repair => Action::Verify,
        Work::Prune => Action::Prune,
    };
    Some(match (kind, work) {
        (_, Work::Prune) => format!("Press {} to see which packs are left.", key(again)?),
        (FailureKind::Unreachable, Work::Consolidate) if focus != Focus::Preview => {
            let key = model.keymap.key_in(focus, Action::History);
            format!("After reconnecting, press {key}: its result is in the history.")
        }
        (FailureKind::Unreachable, Work::Verify | Work::Repair) => {
            format!("After reconnecting, press {} to retry.", key(again)?)
        }
        // A failed plan must be closed, and requested again.
        (FailureKind::Unreachable, Work::Consolidate) => {
            format!("After reconnecting, close this and press {} again.", key(again)?)
        }
        (FailureKind::Refused | FailureKind::Conflict, Work::Consolidate)
            if focus == Focus::Preview =>
        {
            format!("Fix the cause, close this and press {} again.", key(again)?)
        }
        (FailureKind::Conflict, Work::Consolidate) => {
            format!("Press {} to see a new plan.", key(again)?)
        }
        (FailureKind::Conflict, Work::Verify | Work::Repair) => {
            format!("Retrying is safe: press {}.", key(again)?)
        }
        (FailureKind::Damage, _) => {
            format!(
                "Press {} to verify: it lists all damage, and how to fix it.",
                key(Action::Verify)?
            )
        }
        (FailureKind::Refused, _) => {
            format!("Fix the cause, then press {} to retry.", key(again)?)
        }
        (FailureKind::Cancelled, _) => return None,
    })
}

/// Parts of a line, with dots between them.
pub(super) fn joined(
    styles: Styles,
    parts: impl IntoIterator<Item = Span<'static>>,
) -> Line<'static> {
    let mut spans = Vec::new();
    for part in parts {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", styles.quiet()));
        }
        spans.push(part);
    }
    Line::from(spans)
}

/// What stands for sums that are not known yet.
pub(super) fn loading(model: &Model, pace: &Pace) -> Line<'static> {
    let reading = match (model.is_disconnected(), pace.is_loading()) {
        (true, _) => RECONNECTING,
        (false, true) => "loading …",
        (false, false) => "",
    };
    Line::styled(reading, model.styles.busy())
}

/// Plain lines.
pub(super) fn plain(lines: Vec<String>) -> Vec<Line<'static>> {
    lines.into_iter().map(Line::raw).collect()
}

/// Lines in a style.
pub(super) fn styled(lines: Vec<String>, style: Style) -> Vec<Line<'static>> {
    lines.into_iter().map(|line| Line::styled(line, style)).collect()
}

/// Two sizes and their difference; `same` if there is none.
pub(super) fn shrunk(styles: Styles, before: u64, after: u64, same: &str) -> String {
    let change = match before.checked_sub(after) {
        Some(0) => same.to_owned(),
        Some(less) => format!("{} less", size(less)),
        None => format!("{} more", size(after - before)),
    };
    format!("{} ({change})", styles.to(&size(before), &size(after)))
}

/// Counts of the four kinds of records.
pub(super) fn contents(objects: u64, commits: u64, snapshots: u64, tags: u64) -> String {
    [(objects, "object"), (commits, "commit"), (snapshots, "snapshot"), (tags, "tag")]
        .map(|(number, one)| plural(number, one))
        .join(", ")
}

/// The last consolidation in one line.
pub(super) fn last_gc_text(model: &Model, last: &GcRecord) -> String {
    let when = ago(model.now, last.finished_at);
    match last.outcome.as_str() {
        "consolidated" => {
            format!(
                "{}, {when}",
                model.styles.to(&count(last.packs_before), &plural(last.packs_after, "pack"))
            )
        }
        "skipped" => format!("nothing to do, {when}"),
        other => format!("{}, {when}", escaped(other)),
    }
}

/// The state of a repo: that of its run, or its condition. Without `count` it is a word.
pub(super) fn state_text(model: &Model, repo: &RepoSummary, count: bool) -> (String, Style) {
    let styles = model.styles;
    if let Some(work) = work_text(model, repo) {
        return work;
    }
    let condition = Condition::of(repo);
    let style = match condition {
        Condition::Damaged | Condition::Failed => styles.bad(),
        Condition::Fragmented(_) if is_worn(repo) => styles.warn(),
        Condition::Fragmented(_) => Style::new(),
        Condition::Ok => styles.good(),
        Condition::Empty => styles.quiet(),
    };
    let text = if count { condition.to_string() } else { condition.word().to_owned() };
    (text, style)
}

/// Whether a failed run of a repo no longer matters: the repo was consolidated since, or the damage
/// was repaired that it failed because of.
fn is_over(run: &Run, failure: &Failure, repo: &RepoSummary) -> bool {
    let Some(last) = &repo.last_gc else { return false };
    run.work == Work::Consolidate
        && match last.has_failed() {
            true => failure.kind == FailureKind::Damage && !repo.gc_failed(),
            false => run.ended.is_some_and(|ended| last.finished_at > ended),
        }
}

/// The state of the run of a repo, or how it ended if that was bad.
fn work_text(model: &Model, repo: &RepoSummary) -> Option<(String, Style)> {
    let (styles, run) = (model.styles, model.runs.of_repo(&repo.repo)?);
    let (text, style) = match &run.state {
        RunState::Running { .. } if model.is_disconnected() => ("reconnecting", styles.warn()),
        RunState::Running { stopping: true, .. } => ("cancelling", styles.busy()),
        RunState::Running { step, .. } => {
            let done = step.as_ref().and_then(|step| percent(step.done, step.total));
            let text = done.map_or_else(|| "running".to_owned(), |done| format!("running {done}%"));
            return Some((text, styles.busy()));
        }
        RunState::Queued(_) => ("queued", styles.busy()),
        RunState::Ended(Err(failure))
            if failure.kind != FailureKind::Cancelled && !is_over(run, failure, repo) =>
        {
            ("failed", styles.bad())
        }
        // Others record the damage that they find: it is in the row, until it is repaired.
        RunState::Ended(Ok(Outcome::Verified(report))) if !report.ok && model.read_only => {
            ("damaged", styles.bad())
        }
        RunState::Ended(_) => return None,
    };
    Some((text.to_owned(), style))
}
