//! The files of a commit, by path.
//!
//! ```text
//!  packhouse › gabriel/notes › 293c2e0f1a2b › files
//!  bridge, first take · 120 files in takes
//!  OBJECT        PATH
//! ▸9f86d081884c  takes/bridge_01.wav
//!  60303ae22b99  takes/bridge_02.wav
//!
//!  Object      sha256:9f86d081884c…
//!
//!  Enter open  / search  i record  Esc back
//! ```

use packhouse_host::CommittedFile;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::commits::digits;
use super::details::details_below;
use super::parts::{failure_above, id_fact, inner, joined, long_fact, plain, room, split, styled};
use crate::console::cells::{fit, middle, pad, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Files, Model, RECONNECTING};
use crate::text::{count, escaped, plural, short_id};

/// Width of an ID without the name of the hash, with the blanks after it.
const ID: usize = 14;

/// Draws the screen.
pub(super) fn draw(model: &Model, files: &Files, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = vec![sums(model, files, room)];
    if let Some(snapshot) = &files.missing_snapshot {
        let snapshot = short_id(snapshot);
        let note = format!(
            "The history is shallow: files that only snapshot {} lists are left out.",
            escaped(&snapshot)
        );
        above.extend(styled(wrap(&note, room), styles.warn()));
    }
    if let Some(refused) = &files.refused {
        above.extend(styled(wrap(&escaped(&refused.message), room), styles.warn()));
    }
    let (failure, is_empty) = (files.pages.failure.as_ref(), files.pages.entries.is_empty());
    above.extend(failure_above(styles, "Listing the files", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = files.pages.current() else {
        let nothing = plain(wrap(&nothing(model, files), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let mut facts = long_fact(styles, "Path", &current.path, room);
    facts.extend(id_fact(styles, "Object", &current.object, room));
    let detailed = details_below(frame, below, facts, files.pages.cursor);
    let head = Line::styled(format!(" {}PATH", pad("OBJECT", ID, false)), styles.quiet());
    let wide = usize::from(area.width).saturating_sub(1 + ID);
    let row = |_, file: &CommittedFile, selected: bool| {
        let path = pad(&middle(&escaped(&file.path), wide), wide, false);
        let tone = if selected { Style::new() } else { styles.quiet() };
        let line = Line::from(vec![
            Span::raw(if selected { "▸" } else { " " }),
            Span::styled(pad(&digits(&file.object), ID, false), tone),
            Span::raw(path),
        ]);
        if selected { line.style(styles.selected()) } else { line }
    };
    detailed.draw(frame, head, files.pages.entries.iter(), row)
}

/// What the commit says, how many files are loaded, and which.
fn sums(model: &Model, files: &Files, room: usize) -> Line<'static> {
    let styles = model.styles;
    let mut parts = Vec::new();
    if let Some(subject) = files.subject.as_deref().filter(|subject| !subject.is_empty()) {
        parts.push(Span::styled(fit(&escaped(subject), room / 2), styles.strong()));
    }
    if files.pages.known {
        let number = files.pages.entries.len() as u64;
        let number = match files.pages.is_complete() {
            true => plural(number, "file"),
            false => format!("the first {} files", count(number)),
        };
        let number = match files.path() {
            "" => number,
            path => format!("{number} in {}", fit(&escaped(path), room / 3)),
        };
        parts.push(Span::raw(match files.text() {
            "" => number,
            text => format!("{number} matching “{}”", fit(&escaped(text), room / 3)),
        }));
        if !files.text().is_empty() && !files.pages.is_complete() {
            parts.push(Span::raw(format!("{} searched", count(files.searched))));
        }
    }
    if files.pages.loading.is_some() {
        let loading = if model.is_disconnected() { RECONNECTING } else { "loading …" };
        parts.push(Span::styled(loading, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, files: &Files) -> String {
    let key = |action| model.keymap.key_in(Focus::Files, action);
    match (files.pages.known, &files.pages.failure) {
        (_, Some(_)) => format!("Press {} to retry.", key(Action::Refresh)),
        (false, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, None) => "Listing the files …".to_owned(),
        (true, None) if !files.text().is_empty() => {
            let so_far = if files.pages.is_complete() { "" } else { " so far" };
            let (text, key) = (escaped(files.text()), key(Action::Filter));
            format!("No matches{so_far} for “{text}”. {key} searches for something else.")
        }
        (true, None) => "The commit has no files.".to_owned(),
    }
}
