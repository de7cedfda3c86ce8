//! The repo screen.
//!
//! ```text
//!  packhouse › gabriel/notes
//!  State       fragmented (7)
//!  Packs       7, 812.0 KiB; 118.0 KiB replaced
//!  Reclaimable 81.2 KiB (10 %) of duplicates
//!  Contents    112 objects, 16 commits, 16 snapshots, 0 tags
//!  Access      public, default branch main, created 3 days ago
//!  Last gc     23 → 1 pack, 2 hours ago
//!  Last run    verification: no problems
//!
//!  (see [`super::chart`])
//!
//!  HEADS
//! ▸main        4f0c…
//!
//!  PACKS               SIZE      NEEDED  STATE               STORED            RECORDS
//!  sha256:055b71f6…    118.0 KiB   83 %                      2 hours ago            40
//!
//!  CONSOLIDATIONS
//!  2 hours ago    7 → 1 packs, 812.0 KiB → 773.4 KiB, in 1.2 s
//!
//!  g consolidate  p preview  v verify  Esc back
//! ```
//!
//! A repo may have 10 000 packs, so only visible lines are made.

mod facts;

use packhouse_host::report::RepoDetail;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::chart;
use super::packs::Packs;
use super::parts::{failure_lines, inner, room, say_more, scrolled};
use crate::console::cells::{fit, pad};
use crate::console::state::{Extent, Item, Model, Repo};
use crate::text::escaped;
use facts::{ERROR, facts, last_work, past};

/// Draws the screen.
pub(super) fn draw(model: &Model, repo: &Repo, frame: &mut Frame, area: Rect) -> Extent {
    let (room, height) = (room(area), usize::from(area.height));
    let mut above = Vec::new();
    if let Some(failure) = &repo.failure {
        above.extend(failure_lines(model.styles, "Loading the repo", failure, room));
        above.push(Line::default());
    }
    let Some(known) = &repo.known else {
        if repo.failure.is_none() {
            above.push(Line::raw(if model.is_disconnected() {
                "Reconnecting …"
            } else {
                "Loading the repo …"
            }));
        }
        return scrolled(frame, area, above, 0);
    };
    above.extend(facts(model, known, room));
    above.extend(last_work(model, repo, room));
    above.extend(chart::lines(
        model.styles,
        &known.timeline,
        model.now,
        room,
        height.saturating_sub(above.len()),
    ));
    let page = Page::new(model, known, above, room);
    let (content, first) = (page.lines(), page.first(repo, height));
    let selected = repo.current().map(|item| page.line_of(item));
    let mut seen: Vec<Line> = (first..content).take(height).map(|at| page.line(at)).collect();
    if height > ERROR {
        // Keep the heading of a long list visible.
        if let (Some(top), Some(title)) = (seen.first_mut(), page.title_above(first)) {
            *top = title;
        }
        say_more(&mut seen, content.saturating_sub(first + height));
    }
    frame.render_widget(Paragraph::new(seen), inner(area));
    // The cursor is in the margin, and its line is reversed up to both edges.
    if let Some(row) = selected.and_then(|at| at.checked_sub(first)).filter(|row| *row < height) {
        let row = Rect { y: area.y + row as u16, height: 1, ..area };
        frame.buffer_mut().set_style(row, model.styles.selected());
        frame.render_widget("▸", Rect { width: 1.min(row.width), ..row });
    }
    let items = (first..content).take(height).map(|at| page.item_at(at)).collect();
    Extent { content, height, first, row: area.y, items, ..Extent::default() }
}

/// All lines of the screen, by number.
struct Page<'a> {
    model: &'a Model,
    known: &'a RepoDetail,
    room: usize,
    above: Vec<Line<'static>>,
    packs: Packs,
    /// Consolidations, each with its error.
    past: Vec<Vec<Line<'static>>>,
}

impl<'a> Page<'a> {
    fn new(
        model: &'a Model,
        known: &'a RepoDetail,
        above: Vec<Line<'static>>,
        room: usize,
    ) -> Page<'a> {
        let past = known.history.iter().map(|record| past(model, record, room)).collect();
        Page { model, known, room, above, packs: Packs::of(room), past }
    }

    /// The lines of the first head, pack and consolidation. Before each are a blank line and a
    /// heading. An empty list has one line.
    fn starts(&self) -> [usize; 3] {
        let heads = self.above.len() + 2;
        let packs = heads + self.known.report.branch_heads.len().max(1) + 2;
        [heads, packs, packs + self.known.packs.len().max(1) + 2]
    }

    fn lines(&self) -> usize {
        self.starts()[2] + self.past.iter().map(Vec::len).sum::<usize>().max(1)
    }

    fn line_of(&self, item: Item) -> usize {
        let [heads, packs, past] = self.starts();
        match item {
            Item::Head(at) => heads + at,
            Item::Pack(at) => packs + at,
            Item::Past(at) => past + self.past.iter().take(at).map(Vec::len).sum::<usize>(),
        }
    }

    /// The item of a line.
    fn item_at(&self, line: usize) -> Option<usize> {
        let ([heads, packs, past], report) = (self.starts(), &self.known.report);
        let (heads_there, packs_there) = (report.branch_heads.len(), self.known.packs.len());
        if (heads..heads + heads_there).contains(&line) {
            return Some(line - heads);
        }
        if (packs..packs + packs_there).contains(&line) {
            return Some(heads_there + line - packs);
        }
        let mut end = past;
        let mut ends = self.past.iter().map(|lines| {
            end += lines.len();
            end
        });
        ends.position(|end| line >= past && line < end).map(|at| heads_there + packs_there + at)
    }

    /// The first visible line. The cursor stays in the lower part; at the first item, and until it is
    /// moved, everything above is visible, unless the screen was scrolled; at the last item
    /// everything below. Without items, the cursor is the first visible line.
    fn first(&self, repo: &Repo, height: usize) -> usize {
        let (items, last) = (repo.items(), self.lines().saturating_sub(height));
        let Some(item) = repo.current() else { return repo.cursor.at(last + 1) };
        match repo.cursor.at(items) {
            at if !repo.scrolled && (at == 0 || !repo.cursor.is_moved()) => 0,
            0 if self.line_of(item) < height => 0,
            at if at + 1 == items => last,
            _ => (self.line_of(item) + 1 + height / 4).saturating_sub(height).min(last),
        }
    }

    /// The heading of the list that a line belongs to.
    fn title_above(&self, at: usize) -> Option<Line<'static>> {
        let [heads, packs, past] = self.starts();
        let lists = [heads..packs - 2, packs..past - 2, past..self.lines()];
        lists.into_iter().find(|list| list.contains(&at)).map(|list| self.line(list.start - 1))
    }

    fn line(&self, at: usize) -> Line<'static> {
        let [heads, packs, past] = self.starts();
        let titled = |start: usize, title: &str| match start - at {
            2 => Line::default(),
            _ => Line::styled(title.to_owned(), self.model.styles.quiet()),
        };
        if at < self.above.len() {
            self.above[at].clone()
        } else if at < heads {
            titled(heads, "HEADS")
        } else if at + 2 < packs {
            self.head(at - heads)
        } else if at < packs {
            titled(packs, &self.packs.head())
        } else if at + 2 < past {
            let pack = self.known.packs.get(at - packs);
            pack.map_or_else(
                || Line::raw("none yet"),
                |pack| {
                    let damaged = &self.known.report.damaged;
                    let is_damaged =
                        damaged.iter().any(|damage| damage.mpack_key == Some(pack.key));
                    self.packs.row(self.model, pack, is_damaged)
                },
            )
        } else if at < past {
            titled(past, "CONSOLIDATIONS")
        } else {
            self.past.iter().flatten().nth(at - past).cloned().unwrap_or_else(|| Line::raw("never"))
        }
    }

    fn head(&self, at: usize) -> Line<'static> {
        let Some((branch, head)) = self.known.report.branch_heads.iter().nth(at) else {
            return Line::raw("none yet");
        };
        // Branch names may be long; the head must stay readable.
        let name = pad(&escaped(branch), self.room.saturating_sub(74).clamp(12, 40), false);
        Line::raw(fit(&format!("{name} {}", escaped(head)), self.room))
    }
}
