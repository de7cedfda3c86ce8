//! The question before a consolidation.
//!
//! ```text
//!  ┌ Consolidate gabriel/notes? ──────────────────────────────────────┐
//!  │ 7 packs (812.0 KiB) become 1 (773.4 KiB).                        │
//!  │ It holds all that the repo has:                                  │
//!  │ 112 objects, 16 commits, 16 snapshots, 0 tags.                   │
//!  │ 34 records that stand in several packs are written once.         │
//!  │ The old packs stay in storage until they are pruned.             │
//!  │ Plan sha256:1f0a…                                                │
//!  │                                                                  │
//!  │ [ Cancel ]   press y to consolidate                              │
//!  └──────────────────────────────────────────────────────────────────┘
//! ```

use packhouse_host::GcReport;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::repo::holds;
use super::{dialog, failure_lines, plain};
use crate::console::state::{Gate, GateState, Model, step_words};
use crate::console::words::{fit, many, safe, size, wrap};

/// Draws it over the body.
pub(super) fn draw(model: &Model, gate: &Gate, frame: &mut Frame, area: Rect) {
    let room = dialog::room(area);
    let cancel = Span::styled("[ Cancel ]", model.theme.pointed());
    let close = Span::styled("[ Close ]", model.theme.pointed());
    let (mut lines, buttons) = match &gate.state {
        GateState::Planning(step) => {
            let step = step.as_ref().map_or_else(|| "planning …".to_owned(), step_words);
            (plain(wrap(&format!("Looking at what there is to do: {step}"), room)), vec![cancel])
        }
        GateState::Ready(report) => (plan(report, room), vec![cancel, Span::raw("   press y to consolidate")]),
        GateState::Idle(report) => {
            let words = match report.packs_before {
                0 => "There is nothing to do: the repo is empty.",
                _ => "There is nothing to do: the repo is one pack already.",
            };
            (plain(wrap(words, room)), vec![close])
        }
        GateState::Failed(failure) => (failure_lines(model.theme, "planning", failure, room), vec![close]),
    };
    lines.extend([Line::default(), Line::from(buttons)]);
    dialog::draw(frame, area, &format!("Consolidate {}?", gate.repo), model.theme.warn(), lines, 2);
}

fn plan(report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let packs = many(report.packs_before, "pack");
    let mut words = vec![
        format!("{packs} ({}) become {} ({}).", size(report.bytes_before), report.packs_after, size(report.bytes_after)),
        format!("Nothing is lost: {}.", holds(report.objects, report.commits, report.snapshots, report.tags)),
    ];
    if report.duplicates_dropped > 0 {
        words.push(format!("{} that others repeat are not written again.", many(report.duplicates_dropped, "record")));
    }
    words.push(
        "Everything is proven before the new pack is used, and the old packs stay in storage until they are pruned.".to_owned(),
    );
    let mut lines: Vec<Line<'static>> = words.iter().flat_map(|words| plain(wrap(words, room))).collect();
    if let Some(digest) = &report.plan_digest {
        lines.push(Line::raw(fit(&format!("Plan {}", safe(digest)), room)));
    }
    lines
}
