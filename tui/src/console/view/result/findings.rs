//! What a verification found: a line for each finding, and all about the one that is pointed to.
//!
//! ```text
//!  packhouse › tidal-lab/hydrophone-array › verification
//!  2 problems found in 7 packs, 240 objects, 812.0 KiB. Nothing was changed.
//!
//!   1 damaged pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//! ▸ 2 lost entity         object sha256:0e0e…
//!
//!  lost entity: the index maps it to a pack that does not hold it
//!  Found       the index maps it to this pack, which does not hold it so; restore the catalog from a backup
//!  Next        Restore the catalog's file from a backup …
//!  Entity      object sha256:0e0e…
//!  Pack        sha256:…
//! ```

use packhouse_host::{Problem, ProblemKind, VerifyReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::key_fact;
use crate::console::cells::{fit, pad, width, wrap};
use crate::console::keys::{Action, Place};
use crate::console::msg::Extent;
use crate::console::state::{Cursor, Model};
use crate::console::view::parts::{inner, long_fact, say_more, split};
use crate::console::view::{fact, key_in, room, scrolled, styled};
use crate::text::{count, escaped, plural, size};

/// Rows of what is told of one finding, where there are as many.
const DETAILS: usize = 12;
/// Cells of a kind's name.
const KINDS: usize = 19;
/// Rows of the list that stay in a low terminal.
const LISTED: usize = 3;

/// The body.
pub(super) fn draw(
    model: &Model,
    report: &VerifyReport,
    cursor: Cursor,
    frame: &mut Frame,
    area: Rect,
) -> Extent {
    let room = room(area);
    let checked = format!(
        "{}, {}, {}",
        plural(report.packs_checked, "pack"),
        plural(report.objects_checked, "object"),
        size(report.bytes_checked)
    );
    let problems = &report.problems;
    let Some(pointed) = problems.get(cursor.at(problems.len())) else {
        let mut lines = styled(
            wrap("No problems: everything is there, and is what its name says.", room),
            model.styles.good(),
        );
        lines.extend([Line::default(), fact(model.styles, "Checked", &checked, room)]);
        return scrolled(frame, area, lines, cursor.at(usize::MAX));
    };
    let found = plural(problems.len() as u64, "problem");
    let mut above = styled(
        wrap(&format!("{found} found in {checked}. Nothing was changed."), room),
        model.styles.bad(),
    );
    above.push(Line::default());
    // In a low terminal the findings matter more than what stands above them, and one of them more
    // than their list.
    above.truncate(usize::from(area.height).saturating_sub(LISTED + DETAILS / 2));
    let left = usize::from(area.height).saturating_sub(above.len());
    let listed = left.saturating_sub(DETAILS).max(left.min(LISTED)).min(problems.len());
    let ([top, rest], number) = (split(area, above.len()), width(&count(problems.len() as u64)));
    let ([list, below], first) = (split(rest, listed), cursor.first(problems.len(), listed));
    let seen = problems.iter().enumerate().skip(first).take(listed);
    let lines: Vec<Line> = seen
        .map(|(at, problem)| {
            line(model, (at, number), problem, room, at == cursor.at(problems.len()))
        })
        .collect();
    let mut details = [vec![Line::default()], details(model, pointed, room)].concat();
    let hidden = details.len().saturating_sub(usize::from(below.height));
    details.truncate(usize::from(below.height));
    say_more(&mut details, hidden);
    frame.render_widget(Paragraph::new(above), inner(top));
    frame
        .render_widget(Paragraph::new(lines), Rect { width: list.width.saturating_sub(1), ..list });
    frame.render_widget(Paragraph::new(details), inner(below));
    Extent { content: problems.len(), height: listed, first, row: list.y, ..Extent::default() }
}

/// A finding in a line, behind its number of so many cells.
fn line(
    model: &Model,
    (at, cells): (usize, usize),
    problem: &Problem,
    room: usize,
    pointed: bool,
) -> Line<'static> {
    let what =
        problem.entity.clone().or(problem.pack.map(|key| key.to_string())).unwrap_or_default();
    let mark = if pointed { "▸" } else { " " };
    let style = if pointed { Style::new() } else { model.styles.bad() };
    let line = Line::from(vec![
        Span::raw(format!("{mark}{} ", pad(&count(at as u64 + 1), cells, true))),
        Span::styled(pad(words(problem.kind).0, KINDS, false), style),
        Span::raw(fit(&escaped(&what), room.saturating_sub(cells + 1 + KINDS))),
    ]);
    if pointed { line.style(model.styles.pointed()) } else { line }
}

/// All about a finding; what to do about it comes before what can be copied.
fn details(model: &Model, problem: &Problem, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (name, meaning) = words(problem.kind);
    let mut lines = vec![Line::styled(fit(&format!("{name}: {meaning}"), room), styles.bad())];
    lines.extend(long_fact(styles, "Found", &problem.detail, room));
    lines.extend(long_fact(styles, "Next", &next(model, problem.kind), room));
    if let Some(entity) = &problem.entity {
        lines.push(fact(styles, "Entity", entity, room));
    }
    if let Some(pack) = &problem.pack {
        lines.extend(key_fact(styles, &pack.to_string(), room));
    }
    lines
}

/// A kind's name, and what it means.
const fn words(kind: ProblemKind) -> (&'static str, &'static str) {
    match kind {
        ProblemKind::MissingPack => ("missing pack", "its file is gone"),
        ProblemKind::DamagedPack => ("damaged pack", "its bytes are not what its key names"),
        ProblemKind::LostEntity => {
            ("lost entity", "the index maps it to a pack that does not hold it")
        }
        ProblemKind::UnindexedEntity => {
            ("unindexed entity", "a pack holds it, the index doesn't know it")
        }
        ProblemKind::DamagedDirectory => ("damaged directory", "it is not what its pack holds"),
        ProblemKind::DamagedCatalog => ("damaged catalog", "it is not what the packs say"),
        ProblemKind::BadBranchName => ("bad branch name", "no client can keep it"),
    }
}

/// What an operator can do about it, from what the host does: a push stores a pack again that is
/// missing or known to be damaged, a repair takes what is lost from other packs of the repo, and a
/// directory is made anew when it is needed.
fn next(model: &Model, kind: ProblemKind) -> String {
    let what = match kind {
        ProblemKind::MissingPack => {
            "Run packhouse verify --repair, push the same bytes again, or put the file back from a backup, where it is looked for."
        }
        ProblemKind::DamagedPack => {
            "Run packhouse verify --repair, push the same bytes again, or put a sound copy from a backup in its place: what `sha256sum` \
             says of it is the key."
        }
        ProblemKind::LostEntity | ProblemKind::UnindexedEntity | ProblemKind::DamagedCatalog => {
            "Stop what writes to the store, put the catalog's file back from a backup (`packhouse doctor` names its folder), and \
             push again what was pushed since."
        }
        ProblemKind::BadBranchName => {
            "Push its head to another branch, then delete it: `packhouse branch delete` takes the name as it is shown here."
        }
        ProblemKind::DamagedDirectory => {
            "Remove the .dir file of this key, beside its .mpack file: what needs it next makes it anew. Nothing is lost."
        }
    };
    format!("{what} Then press {} to verify again.", key_in(model, Place::Done, Action::Verify))
}
