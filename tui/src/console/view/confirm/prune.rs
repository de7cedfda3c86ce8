//! The question whether to delete packs that no repo needs.
//!
//! ```text
//!  packhouse › prune › 40 packs
//!  Delete 40 packs, 590.0 MiB?
//!
//!  Replaced    12 to 300 days ago
//!  Repos       gabriel/notes, studio/album and 7 more
//!
//!  No repo needs them. The packs that replace them are read first …
//!
//!  [ Cancel ]  Esc
//!  To confirm, type 40 and press Enter: ▏
//! ```

use std::collections::BTreeSet;

use packhouse_host::{PackFate, PruneReport, ReplacedPack};
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::Model;
use crate::console::view::parts::{long_fact, plain, styled};
use crate::text::{count, plural, size, time};

/// Repos that are named.
const NAMED: usize = 8;

pub(super) fn lines(model: &Model, report: &PruneReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (packs, bytes) = (plural(report.packs_deleted, "pack"), size(report.bytes_deleted));
    let mut lines = styled(wrap(&format!("Delete {packs}, {bytes}?"), room), styles.strong());
    lines.push(Line::default());
    let due: Vec<&ReplacedPack> =
        report.packs.iter().filter(|pack| pack.fate == PackFate::Due).collect();
    if let Some(last) = due.iter().map(|pack| pack.replaced_at).max() {
        let last = format!("until {}, more than 8 days ago", time(last));
        lines.extend(long_fact(styles, "Replaced", &last, room));
    }
    lines.extend(long_fact(styles, "Repos", &repos(&due), room));
    if report.packs_kept > 0 {
        let kept = format!("{}: may be the last good copies", plural(report.packs_kept, "pack"));
        lines.extend(long_fact(styles, "Kept", &kept, room));
    }
    lines.push(Line::default());
    let message = "No repo needs them. The packs that replace them are read and hashed first; \
        where one is missing or damaged, what it replaces is kept. Deleted packs can't be restored.";
    lines.extend(plain(wrap(message, room)));
    if due.iter().any(|pack| pack.repos.is_empty()) {
        let message = "Deleted repos whose packs are deleted can't be restored any more.";
        lines.extend(styled(wrap(message, room), styles.warn()));
    }
    lines
}

/// The first of the repos that had them, and how many others.
fn repos(packs: &[&ReplacedPack]) -> String {
    let names: BTreeSet<_> = packs.iter().flat_map(|pack| &pack.repos).collect();
    let mut named: Vec<String> = names.iter().take(NAMED).map(ToString::to_string).collect();
    if packs.iter().any(|pack| pack.repos.is_empty()) {
        named.push("deleted repos".to_owned());
    }
    match names.len().saturating_sub(NAMED) as u64 {
        0 => named.join(", "),
        more => format!("{} and {} more", named.join(", "), count(more)),
    }
}
