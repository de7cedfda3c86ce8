//! The findings of a verification: a line for each, and the details of the selected one.
//!
//! ```text
//!  packhouse › tidal-lab/hydrophone-array › verification
//!  2 problems found in 7 packs, 240 objects, 812.0 KiB. Nothing was changed.
//!
//!   1 damaged pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//! ▸ 2 lost entity         object sha256:0e0e…
//!
//!  lost entity: the index refers to a pack that does not contain it
//!  Found       the index refers to this pack, which does not contain it; restore the catalog from a backup
//!  Next        Stop all writers, restore the catalog file from a backup …
//!  Entity      object sha256:0e0e…
//!  Pack        sha256:…
//! ```

use packhouse_host::{Problem, ProblemKind, Repaired, VerifyReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::console::cells::{fit, pad, width, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, Run, Work};
use crate::console::view::parts::{
    fact, inner, key_fact, long_fact, room, scrolled, split, styled, text_below,
};
use crate::console::view::table::draw_rows;
use crate::text::{capitalized, count, escaped, plural, short_id, size};

/// Rows for the details, if there are enough.
const DETAILS: usize = 12;
/// Width of the names of kinds.
const KINDS: usize = 19;
/// Repairs that are named.
const REPAIRED: usize = 3;
/// Minimum rows of the list in a low terminal.
const LISTED: usize = 3;

/// Draws the screen.
pub(super) fn draw(
    model: &Model,
    run: &Run,
    report: &VerifyReport,
    frame: &mut Frame,
    area: Rect,
) -> Extent {
    let (room, cursor) = (room(area), run.top);
    let checked = format!(
        "{}, {}, {}",
        plural(report.packs_checked, "pack"),
        plural(report.objects_checked, "object"),
        size(report.bytes_checked)
    );
    let problems = &report.problems;
    let Some(selected) = problems.get(cursor.at(problems.len())) else {
        let mut lines = styled(
            wrap("No problems: all packs are present and intact.", room),
            model.styles.good(),
        );
        lines.extend([Line::default(), fact(model.styles, "Checked", &checked, room)]);
        lines.extend(repaired(model, report, room, usize::MAX).0);
        if report.repaired.as_ref().is_some_and(|repaired| !repaired.is_empty()) {
            let next = "Nothing: all records of the repo can be read. Packs that were replaced are deleted by a prune.";
            lines.extend(long_fact(model.styles, "Next", next, room));
        }
        return scrolled(frame, area, lines, cursor.at(usize::MAX));
    };
    let found = plural(problems.len() as u64, "problem");
    let in_vain = model.is_left_by_repair(run);
    let found = match &report.repaired {
        _ if run.work == Work::Repair => {
            format!(
                "{found} left in {checked}: the store has no intact copy of what these lack. Push it again from a clone that has it, or restore it from a backup."
            )
        }
        None => format!("{found} found in {checked}. Nothing was changed."),
        Some(_) => format!("{found} left in {checked}."),
    };
    let mut above = styled(wrap(&found, room), model.styles.bad());
    let mut details = details(model, report, selected, in_vain, room);
    let height = usize::from(area.height);
    let needed = above.len() + 1 + problems.len() + 1 + details.len();
    let (named, others) = repaired(model, report, room, height.saturating_sub(needed));
    above.extend(named);
    details.extend(others);
    above.push(Line::default());
    // In a low terminal the findings matter more than the lines above them, and the details of one
    // more than the list.
    above.truncate(height.saturating_sub(LISTED + DETAILS / 2));
    let left = height.saturating_sub(above.len());
    let listed = left.saturating_sub(DETAILS).max(left.min(LISTED)).min(problems.len());
    let ([top, rest], number) = (split(area, above.len()), width(&count(problems.len() as u64)));
    let ([list, below], first) = (split(rest, listed), cursor.first(problems.len(), listed));
    let seen = problems.iter().enumerate().skip(first).take(listed);
    let lines: Vec<Line> = seen
        .map(|(at, problem)| {
            line(model, (at, number), problem, room, at == cursor.at(problems.len()))
        })
        .collect();
    frame.render_widget(Paragraph::new(above), inner(top));
    draw_rows(frame, list, lines, cursor.at(problems.len()).saturating_sub(first));
    let below = text_below(frame, below, details, cursor);
    let (content, height) = (problems.len(), listed);
    Extent { content, height, first, row: list.y, below, ..Extent::default() }
}

/// A finding in one line, after its number of `cells` cells.
fn line(
    model: &Model,
    (at, cells): (usize, usize),
    problem: &Problem,
    room: usize,
    selected: bool,
) -> Line<'static> {
    let what =
        problem.entity.clone().or(problem.pack.map(|key| key.to_string())).unwrap_or_default();
    let mark = if selected { "▸" } else { " " };
    let style = if selected { Style::new() } else { model.styles.bad() };
    let line = Line::from(vec![
        Span::raw(format!("{mark}{} ", pad(&count(at as u64 + 1), cells, true))),
        Span::styled(pad(labels(problem.kind).0, KINDS, false), style),
        Span::raw(fit(&escaped(&what), room.saturating_sub(cells + 1 + KINDS))),
    ]);
    if selected { line.style(model.styles.selected()) } else { line }
}

/// The details of a finding. What to do comes first: what was found may be long.
fn details(
    model: &Model,
    report: &VerifyReport,
    problem: &Problem,
    in_vain: bool,
    room: usize,
) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (name, meaning) = labels(problem.kind);
    let mut lines = vec![Line::styled(fit(&format!("{name}: {meaning}"), room), styles.bad())];
    lines.extend(long_fact(styles, "Next", &next(model, report, problem, in_vain), room));
    lines.extend(long_fact(styles, "Found", &problem.detail, room));
    if let Some(entity) = &problem.entity {
        lines.push(fact(styles, "Entity", entity, room));
    }
    if let Some(pack) = &problem.pack {
        lines.extend(key_fact(styles, &pack.to_string(), room));
    }
    lines
}

/// The name of a kind, and its meaning.
const fn labels(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::MissingPack => ("missing pack", "its file is missing"),
        ProblemKind::DamagedPack => ("damaged pack", "its bytes don't match its key"),
        ProblemKind::LostEntity => {
            ("lost entity", "the index refers to a pack that does not contain it")
        }
        ProblemKind::UnindexedEntity => {
            ("unindexed entity", "a pack contains it, but the index does not")
        }
        ProblemKind::DamagedDirectory => ("damaged directory", "it does not match its pack"),
        ProblemKind::DamagedCatalog => ("damaged catalog", "it does not match the packs"),
        ProblemKind::BadBranchName => ("bad branch name", "clients can't use it"),
    }
}

/// What an operator can do. A push stores missing and damaged packs again, a repair takes lost
/// records from wherever the store has them, and a directory is created again when it is needed.
fn next(model: &Model, report: &VerifyReport, problem: &Problem, in_vain: bool) -> String {
    let repair = model.keymap.key_in(Focus::Done, Action::Repair);
    let repair = match in_vain || repair.is_empty() {
        true => String::new(),
        false => format!(
            "Press {repair} to repair it from intact copies in the store. If there are none: "
        ),
    };
    let pack = problem.pack.map(|key| format!(", the file of pack {}", short_id(&key.hex())));
    let push = format!(
        "push the same bytes again: packhouse push {} FILE{}",
        report.repo,
        pack.unwrap_or_default()
    );
    let what = match problem.kind {
        ProblemKind::MissingPack => {
            format!("{repair}{push}; or restore the file from a backup.")
        }
        ProblemKind::DamagedPack => {
            format!(
                "{repair}{push}; or restore the file from a backup: its `sha256sum` is the key."
            )
        }
        ProblemKind::LostEntity | ProblemKind::UnindexedEntity | ProblemKind::DamagedCatalog => {
            "Stop all writers, restore the catalog file from a backup (`packhouse doctor` shows its folder), and \
             push again what was pushed since."
                .to_owned()
        }
        ProblemKind::BadBranchName => {
            "Push its head to another branch, then delete this one with `packhouse branch delete` and the name as displayed here."
                .to_owned()
        }
        ProblemKind::DamagedDirectory => {
            "Delete the .dir file of this key, next to its .mpack file; it is created again when needed. Nothing is lost."
                .to_owned()
        }
    };
    format!(
        "{} Then press {} to verify again.",
        capitalized(&what),
        model.keymap.key_in(Focus::Done, Action::Verify)
    )
}

/// What was repaired. If it takes more than `left` lines, only the first repairs, which leave room
/// for what is not repaired; and the others, for the text below.
fn repaired(
    model: &Model,
    report: &VerifyReport,
    room: usize,
    left: usize,
) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let all = report.repaired.as_deref().unwrap_or_default();
    let lines = |repaired: &[Repaired]| -> Vec<Line<'static>> {
        let line = |repaired: &Repaired| {
            let what = repaired.pack.map_or_else(|| "the index".to_owned(), |key| key.to_string());
            let text = format!("{what}: {}", repaired.detail);
            long_fact(model.styles, "Repaired", &text, room)
        };
        repaired.iter().flat_map(line).collect()
    };
    let whole = lines(all);
    if all.len() <= REPAIRED || whole.len() <= left {
        return (whole, Vec::new());
    }
    let (first, others) = all.split_at(REPAIRED);
    let more = format!("and {} more", count(others.len() as u64));
    let mut named = lines(first);
    named.push(fact(model.styles, "Repaired", &more, room));
    (named, lines(others))
}
