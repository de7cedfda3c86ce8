//! The commits that a branch reaches, with their graph.
//!
//! ```text
//!  packhouse › gabriel/notes › commits
//!  Branch main · 412 commits
//!         COMMIT        MESSAGE                                           AUTHOR            AGE
//! ▸●─╮    293c2e0f1a2b  (main) the bridge joins                           ines               2d
//!  │ ●    0a77f3c1d2e4  louder                                            zoe                3d
//!  ● │    81aa03b7c9d0  (tag v1) bridge, first take                       ines               3d
//!  ●─╯    5f0c99e1a7b2  begin                                             ines               9d
//!
//!  Commit      sha256:293c2e0f1a2b…
//!  Made        2026-06-29 12:00 UTC by ines
//!  Parents     81aa03b7c9d0, 0a77f3c1d2e4
//!  Message     the bridge joins
//!
//!  Enter open  i record  Esc back
//! ```

use jiff::Timestamp;
use packhouse_host::LoggedCommit;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::jobs::age;
use super::parts::{fact, failure_above, id_fact, inner, joined, long_fact, plain, room, split};
use crate::console::cells::{fit, pad, width, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Commits, Extent, Model, RECONNECTING};
use crate::text::{count, escaped, plural, short_id, time};

/// Width of an ID without the name of the hash, of authors and of ages, each with the blanks
/// before it.
const ID: usize = 14;
const AUTHOR: usize = 16;
const AGE: usize = 7;

/// Minimum width of messages beside these.
const MESSAGE: usize = 24;

/// Draws the screen.
pub(super) fn draw(model: &Model, commits: &Commits, frame: &mut Frame, area: Rect) -> Extent {
    let room = room(area);
    let mut above = vec![sums(model, commits)];
    let (failure, is_empty) = (commits.pages.failure.as_ref(), commits.pages.entries.is_empty());
    above.extend(failure_above(model.styles, "Loading the commits", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = commits.current() else {
        let nothing = plain(wrap(&nothing(model, commits), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, current, room), commits.pages.cursor);
    let columns = Columns::of(commits, usize::from(detailed.rows.height), usize::from(area.width));
    let row = |_, (commit, graph): &(LoggedCommit, String), selected| {
        columns.row(model, commit, graph, selected)
    };
    detailed.draw(frame, columns.head(model), commits.pages.entries.iter(), row)
}

/// The branch, and how many commits are loaded.
fn sums(model: &Model, commits: &Commits) -> Line<'static> {
    let styles = model.styles;
    let branch = match &commits.branch {
        Some(branch) => format!("Branch {}", escaped(branch)),
        None => "Default branch".to_owned(),
    };
    let mut parts = vec![Span::styled(branch, styles.strong())];
    if commits.pages.known {
        let number = commits.pages.entries.len() as u64;
        parts.push(Span::raw(match commits.pages.is_complete() {
            true => plural(number, "commit"),
            false => format!("the first {} commits", count(number)),
        }));
    }
    if commits.pages.loading.is_some() {
        let loading = if model.is_disconnected() { RECONNECTING } else { "loading …" };
        parts.push(Span::styled(loading, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, commits: &Commits) -> String {
    match (commits.pages.known, &commits.pages.failure) {
        (_, Some(_)) => {
            format!("Press {} to retry.", model.keymap.key_in(Focus::Commits, Action::Refresh))
        }
        (false, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, None) => "Loading the commits …".to_owned(),
        (true, None) => "No commits yet.".to_owned(),
    }
}

/// The widths of the columns.
struct Columns {
    graph: usize,
    message: usize,
    author: bool,
    age: bool,
}

impl Columns {
    /// The columns of a list of this size: the graph takes what the visible rows need, but no more
    /// than a quarter.
    fn of(commits: &Commits, height: usize, width: usize) -> Columns {
        let entries = &commits.pages.entries;
        let first = commits.pages.cursor.first(entries.len(), height.saturating_sub(1));
        let graph = entries.iter().skip(first).take(height).map(|(_, row)| row.chars().count());
        let graph = graph.max().unwrap_or(1).min(width / 4).max(1);
        let mut message = width.saturating_sub(2 + graph + ID + 2);
        let mut takes = |cells: usize| {
            let fits = message >= MESSAGE + cells;
            message -= if fits { cells } else { 0 };
            fits
        };
        let (age, author) = (takes(AGE), takes(AUTHOR));
        Columns { graph, message, author, age }
    }

    fn head(&self, model: &Model) -> Line<'static> {
        let mut text = format!(
            " {}  {}{}",
            " ".repeat(self.graph),
            pad("COMMIT", ID, false),
            pad("MESSAGE", self.message, false)
        );
        if self.author {
            text += &format!("  {}", pad("AUTHOR", AUTHOR - 2, false));
        }
        if self.age {
            text += &format!("  {}", pad("AGE", AGE - 2, true));
        }
        Line::styled(text, model.styles.quiet())
    }

    fn row(
        &self,
        model: &Model,
        commit: &LoggedCommit,
        graph: &str,
        selected: bool,
    ) -> Line<'static> {
        let styles = model.styles;
        let tone = |style: Style| if selected { Style::new() } else { style };
        let names = names(commit);
        let names = fit(&names, self.message / 2);
        let between = if names.is_empty() { "" } else { " " };
        let left = self.message.saturating_sub(width(&names) + between.len());
        let mut spans = vec![
            Span::raw(if selected { "▸" } else { " " }),
            Span::styled(pad(graph, self.graph, false), tone(styles.busy())),
            Span::raw("  "),
            Span::styled(pad(&digits(&commit.commit), ID, false), tone(styles.quiet())),
            Span::styled(format!("{names}{between}"), tone(styles.good())),
            Span::raw(pad(&escaped(subject(commit)), left, false)),
        ];
        if self.author {
            let author = escaped(commit.author.as_deref().unwrap_or_default());
            spans.push(Span::raw(format!("  {}", pad(&author, AUTHOR - 2, false))));
        }
        if self.age {
            let age = made_at(commit).map(|at| age(model.now, at)).unwrap_or_default();
            spans.push(Span::raw(format!("  {}", pad(&age, AGE - 2, true))));
        }
        let line = Line::from(spans);
        if selected { line.style(styles.selected()) } else { line }
    }
}

/// Its branches and tags, escaped: `(main, tag v1)`.
fn names(commit: &LoggedCommit) -> String {
    let tags = commit.tags.iter().map(|tag| format!("tag {}", escaped(tag)));
    let names: Vec<String> = commit.branches.iter().map(|name| escaped(name)).chain(tags).collect();
    if names.is_empty() { String::new() } else { format!("({})", names.join(", ")) }
}

/// The first line of its message.
fn subject(commit: &LoggedCommit) -> &str {
    commit.message.as_deref().unwrap_or_default().lines().next().unwrap_or_default()
}

/// The first digits of an ID, without the name of the hash.
pub(super) fn digits(id: &str) -> String {
    let short = escaped(&short_id(id));
    short.strip_prefix("sha256:").map(str::to_owned).unwrap_or(short)
}

/// When it was made, if the client wrote a time.
fn made_at(commit: &LoggedCommit) -> Option<Timestamp> {
    commit.committed_at.as_deref()?.parse().ok()
}

/// The selected commit in full.
fn facts(model: &Model, commit: &LoggedCommit, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = id_fact(styles, "Commit", &commit.commit, room);
    let at = made_at(commit).map(time).or_else(|| commit.committed_at.clone());
    let author = commit.author.as_deref().filter(|author| !author.trim().is_empty());
    let by = author.map(|author| format!("by {author}"));
    let made: Vec<String> = at.into_iter().chain(by).collect();
    if !made.is_empty() {
        lines.push(fact(styles, "Made", &made.join(" "), room));
    }
    let parents: Vec<String> = commit.parents.iter().map(|id| digits(id)).collect();
    let parents = if parents.is_empty() { "none".to_owned() } else { parents.join(", ") };
    lines.push(fact(styles, "Parents", &parents, room));
    let names = names(commit);
    if !names.is_empty() {
        lines.push(fact(styles, "Named", names.trim_matches(['(', ')']), room));
    }
    let message = commit.message.as_deref().unwrap_or_default();
    let message = message.lines().filter(|line| !line.trim().is_empty());
    for (at, line) in message.take(4).enumerate() {
        lines.extend(long_fact(styles, if at == 0 { "Message" } else { "" }, line, room));
    }
    lines
}
