//! A plan for many repos: their sums, their names, and which of the marked repos are skipped.
//!
//! ```text
//!  Consolidate 12 repos?
//!  2 marked repos are hidden by the filter.
//!
//!  Packs       84 → 12 (full: one for each repo)
//!  Bytes       9.5 MiB → about 8.5 MiB (973.1 KiB less)
//!  Duplicates  about 973.1 KiB (10 %) removed
//!  Skipped     3: one pack already (2), empty (1)
//!
//!  Each repo is planned and verified separately. …
//!
//!  REPOS HIDDEN BY THE FILTER         PACKS        SIZE DUPLICATES
//!  gabriel/notes                          7   812.0 KiB   81.2 KiB
//!  …
//!
//!  SKIPPED
//!  gabriel/photos                     one pack already
//! ```

use packhouse_host::RepoSummary;
use ratatui::text::Line;

use crate::console::cells::{fit, pad, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Asks, ConfirmDialog, Model, Totals, Why};
use crate::console::view::parts::{kept_until, long_fact, plain, styled};
use crate::text::{count, escaped, percent, plural, size};

/// Maximum number of repos in a list.
const MAX_NAMED: usize = 200;
/// Widths of the numbers beside a name, and the maximum width of a name.
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
        let message = "Nothing to do: none of the marked repos has more than one pack.";
        return [plain(wrap(message, room)), left_out(model, dialog, room)].concat();
    }
    let number = plural(repos.len() as u64, "repo");
    let title = match dialog.asks {
        Asks::Nothing => format!("Plan for {number}"),
        _ => format!("Consolidate {number}?"),
    };
    let mut lines = styled(wrap(&title, room), model.styles.strong());
    lines.extend(hidden(model, dialog, room));
    lines.extend(damaged(model, repos, room));
    lines.push(Line::default());
    lines.extend(facts(model, dialog, repos, room));
    lines.push(Line::default());
    let message = format!(
        "Each repo is planned and verified separately. A repo that fails stays unchanged, and the others continue. Old packs are {}.",
        kept_until(model)
    );
    lines.extend(plain(wrap(&message, room)));
    let (unseen, seen): (Vec<&RepoSummary>, _) =
        repos.iter().partition(|repo| dialog.hidden.contains(&repo.repo));
    lines.extend(named(model, "REPOS HIDDEN BY THE FILTER", &unseen, room));
    lines.extend(named(model, "REPOS", &seen, room));
    lines.extend(left_out(model, dialog, room));
    lines
}

/// That some of them have known damage, at which their runs will stop.
fn damaged(model: &Model, repos: &[RepoSummary], room: usize) -> Vec<Line<'static>> {
    let message = match repos.iter().filter(|repo| repo.damaged > 0).count() as u64 {
        0 => return Vec::new(),
        1 => "1 of them has known damage: its run stops there, and changes nothing.".to_owned(),
        damaged => format!(
            "{} of them have known damage: their runs stop there, and change nothing.",
            count(damaged)
        ),
    };
    let repair = match model.keymap.key_in(Focus::Repos, Action::Repair) {
        key if key.is_empty() => "with packhouse verify --repair".to_owned(),
        key => format!("with {key} on the list"),
    };
    styled(wrap(&format!("{message} Repair first, {repair}."), room), model.styles.warn())
}

/// The sums. Bytes are those of the catalog; the overhead of packs is only known after planning.
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
        (
            "Packs",
            format!(
                "{} (full: one for each repo)",
                styles.to(&count(totals.packs), &count(repos.len() as u64))
            ),
        ),
        (
            "Bytes",
            format!("{} ({again} less)", styles.to(&size(totals.bytes), &format!("about {after}"))),
        ),
        ("Duplicates", format!("about {again}{part} removed")),
    ];
    if !dialog.left_out.is_empty() {
        facts.push((
            "Skipped",
            format!("{}: {}", count(dialog.left_out.len() as u64), reasons(dialog)),
        ));
    }
    facts.into_iter().flat_map(|(name, value)| long_fact(styles, name, &value, room)).collect()
}

/// Why marked repos are skipped, with their number per reason.
fn reasons(dialog: &ConfirmDialog) -> String {
    let number = |why| dialog.left_out.iter().filter(|(_, its)| *its == why).count() as u64;
    let counted =
        Why::ALL.into_iter().map(|why| (number(why), why)).filter(|(number, _)| *number > 0);
    counted
        .map(|(number, why)| format!("{} ({})", why.label(), count(number)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// A warning that the filter hides some of the repos.
pub(super) fn hidden(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    let message = match (dialog.hidden.len(), dialog.repo()) {
        (0, _) => return Vec::new(),
        (_, Some(_)) => "This marked repo is hidden by the filter.".to_owned(),
        (1, None) => "1 marked repo is hidden by the filter.".to_owned(),
        (hidden, None) => {
            format!("{} marked repos are hidden by the filter.", count(hidden as u64))
        }
    };
    styled(wrap(&message, room), model.styles.warn())
}

/// A list of repos, if there are any.
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
    lines.extend(repos.iter().take(MAX_NAMED).map(|repo| {
        let numbers = [count(repo.packs), size(repo.bytes), size(repo.reclaimable())];
        Line::raw(row(&escaped(&repo.repo.to_string()), numbers))
    }));
    lines.extend(more(repos.len()));
    lines
}

/// The skipped repos, if there are any, with the reasons.
pub(super) fn left_out(model: &Model, dialog: &ConfirmDialog, room: usize) -> Vec<Line<'static>> {
    if dialog.left_out.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::default(), Line::styled("SKIPPED", model.styles.quiet())];
    let reason = dialog.left_out.iter().map(|(_, why)| why.label().len()).max().unwrap_or_default();
    let name = room.saturating_sub(reason + 2).min(NAME);
    lines.extend(dialog.left_out.iter().take(MAX_NAMED).map(|(repo, why)| {
        Line::raw(fit(
            &format!("{}  {}", pad(&escaped(&repo.to_string()), name, false), why.label()),
            room,
        ))
    }));
    lines.extend(more(dialog.left_out.len()));
    lines
}

fn more(all: usize) -> Option<Line<'static>> {
    let more = all.saturating_sub(MAX_NAMED) as u64;
    (more > 0).then(|| Line::raw(format!("and {} more", count(more))))
}
