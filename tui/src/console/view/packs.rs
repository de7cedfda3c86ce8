//! The table of packs of a repo: which columns fit, and their content.

use packhouse_host::PackReport;
use ratatui::text::Line;

use crate::console::cells::{fit, pad};
use crate::console::state::{Model, pack_state};
use crate::text::{ago, count, percent, size};

/// Minimum width of a key, and the width of a whole key.
const KEY: usize = 15;
const KEY_WHOLE: usize = 71;
/// Keys cut to less are displayed without the name of the hash.
const KEY_NAMED: usize = 20;

/// The columns beside the key, the most important first. Widths include two cells before each.
const COLUMNS: [(What, &str, usize); 6] = [
    (What::Size, "SIZE", 12),
    (What::State, "STATE", 20),
    (What::Needed, "NEEDED", 9),
    (What::Stored, "STORED", 16),
    (What::Records, "RECORDS", 11),
    (What::Since, "REPLACED", 16),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Size,
    State,
    Needed,
    Stored,
    Records,
    Since,
}

/// The columns that fit.
pub(super) struct Packs {
    key: usize,
    beside: &'static [(What, &'static str, usize)],
}

impl Packs {
    /// The columns of a table of this width.
    pub(super) fn of(room: usize) -> Packs {
        let (mut key, mut beside) = (room, 0);
        while let Some((_, _, width)) =
            COLUMNS.get(beside).filter(|(_, _, width)| key >= KEY + width)
        {
            key -= width;
            beside += 1;
        }
        Packs { key: key.min(KEY_WHOLE), beside: &COLUMNS[..beside] }
    }

    /// The names of the columns.
    pub(super) fn head(&self) -> String {
        let beside = self.beside.iter().map(|(what, head, width)| cell(*what, head, *width));
        pad("PACKS", self.key, false) + &beside.collect::<String>()
    }

    /// The row of a pack.
    pub(super) fn row(&self, model: &Model, pack: &PackReport, damaged: bool) -> Line<'static> {
        let key = pack.key.to_string();
        let key =
            if self.key < KEY_NAMED { key.strip_prefix("sha256:").unwrap_or(&key) } else { &key };
        let text = |what| match what {
            What::Size => size(pack.bytes),
            What::State => pack_state(pack, damaged).to_owned(),
            What::Needed => needed(pack),
            What::Stored => ago(model.now, pack.stored_at),
            What::Records => count(pack.records),
            What::Since => pack.retired_at.map(|at| ago(model.now, at)).unwrap_or_default(),
        };
        let beside = self.beside.iter().map(|(what, _, width)| cell(*what, &text(*what), *width));
        let line =
            Line::raw(pad(&fit(key, self.key), self.key, false) + &beside.collect::<String>());
        match pack.retired_at {
            _ if damaged => line.style(model.styles.bad()),
            Some(_) => line.style(model.styles.quiet()),
            None => line,
        }
    }
}

fn cell(what: What, text: &str, width: usize) -> String {
    let numbers = matches!(what, What::Size | What::Needed | What::Records);
    format!("  {}", pad(text, width - 2, numbers))
}

/// The share of a pack that the repo needs from it. The catalog does not count the overhead around
/// records, so only a pack of which every record is needed has 100 %.
pub(super) fn needed(pack: &PackReport) -> String {
    let share = match percent(pack.needed_bytes, pack.bytes) {
        _ if pack.needed_records >= pack.records && pack.records > 0 => Some(100),
        share => share.map(|share| share.min(99)),
    };
    share.map(|share| format!("{share} %")).unwrap_or_default()
}
