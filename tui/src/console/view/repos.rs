//! The list of repos.
//!
//! ```text
//!  packhouse › repos                                                            1 running · /srv/store
//!  3 repos · 31 packs · 12.4 MiB · 81.2 KiB reclaimable · 1 marked · by packs, most first
//!   NAME                PACKS▼       RECLAIMABLE        SIZE  STATE                   OBJECTS
//! ▸ gabriel/notes            7   81.2 KiB   10 %   812.0 KiB  7 packs to merge            112
//!  ●gabriel/photos           1        0 B    0 %    11.2 MiB  in order                 41,240
//!   zoe/empty                0        0 B             0 B  empty                         0
//!
//!  Enter open  Space mark  g consolidate  s sort  / filter
//! ```
//!
//! [`super::columns`] knows the columns. Only the rows that are seen are looked at: there may be 100 000.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::columns::Columns;
use super::parts::{inner, split};
use super::{failure_lines, key_in, plain, room};
use crate::console::keys::{Action, Place};
use crate::console::msg::Extent;
use crate::console::state::{Column, Model, PAGE};
use crate::console::words::{count, many, safe, size, width, wrap};

/// Of a failure over a list that is still shown, no more than these lines.
const FAILURE: usize = 3;

/// The body.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (repos, room) = (&model.repos, room(area));
    let mut above = vec![sums(model, room)];
    if let Some(failure) = &repos.failure {
        let failure = failure_lines(model.look, "reading of the store", failure, room);
        let most = if repos.len() > 0 { FAILURE } else { failure.len() };
        above.extend(failure.into_iter().take(most));
    }
    if let Some(bad) = repos.bad_filter.as_ref().filter(|_| !repos.typing) {
        above.extend(wrap(&safe(bad), room).into_iter().map(|line| Line::styled(line, model.look.warn())));
    }
    // The list is what one is here for: in a low terminal, what stands above it gives way.
    above.truncate(usize::from(area.height).saturating_sub(3));
    let [top, list] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    if let Some(words) = nothing(model) {
        frame.render_widget(Paragraph::new(plain(wrap(&words, room))), inner(list));
        return Extent { row: list.y, ..Extent::default() };
    }
    let [head, rows] = split(list, 1);
    let columns = Columns::of(usize::from(area.width).saturating_sub(1));
    frame.render_widget(Paragraph::new(columns.head(model)), head);
    let (content, height) = (repos.shown(), usize::from(rows.height));
    let (first, pointed) = (repos.cursor().first(content, height), repos.cursor().at(content));
    let seen = repos.from(first).take(height).enumerate();
    let lines: Vec<Line> = seen.map(|(at, repo)| columns.row(model, repo, first + at == pointed)).collect();
    frame.render_widget(Paragraph::new(lines), rows);
    Extent { content, height, first, row: rows.y }
}

/// What all of them come to, and what of them is shown. What matters least is dropped first.
fn sums(model: &Model, room: usize) -> Line<'static> {
    let (look, repos) = (model.look, &model.repos);
    if repos.len() == 0 {
        return Line::default();
    }
    let (totals, all) = (repos.totals(), repos.len() as u64);
    let number = match (repos.filter(), repos.known) {
        ("", true) => many(all, "repo"),
        ("", false) => format!("{} so far", many(all, "repo")),
        (_, true) => format!("{} of {}", count(repos.shown() as u64), many(all, "repo")),
        (_, false) => format!("{} of {} so far", count(repos.shown() as u64), many(all, "repo")),
    };
    // Reading some repos again takes no time worth a word.
    let reading = repos.loading.is_some() && (!repos.known || repos.len() >= PAGE as usize);
    let marks = repos.marks() as u64;
    let said = [
        (0, number, Style::new()),
        (4, many(totals.packs, "pack"), Style::new()),
        (5, size(totals.bytes), Style::new()),
        (3, format!("{} reclaimable", size(totals.reclaimable)), Style::new()),
        (1, if marks > 0 { format!("{} marked", count(marks)) } else { String::new() }, look.marked()),
        (2, if reading { "reading …".to_owned() } else { String::new() }, look.busy()),
        (6, sorted(model), look.quiet()),
    ];
    let mut left = room;
    let mut fits = [false; 7];
    for rank in 0..fits.len() {
        for (at, (_, words, _)) in said.iter().enumerate().filter(|(_, (its, words, _))| *its == rank && !words.is_empty()) {
            let takes = width(words) + if rank == 0 { 0 } else { 3 };
            fits[at] = takes <= left;
            left -= if fits[at] { takes } else { 0 };
        }
    }
    let mut spans = Vec::new();
    for ((_, words, style), _) in said.into_iter().zip(fits).filter(|(_, fits)| *fits) {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", look.quiet()));
        }
        spans.push(Span::styled(words, style));
    }
    Line::from(spans)
}

/// By what the list is sorted, also when there is no room for that column.
fn sorted(model: &Model) -> String {
    let (column, up) = model.repos.sorted();
    let order = match (column, up) {
        (Column::Name, true) => return "by name".to_owned(),
        (Column::Name, false) => "from the last",
        (Column::LastGc, true) => "oldest first",
        (Column::LastGc, false) => "newest first",
        (_, true) => "least first",
        (_, false) => "most first",
    };
    format!("by {}, {order}", column.words())
}

/// Why there are no rows, if there are none, and what to do.
fn nothing(model: &Model) -> Option<String> {
    let repos = &model.repos;
    if repos.shown() > 0 {
        return None;
    }
    if repos.len() == 0 && repos.known {
        return Some("There are no repos in this store. Make one with: packhouse repo create OWNER/SLUG".to_owned());
    }
    if repos.len() == 0 {
        let again = key_in(model, Place::Repos, Action::Refresh);
        let failed = repos.failure.as_ref().map(|_| format!("Press {again} to try again."));
        return Some(failed.unwrap_or_else(|| "Reading the store …".to_owned()));
    }
    let (place, action) = if repos.typing { (Place::Filter, Action::Cancel) } else { (Place::Repos, Action::Back) };
    let key = model.keymap.of_place(place).find(|binding| binding.row.action == action);
    // The key that is named first may be the one for leaving.
    let key = key.and_then(|binding| binding.keys.last()).map_or_else(String::new, ToString::to_string);
    let so_far = if repos.known { "" } else { " so far" };
    Some(format!("No repo{so_far} passes “{}”. {key} shows all again.", safe(repos.filter())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::fake::{now, summary};
    use crate::console::view::tests::{model, shown};

    #[test]
    fn every_empty_list_says_the_way_out() {
        let mut model = model();
        assert!(shown(&model, 60, 8).contains("Reading the store …"));
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![]), now());
        assert!(shown(&model, 100, 8).contains("packhouse repo create OWNER/SLUG"));
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![summary("a/b", 3)]), now());
        model.repos.paste_filter("zzz", now());
        assert!(shown(&model, 60, 8).contains("No repo passes “zzz”. Esc shows all again."));
        model.repos.clear_filter(now());
        model.repos.paste_filter("packs>x", now());
        let said = shown(&model, 60, 8);
        assert!(said.contains("`packs>x`: a number such as") && said.contains("a/b"), "{said}");
    }

    #[test]
    fn a_narrow_list_says_by_what_it_is_sorted() {
        let mut model = model();
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![summary("a/b", 3)]), now());
        model.repos.sort(Action::SortNext, now());
        assert!(shown(&model, 60, 8).contains("PACKS▼"));
        model.repos.sort(Action::SortTurn, now());
        assert!(shown(&model, 120, 8).contains("PACKS▲") && shown(&model, 120, 8).contains("by packs, least first"));
        model.repos.sort(Action::SortPrevious, now());
        assert!(shown(&model, 60, 8).contains("NAME▲"));
    }
}
