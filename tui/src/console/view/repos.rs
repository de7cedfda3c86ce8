//! The list of repos.
//!
//! ```text
//!  packhouse › repos                                                            1 running · /srv/store
//!  3 repos · 31 packs · 12.4 MiB · 81.2 KiB reclaimable · 1 marked · by packs · largest first
//!   NAME             STATE            PACKS▼       RECLAIMABLE        SIZE  LAST CONSOLIDATION
//! ▸ gabriel/notes    fragmented (7)        7   81.2 KiB   10 %   812.0 KiB  never
//!  ●gabriel/photos   ok                    1        0 B    0 %    11.2 MiB  23 → 1 pack, 2 hours ago
//!   zoe/empty        empty                 0        0 B               0 B  never
//!
//!  Enter open  Space mark  g consolidate  s sort  / filter
//! ```
//!
//! [`super::columns`] has the columns. Only visible rows are read: there may be 100 000.

use packhouse_host::{Health, PackTotals};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::columns::Columns;
use super::parts::{failure_above, inner, joined, plain, room, split};
use super::table::draw_rows;
use crate::console::cells::{fit, width, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Column, Extent, Model, PAGE, RECONNECTING, TableName, Totals};
use crate::console::theme::Styles;
use crate::text::{count, escaped, plural, size};

/// Width of the filter beside the number of matches.
const FILTER: usize = 24;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (repos, room) = (&model.repos, room(area));
    let heads = model.columns.of(TableName::Repos).shown();
    let width = usize::from(area.width).saturating_sub(1);
    let columns = Columns::of(width, repos.longest_name(), &heads);
    let mut above = vec![sums(model, &columns, room)];
    let (failure, is_empty) = (repos.failure.as_ref(), repos.len() == 0);
    above.extend(failure_above(model.styles, "Loading the repos", failure, is_empty, room));
    if let Some(bad) = repos.bad_filter.as_ref().filter(|_| !repos.typing) {
        above.extend(
            wrap(&escaped(&format!("{bad}; ignored")), room)
                .into_iter()
                .map(|line| Line::styled(line, model.styles.warn())),
        );
    }
    // In a low terminal the list matters more than what is above it.
    above.truncate(usize::from(area.height).saturating_sub(3));
    let [top, list] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    if let Some(message) = nothing(model) {
        frame.render_widget(Paragraph::new(plain(wrap(&message, room))), inner(list));
        return Extent { row: list.y, ..Extent::default() };
    }
    let [head, rows] = split(list, 1);
    frame.render_widget(Paragraph::new(columns.head(model)), head);
    let (content, height) = (repos.shown(), usize::from(rows.height));
    let (first, selected) = (repos.cursor().first(content, height), repos.cursor().at(content));
    let seen = repos.from(first).take(height).enumerate();
    let lines: Vec<Line> =
        seen.map(|(at, repo)| columns.row(model, repo, first + at == selected)).collect();
    draw_rows(frame, rows, lines, selected.saturating_sub(first));
    Extent { content, height, first, row: rows.y, ..Extent::default() }
}

/// Sums of all repos, and what is displayed. The least important parts are dropped first.
fn sums(model: &Model, columns: &Columns, room: usize) -> Line<'static> {
    let (styles, repos) = (model.styles, &model.repos);
    if repos.len() == 0 {
        return Line::default();
    }
    // Reloading few repos is too fast to mention.
    let reading = repos.loading.is_some() && (!repos.known || repos.len() >= PAGE as usize);
    let cut_off = model.is_disconnected();
    let reading = match (reading || !repos.known, cut_off) {
        (true, true) => RECONNECTING,
        (true, false) if reading => "loading …",
        _ => "",
    };
    let [sorted, how] = sorted(model);
    // The head of a visible column shows the order already.
    let sorted_rank = if columns.show(repos.sorted().0) { 7 } else { 3 };
    let Stored { packs, bytes, reclaimable, pending } = Stored::of(model);
    let parts = [
        (0, number(model), Style::new()),
        (5, packs, Style::new()),
        (6, bytes, Style::new()),
        (4, reclaimable, Style::new()),
        (9, pending, Style::new()),
        (1, marks(model), styles.marked()),
        (2, reading.to_owned(), if cut_off { styles.warn() } else { styles.busy() }),
        (sorted_rank, sorted, styles.quiet()),
        (8, how, styles.quiet()),
    ];
    fitting(styles, parts, room)
}

/// What the whole store has, in words; empty: nothing, or it is not known yet.
#[derive(Default)]
struct Stored {
    packs: String,
    bytes: String,
    reclaimable: String,
    pending: String,
}

impl Stored {
    /// The store counts a pack once, however many repos share it. Sums over repos count it for each:
    /// without the numbers of the store, they are the most that it can be. So is what consolidations
    /// save, if repos share packs.
    fn of(model: &Model) -> Stored {
        let (sums, health) = (model.repos.totals(), &model.health);
        let up_to = |at_most: bool, text: String| match at_most {
            true => format!("up to {text}"),
            false => text,
        };
        let reclaimable =
            |at_most| up_to(at_most, format!("{} reclaimable", size(sums.reclaimable)));
        let of = |at_most, all: PackTotals| Stored {
            packs: up_to(at_most, plural(all.packs, "pack")),
            bytes: up_to(at_most, size(all.bytes)),
            reclaimable: reclaimable(sums.reclaimable > 0 && (at_most || sums.packs > all.packs)),
            pending: match all.pending_bytes {
                0 => String::new(),
                bytes => up_to(at_most, format!("{} pending deletion", size(bytes))),
            },
        };
        let Totals { packs, bytes, waiting, .. } = sums;
        let at_most = PackTotals { packs, bytes, pending_packs: 0, pending_bytes: waiting };
        match (health.known, &health.failure) {
            (Some(Health { packs: Some(all), .. }), _) => of(false, all),
            (None, None) => {
                Stored { reclaimable: reclaimable(sums.reclaimable > 0), ..Stored::default() }
            }
            _ => of(true, at_most),
        }
    }
}

/// As many parts as fit, chosen by rank, in their order.
fn fitting<const N: usize>(
    styles: Styles,
    parts: [(usize, String, Style); N],
    room: usize,
) -> Line<'static> {
    let mut by_rank: Vec<usize> = (0..N).filter(|at| !parts[*at].1.is_empty()).collect();
    by_rank.sort_by_key(|at| parts[*at].0);
    let (mut left, mut fits) = (room, [false; N]);
    for at in by_rank {
        let takes = width(&parts[at].1) + if left == room { 0 } else { 3 };
        fits[at] = takes <= left;
        left -= if fits[at] { takes } else { 0 };
    }
    let fitting = parts.into_iter().zip(fits).filter(|(_, fits)| *fits);
    joined(styles, fitting.map(|((_, label, style), _)| Span::styled(label, style)))
}

/// The number of repos, and of matches.
fn number(model: &Model) -> String {
    let repos = &model.repos;
    let (all, shown) = (plural(repos.len() as u64, "repo"), count(repos.shown() as u64));
    let so_far = if repos.known { "" } else { " so far" };
    match repos.filter() {
        "" => format!("{all}{so_far}"),
        // While typing, the filter is in the footer.
        _ if repos.typing => format!("{shown} of {all}{so_far}"),
        filter => format!("{shown} of {all}{so_far} matching “{}”", fit(&escaped(filter), FILTER)),
    }
}

/// The number of marked repos, and how many of them are hidden.
fn marks(model: &Model) -> String {
    match (model.repos.marks() as u64, model.repos.hidden_marks() as u64) {
        (0, _) => String::new(),
        (marks, 0) => format!("{} marked", count(marks)),
        (marks, hidden) => format!("{} marked, {} hidden", count(marks), count(hidden)),
    }
}

/// The column and the direction of the order.
fn sorted(model: &Model) -> [String; 2] {
    let (column, up) = model.repos.sorted();
    if model.repos.is_ranked() {
        return ["best match first".to_owned(), String::new()];
    }
    let order = match (column, up) {
        (Column::Name, true) => "",
        (Column::Name, false) => "descending",
        (Column::LastGc, true) => "oldest first",
        (Column::LastGc, false) => "newest first",
        (Column::State, true) => "best first",
        (Column::State, false) => "worst first",
        (_, true) => "smallest first",
        (_, false) => "largest first",
    };
    [format!("by {}", column.label()), order.to_owned()]
}

/// Why there are no rows, and what to do; `None` if there are rows.
fn nothing(model: &Model) -> Option<String> {
    let repos = &model.repos;
    if repos.shown() > 0 {
        return None;
    }
    if repos.len() == 0 && repos.known {
        return Some(
            "There are no repos yet. Create one with: packhouse repo create OWNER/SLUG".to_owned(),
        );
    }
    if repos.len() == 0 {
        let again = model.keymap.key_in(Focus::Repos, Action::Refresh);
        let failed = repos.failure.as_ref().map(|_| format!("Press {again} to retry."));
        let reading =
            if model.is_disconnected() { "Reconnecting …" } else { "Loading repos …" };
        return Some(failed.unwrap_or_else(|| reading.to_owned()));
    }
    let (focus, action) =
        if repos.typing { (Focus::Filter, Action::Cancel) } else { (Focus::Repos, Action::Back) };
    let key = model.keymap.key_in(focus, action);
    let so_far = if repos.known { "" } else { " so far" };
    Some(format!("No matches{so_far} for “{}”. {key} clears the filter.", escaped(repos.filter())))
}

#[cfg(test)]
mod tests {
    use packhouse_host::RepoSummary;

    use super::*;
    use crate::console::tests::fake::{now, summary};
    use crate::console::view::tests::{model, shown};

    #[test]
    fn every_empty_list_shows_the_way_out() {
        let mut model = model();
        assert!(shown(&model, 60, 8).contains("Loading repos …"));
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![]), now());
        assert!(shown(&model, 100, 8).contains("packhouse repo create OWNER/SLUG"));
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![summary("a/b", 3)]), now());
        model.repos.paste_filter("zzz", now());
        assert!(shown(&model, 60, 8).contains("No matches for “zzz”. Esc clears the filter."));
        model.repos.clear_filter(now());
        model.repos.paste_filter("packs>x", now());
        let seen = shown(&model, 60, 8);
        assert!(
            seen.contains("`packs>x`: expected a number such as") && seen.contains("a/b"),
            "{seen}"
        );
    }

    #[test]
    fn known_damage_is_displayed_in_the_list() {
        let mut model = model();
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        let damaged = packhouse_host::RepoSummary { damaged: 2, ..summary("a/b", 3) };
        model.repos.take(Ok(vec![damaged, summary("c/d", 1)]), now());
        let seen = shown(&model, 100, 8);
        let row = |name: &str| seen.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(row("a/b").contains("damaged") && row("c/d").contains(" ok "), "{seen}");
    }

    #[test]
    fn a_narrow_list_shows_its_order() {
        let mut model = model();
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![summary("a/b", 3)]), now());
        model.repos.sort(Action::SortNext, now());
        assert!(shown(&model, 60, 8).contains("STATE▼"));
        model.repos.sort(Action::SortNext, now());
        assert!(shown(&model, 60, 8).contains("PACKS▼"));
        model.repos.sort(Action::SortTurn, now());
        assert!(
            shown(&model, 120, 8).contains("PACKS▲")
                && shown(&model, 120, 8).contains("by packs · smallest first")
        );
        model.repos.sort(Action::SortPrevious, now());
        model.repos.sort(Action::SortPrevious, now());
        assert!(shown(&model, 60, 8).contains("NAME▲"));
        // There is no room for its column.
        model.repos.sort(Action::SortPrevious, now());
        for columns in [60, 80, 120] {
            let sums = shown(&model, columns, 8).lines().nth(1).unwrap_or_default().to_owned();
            assert!(sums.contains("by tags"), "{sums}");
        }
        assert!(shown(&model, 80, 8).contains("by tags · largest first"));
    }

    #[test]
    fn a_pack_that_repos_share_is_counted_once() {
        let mut model = model();
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        let of =
            |name| RepoSummary { superseded_bytes: 3 << 20, bytes: 2 << 20, ..summary(name, 2) };
        model.repos.take(Ok(vec![of("a/b"), of("c/d")]), now());
        let sums =
            |model: &_| shown(model, 120, 8).lines().nth(1).unwrap_or_default().trim().to_owned();
        assert!(!sums(&model).contains("pack"), "{}", sums(&model));
        let packs =
            PackTotals { packs: 3, bytes: 5 << 19, pending_packs: 1, pending_bytes: 3 << 20 };
        model.health.known = Some(Health { packs: Some(packs), ..Health::default() });
        let seen = sums(&model);
        assert!(seen.starts_with("2 repos · 3 packs · 2.5 MiB · up to "), "{seen}");
        assert!(seen.contains("reclaimable · 3.0 MiB pending deletion"), "{seen}");
        // An older server does not count them.
        model.health.known = Some(Health::default());
        let seen = sums(&model);
        assert!(seen.starts_with("2 repos · up to 4 packs · up to 4.0 MiB · up to "), "{seen}");
        assert!(seen.contains("up to 6.0 MiB pending deletion"), "{seen}");
    }
}
