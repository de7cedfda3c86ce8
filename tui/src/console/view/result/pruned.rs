//! The result of a prune.
//!
//! ```text
//!  packhouse › the store › prune
//!  40 packs deleted, 590.0 MiB.
//!
//!  Waiting     12 packs, 80.1 MiB; the next is due 2026-07-03 11:20 UTC
//!
//!  KEPT
//!  gabriel/notes
//!    sha256:1f…
//!    pack sha256:2e…, which replaces it, is damaged: …
//! ```

use packhouse_host::PruneReport;
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::Model;
use crate::console::update::pruned;
use crate::console::view::parts::{heading, long_fact, plain, styled};
use crate::text::{escaped, plural, size, time};

pub(super) fn lines(model: &Model, report: &PruneReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let style = if report.kept.is_empty() { styles.good() } else { styles.bad() };
    let mut lines = styled(wrap(&format!("{}.", pruned(report)), room), style);
    lines.push(Line::default());
    if report.packs_waiting > 0 {
        let packs = plural(report.packs_waiting, "pack");
        let due = report.next_due.map(time).unwrap_or_default();
        let text = format!("{packs}, {}; the next is due {due}", size(report.bytes_waiting));
        lines.extend(long_fact(styles, "Waiting", &text, room));
    }
    if report.answers_deleted > 0 {
        let expired = plural(report.answers_deleted, "expired fetch result");
        lines.extend(long_fact(styles, "Besides", &format!("{expired} deleted"), room));
    }
    if !report.kept.is_empty() {
        lines.extend(heading(model, "KEPT: MAY BE THE LAST GOOD COPY"));
    }
    for kept in &report.kept {
        lines.extend(plain(wrap(&escaped(&kept.repo.to_string()), room)));
        for text in [kept.pack.to_string(), escaped(&kept.detail)] {
            let indented = wrap(&text, room.saturating_sub(2)).into_iter();
            lines.extend(indented.map(|line| Line::raw(format!("  {line}"))));
        }
    }
    lines
}
