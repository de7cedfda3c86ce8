//! The policies: the default, and for each repo with several packs which applies, and whether it is due.
//!
//! ```text
//!  packhouse › policies
//!  Default     consolidated when it has more than 50 packs, or when a pack has waited for 30d
//!  2 of 40 repos are due · sorted by DUE
//!  REPO                      DUE             PACKS        SIZE  POLICY   WHY
//! ▸city-archive/radio-1974  yes, full         315     3.5 GiB  default  315 packs, more than 50
//!  aster-studio/evening     no                199     2.5 GiB  own
//!
//!  Policy      its own: no automatic consolidation
//!
//!  Enter open  e edit policy  E edit default  s sort  / search  Esc back
//! ```

use packhouse_host::PolicyCheck;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::parts::{failure_above, inner, loading, long_fact, plain, room, split};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model};
use crate::text::{count, escaped, plural, rules, size};

/// The columns beside the repo, the most important first, and those of a wide terminal.
const COLUMNS: [Beside; 4] = [DUE, PACKS, SIZE, POLICY];
const WIDE: [Beside; 5] = [DUE, PACKS, SIZE, POLICY, WHY];

const DUE: Beside = Beside { head: "DUE", width: 15, numbers: false };
const PACKS: Beside = Beside { head: "PACKS", width: 8, numbers: true };
const SIZE: Beside = Beside { head: "SIZE", width: 12, numbers: true };
const POLICY: Beside = Beside { head: "POLICY", width: 9, numbers: false };
const WHY: Beside = Beside { head: "WHY", width: 20, numbers: false };

/// From so many cells on, the reasons have a column. They are below the list in any case.
const ROOMY: usize = 110;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (policies, room) = (&model.policies, room(area));
    let mut above = sums(model, room);
    let (failure, is_empty) = (policies.failure.as_ref(), policies.len() == 0);
    above.extend(failure_above(model.styles, "Checking them", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = policies.current() else {
        let nothing = plain(wrap(&nothing(model), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, current, room), policies.cursor);
    let width = usize::from(area.width).saturating_sub(1);
    let columns: &'static [Beside] = if width < ROOMY { &COLUMNS } else { &WIDE };
    let table = Table::of("REPO", columns, width);
    let row = |_, check: &PolicyCheck, selected| {
        let name = escaped(&check.repo.to_string());
        table.row(model.styles, &name, |head| cell(model, check, head), selected)
    };
    detailed.draw(frame, table.head(model.styles), policies.shown(), row)
}

/// The default policy, how many repos are due, and what is displayed.
fn sums(model: &Model, room: usize) -> Vec<Line<'static>> {
    let (styles, policies) = (model.styles, &model.policies);
    let Some(default) = &policies.default else {
        return vec![loading(model, &policies.pace)];
    };
    let mut lines = long_fact(styles, "Default", &rules(&default.policy), room);
    let (due, all) = policies.counts();
    let style = if due > 0 { styles.warn() } else { styles.good() };
    let packs = format!("{} of {} with several packs due", count(due), plural(all, "repo"));
    let mut spans = vec![Span::styled(packs, style)];
    spans.push(Span::styled(format!(" · sorted by {}", policies.order.head()), styles.quiet()));
    if !policies.text().is_empty() {
        let matching =
            format!(" · {} matching “{}”", count(policies.len() as u64), policies.text());
        spans.push(Span::styled(escaped(&matching), styles.strong()));
    }
    lines.push(Line::from(spans));
    lines
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model) -> String {
    let key = |action| model.keymap.key_in(Focus::Policies, action);
    let policies = &model.policies;
    match (&policies.default, &policies.failure) {
        (None, Some(_)) => format!("Press {} to retry.", key(Action::Refresh)),
        (None, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (None, None) => "Checking the repos against their policies …".to_owned(),
        (Some(_), _) if policies.counts().1 == 0 => {
            let edit = model.keymap.key_in(Focus::Repos, Action::EditPolicy);
            let due = "No repo has more than one pack, so none can be due.";
            match edit.is_empty() {
                true => due.to_owned(),
                false => format!("{due} {edit} in the list of repos edits the policy of any repo."),
            }
        }
        (Some(_), _) => {
            format!("No repo matches. Press {} to change the search.", key(Action::Filter))
        }
    }
}

fn cell(model: &Model, check: &PolicyCheck, head: &str) -> (String, Style) {
    let plain = |text: String| (text, Style::new());
    match head {
        "DUE" if check.due => (format!("yes, {}", kind(check)), model.styles.warn()),
        "DUE" => ("no".to_owned(), model.styles.good()),
        "PACKS" => plain(count(check.packs)),
        "SIZE" => plain(size(check.bytes)),
        "POLICY" => plain(if check.own_policy { "own" } else { "default" }.to_owned()),
        _ => plain(escaped(&check.reasons.join("; "))),
    }
}

/// The kind of the consolidation that is due.
fn kind(check: &PolicyCheck) -> &'static str {
    match check.gc.and_then(|gc| gc.geometric) {
        Some(_) => "geometric",
        None => "full",
    }
}

/// The policy of the selected repo, and why it is due or not.
fn facts(model: &Model, check: &PolicyCheck, room: usize) -> Vec<Line<'static>> {
    // The default is above the list.
    let policy = match check.own_policy {
        true => format!("its own: {}", rules(&check.policy)),
        false => "the default".to_owned(),
    };
    let mut lines = long_fact(model.styles, "Policy", &policy, room);
    let why = match check.due {
        true => format!("a {} consolidation is due: {}", kind(check), check.reasons.join("; ")),
        false => format!("not due: {}", now(model, check)),
    };
    lines.extend(long_fact(model.styles, "State", &why, room));
    lines
}

/// How things are, in the terms of the rules.
fn now(model: &Model, check: &PolicyCheck) -> String {
    let pushed = check.bytes.saturating_sub(check.consolidated_bytes);
    let bytes = match check.consolidated_bytes {
        0 => format!("{} pushed, which count from the first consolidation on", size(pushed)),
        left => format!("{} pushed since a consolidation left {}", size(pushed), size(left)),
    };
    let mut parts = vec![plural(check.packs, "pack"), bytes];
    if let Some(oldest) = check.oldest_unconsolidated {
        parts.push(format!("the oldest of them {}", crate::text::ago(model.now, oldest)));
    }
    parts.join(", ")
}
