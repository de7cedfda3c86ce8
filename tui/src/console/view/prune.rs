//! The packs that no repo needs: which may go, why, and when the rest is due.
//!
//! ```text
//!  packhouse › prune                                                       ! 590.0 MiB to prune
//!  40 packs, 590.0 MiB due · 12 packs, 80.1 MiB waiting · 1 kept
//!  REPO                             SIZE  DUE      REPLACED         PACK
//! ▸gabriel/notes                12.1 MiB  now      12 days ago      1f0a55…
//!  a deleted repo                3.0 MiB  now      9 days ago       77e1b0…
//!  studio/album                 40.2 MiB  in 3d    5 days ago       c0ffee…
//!
//!  Pack        sha256:1f0a55…
//!  Why         gabriel/notes: a consolidation replaced it 2026-06-19 12:00 UTC
//!  Due         since 2026-06-27 12:00 UTC
//!
//!  p prune  Enter open  Esc back
//! ```

use packhouse_host::{PackFate, PruneReport, ReplacedPack};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::jobs::age;
use super::parts::{
    failure_above, inner, joined, key_fact, loading, long_fact, plain, room, split, styled,
};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model};
use crate::text::{ago, count, escaped, plural, size, time};

/// The columns beside the repo, the most important first.
const COLUMNS: [Beside; 4] = [
    Beside { head: "SIZE", width: 12, numbers: true },
    Beside { head: "DUE", width: 9, numbers: false },
    Beside { head: "REPLACED", width: 16, numbers: false },
    Beside { head: "PACK", width: 14, numbers: false },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (prune, room) = (&model.prune, room(area));
    let (packs, failure) = (prune.packs(), prune.failure.as_ref());
    let mut above = sums(model, room);
    above.extend(failure_above(model.styles, "Listing them", failure, packs.is_empty(), room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = prune.current() else {
        frame.render_widget(Paragraph::new(nothing(model, room)), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, current, room), prune.cursor);
    let table = Table::of("REPO", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, pack: &ReplacedPack, selected| {
        table.row(model.styles, &of(pack), |head| cell(model, pack, head), selected)
    };
    detailed.draw(frame, table.head(model.styles), packs.iter(), row)
}

/// How many packs are due, wait and are kept, and what is not listed.
fn sums(model: &Model, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let Some(report) = model.prune.report() else {
        return vec![loading(model, &model.prune.pace)];
    };
    let packs = |number, bytes| format!("{}, {}", plural(number, "pack"), size(bytes));
    let mut parts = vec![match report.packs_deleted {
        0 => ("nothing is due".to_owned(), styles.good()),
        due => (format!("{} due", packs(due, report.bytes_deleted)), styles.warn()),
    }];
    if report.packs_waiting > 0 {
        let waiting = packs(report.packs_waiting, report.bytes_waiting);
        parts.push((format!("{waiting} waiting"), Style::new()));
    }
    if report.packs_kept > 0 {
        let kept = report.packs.iter().filter(|pack| pack.fate == PackFate::Kept);
        let kept: Vec<u64> = kept.map(|pack| pack.bytes).collect();
        // Others are kept, too: expired answers, orphans, and what the list leaves out.
        let text = match kept.len() as u64 == report.packs_kept {
            true => packs(report.packs_kept, kept.iter().sum()),
            false => count(report.packs_kept),
        };
        parts.push((format!("{text} kept"), styles.bad()));
    }
    let spans = parts.into_iter().map(|(text, style)| Span::styled(text, style));
    let mut lines = vec![joined(styles, spans)];
    lines.extend(styled(
        notes(model, report).iter().flat_map(|note| wrap(note, room)).collect(),
        styles.quiet(),
    ));
    lines
}

/// What a prune deletes besides, what it leaves, and what the list leaves out.
fn notes(model: &Model, report: &PruneReport) -> Vec<String> {
    let mut notes = Vec::new();
    let pending =
        model.health.known.and_then(|health| health.packs).map(|packs| packs.pending_bytes);
    // Where repos share packs, their sums are more than this list.
    if pending.is_some_and(|pending| model.repos.totals().waiting > pending) {
        notes.push(
            "Packs that a repo has replaced and another still needs are not listed".to_owned(),
        );
    }
    if report.orphans > 0 {
        let orphans = plural(report.orphans, "pack");
        let bytes = size(report.orphan_bytes);
        notes.push(format!(
            "Orphans: {orphans}, {bytes}, that no repo knows; packhouse prune --orphans deletes old ones"
        ));
    }
    if report.answers_deleted > 0 {
        let expired = plural(report.answers_deleted, "expired fetch result");
        notes.push(format!("{expired} can be deleted, too"));
    }
    let all = report.packs_deleted + report.packs_kept + report.packs_waiting;
    if all > report.packs.len() as u64 {
        notes.push(format!("The first {} packs are listed", count(report.packs.len() as u64)));
    }
    notes
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, room: usize) -> Vec<Line<'static>> {
    let key = model.keymap.key_in(Focus::Prune, Action::Refresh);
    match (model.prune.report(), &model.prune.failure) {
        (None, Some(_)) => plain(wrap(&format!("Press {key} to retry."), room)),
        (None, None) if model.is_disconnected() => plain(wrap("Reconnecting …", room)),
        (None, None) => plain(wrap("Looking for packs that no repo needs …", room)),
        (Some(_), _) => {
            let message = "No pack waits to be deleted. Consolidations replace packs; 8 days later \
                they can be deleted.";
            styled(wrap(message, room), model.styles.good())
        }
    }
}

/// The repo that had it, escaped, and how many others.
fn of(pack: &ReplacedPack) -> String {
    match &pack.repos[..] {
        [] => "a deleted repo".to_owned(),
        [one] => escaped(&one.to_string()),
        [one, more @ ..] => format!("{} +{}", escaped(&one.to_string()), more.len()),
    }
}

fn cell(model: &Model, pack: &ReplacedPack, head: &str) -> (String, Style) {
    match head {
        "SIZE" => (size(pack.bytes), Style::new()),
        "DUE" => match pack.fate {
            PackFate::Due => ("now".to_owned(), model.styles.warn()),
            PackFate::Kept => ("kept".to_owned(), model.styles.bad()),
            PackFate::Waiting => (format!("in {}", age(pack.due_at, model.now)), Style::new()),
        },
        "REPLACED" => (ago(model.now, pack.replaced_at), Style::new()),
        // Without the name of the hash, like the file name.
        _ => (pack.pack.hex(), Style::new()),
    }
}

/// The selected pack in full: its key, who had it, and when or why not it may go.
fn facts(model: &Model, pack: &ReplacedPack, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = key_fact(styles, &pack.pack.to_string(), room);
    let at = time(pack.replaced_at);
    let why = match &pack.repos[..] {
        [] => format!("its repos were deleted, the last {at}"),
        [one] => format!("{one} has replaced it, {at}"),
        many => {
            let names: Vec<String> = many.iter().map(ToString::to_string).collect();
            format!("{} have replaced it, the last {at}", names.join(", "))
        }
    };
    lines.extend(long_fact(styles, "Why", &why, room));
    let due = match pack.fate {
        PackFate::Due => format!("since {}", time(pack.due_at)),
        PackFate::Waiting => format!("{}, 8 days after that", time(pack.due_at)),
        PackFate::Kept => kept(model, pack),
    };
    lines.extend(long_fact(
        styles,
        if pack.fate == PackFate::Kept { "Kept" } else { "Due" },
        &due,
        room,
    ));
    lines
}

/// Why a pack is kept.
fn kept(model: &Model, pack: &ReplacedPack) -> String {
    let kept = model.prune.report().and_then(|report| {
        report.kept.iter().find(|kept| kept.pack == pack.pack).map(|kept| kept.detail.clone())
    });
    kept.unwrap_or_else(|| "it may be the last good copy of something".to_owned())
}
