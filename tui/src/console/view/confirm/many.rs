//! A plan of many repos: what they come to together, which they are, and which of the marked ones
//! are not among them.
//!
//! ```text
//!  Consolidate 12 repos?
//!  2 of them are marked but not shown: the filter hides them.
//!
//!  Packs       84 → 12
//!  Bytes       9.5 MiB → about 8.5 MiB (973.1 KiB less)
//!  Duplicates  about 973.1 KiB (10 %) are not written again
//!  Left out    3: one pack already (2), empty (1)
//!
//!  Each is planned when its turn comes, …
//!
//!  REPOS THAT THE FILTER HIDES        PACKS        SIZE DUPLICATES
//!  gabriel/notes                          7   812.0 KiB   81.2 KiB
//!  …
//!
//!  LEFT OUT
//!  gabriel/photos                     one pack already
//! ```

use packhouse_host::RepoSummary;
use ratatui::text::Line;

use crate::console::cells::{fit, pad, wrap};
use crate::console::state::{Asks, ConfirmDialog, Model, Totals, Why};
use crate::console::view::parts::long_fact;
use crate::console::view::{plain, styled};
use crate::text::{count, escaped, percent, plural, size};

/// Of many repos, no more than these are named.
const NAMED: usize = 200;
/// Cells of the numbers beside a name, and of a name at most.
const NUMBERS: [usize; 3] = [8, 12, 12];
const NAME: usize = 60;

/// All lines.
pub(super) fn lines(
    model: &Model,
    dialog: &ConfirmDialog,
    repos: &[RepoSummary],
    room: usize,
) -> Vec<Line<'static>> {
    if repos.is_empty() {
        let words = "There is nothing to do: none of the marked repos has several packs to merge.";
        return [plain(wrap(words, room)), left_out(model, dialog, room)].concat();
    }
    let number = plural(repos.len() as u64, "repo");
    let title = match dialog.asks {
        Asks::Nothing => format!("What a consolidation of {number} would do"),
        _ => format!("Consolidate {number}?"),
    };
    let mut lines = styled(wrap(&title, room), model.styles.strong());
    lines.extend(hidden(model, dialog, room));
    lines.push(Line::default());
    lines.extend(facts(model, dialog, repos, room));
    lines.push(Line::default());
    let words = "Each is planned when its turn comes, and proven before anything is replaced. One that fails stays as it is, and the others go on. The old packs stay until packhouse prune deletes them.";
    lines.extend(plain(wrap(words, room)));
    let (unseen, seen): (Vec<&RepoSummary>, _) =
        repos.iter().partition(|repo| dialog.hidden.contains(&repo.repo));
    lines.extend(named(model, "REPOS THAT THE FILTER HIDES", &unseen, room));
    lines.extend(named(model, "REPOS", &seen, room));
    lines.extend(left_out(model, dialog, room));
    lines
}

/// What they come to. Bytes are what the catalog knows; what a pack has around its records is known
/// when it is planned.
fn facts(
    model: &Model,
    dialog: &ConfirmDialog,
    repos: &[RepoSummary],
    room: usize,
) -> Vec<Line<'static>> {
    let (styles, totals) = (model.styles, Totals::of(repos));
    let again = size(totals.reclaimable);
    let part = percent(totals.reclaimable, totals.bytes)
        .map(|part| format!(" ({part} %)"))
        .unwrap_or_default();
    let after = size(totals.bytes.saturating_sub(totals.reclaimable));
    let mut facts = vec![
        ("Packs", styles.to(&count(totals.packs), &count(repos.len() as u64))),
        (
            "Bytes",
            format!("{} ({again} less)", styles.to(&size(totals.bytes), &format!("about {after}"))),
        ),
        ("Duplicates", format!("about {again}{part} are not written again")),
    ];
    if !dialog.left_out.is_empty() {
        facts.push((
            "Left out",
            format!("{}: {}", count(dialog.left_out.len() as u64), reasons(dialog)),
        ));
    }
    facts.into_iter().flat_map(|(name, value)| long_fact(styles, name, &value, room)).collect()
}

/// Why marked repos are left out, each reason with how many they are.
fn reasons(dialog: &ConfirmDialog) -> String {
    let number = |why| dialog.left_out.iter().filter(|(_, its)| *its == why).count() as u64;
    let said = Why::ALL.into_iter().map(|why| (number(why), why)).filter(|(number, _)| *number > 0);
    said.map(|(number, why)| format!("{} ({})", why.words(), count(number)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// That a yes is about repos that the list doesn't show, if it is.
pub(super) fn hidden(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    let words = match (dialog.hidden.len(), dialog.repo()) {
        (0, _) => return Vec::new(),
        (_, Some(_)) => "It is marked but not shown: the filter hides it.".to_owned(),
        (1, None) => "1 of them is marked but not shown: the filter hides it.".to_owned(),
        (hidden, None) => format!(
            "{} of them are marked but not shown: the filter hides them.",
            count(hidden as u64)
        ),
    };
    styled(wrap(&words, room), model.styles.warn())
}

/// Repos in a line each, if there are any.
fn named(model: &Model, title: &str, repos: &[&RepoSummary], room: usize) -> Vec<Line<'static>> {
    if repos.is_empty() {
        return Vec::new();
    }
    let name = room.saturating_sub(NUMBERS.iter().sum()).min(NAME);
    let row = |first: &str, numbers: [String; 3]| {
        let numbers: String =
            numbers.iter().zip(NUMBERS).map(|(number, cells)| pad(number, cells, true)).collect();
        fit(&format!("{}{numbers}", pad(first, name, false)), room)
    };
    let head = row(title, ["PACKS", "SIZE", "DUPLICATES"].map(str::to_owned));
    let mut lines = vec![Line::default(), Line::styled(head, model.styles.quiet())];
    lines.extend(repos.iter().take(NAMED).map(|repo| {
        let numbers = [count(repo.packs), size(repo.bytes), size(repo.reclaimable())];
        Line::raw(row(&escaped(&repo.repo.to_string()), numbers))
    }));
    lines.extend(more(repos.len()));
    lines
}

/// Marked repos that are not among them, and why, if there are any.
pub(super) fn left_out(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    if dialog.left_out.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::default(), Line::styled("LEFT OUT", model.styles.quiet())];
    let words = dialog.left_out.iter().map(|(_, why)| why.words().len()).max().unwrap_or_default();
    let name = room.saturating_sub(words + 2).min(NAME);
    lines.extend(dialog.left_out.iter().take(NAMED).map(|(repo, why)| {
        Line::raw(fit(
            &format!("{}  {}", pad(&escaped(&repo.to_string()), name, false), why.words()),
            room,
        ))
    }));
    lines.extend(more(dialog.left_out.len()));
    lines
}

fn more(all: usize) -> Option<Line<'static>> {
    let more = all.saturating_sub(NAMED) as u64;
    (more > 0).then(|| Line::raw(format!("and {} more", count(more))))
}
