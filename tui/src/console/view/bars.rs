//! The header and the footer: path and status; key hints, input and notices.
//!
//! ```text
//!  packhouse › gabriel/notes       ✗ 1 damaged · read-only · 1 running, 3 queued · /srv/store
//!
//!  filter: alb packs>1▏ Enter apply  Esc cancel
//! ```

use packhouse_host::RepoName;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::split;
use super::{alerts, connection};
use crate::console::cells::{fit, pad, tail, width, wrap};
use crate::console::keys::{Action, Binding, Focus};
use crate::console::state::{ConfirmDialog, JobChange, Model, Screen, Subject};
use crate::text::{capitalized, count, escaped, plural, short_id};

/// With at least this many cells, the hint for quitting is always displayed.
const ROOMY: usize = 70;
/// And with this many, the hint for the health while something is wrong.
const HALF: usize = 40;

/// Draws the header.
pub(super) fn header(model: &Model, frame: &mut Frame, area: Rect) {
    let all = usize::from(area.width);
    let path = format!(" {}", escaped(&path(model).join(" › ")));
    let notes = notes(model, all, width(&path));
    let taken = cells(&notes);
    // Keep a blank before the notes if the path is cut.
    let path =
        pad(&fit(&path, all.saturating_sub(taken + 2)), all.saturating_sub(taken + 1), false);
    let mut line = Line::from(vec![Span::styled(path, model.styles.strong())]);
    line.spans.extend(notes);
    frame.render_widget(Paragraph::new(line).style(model.styles.bar()), area);
}

/// The path of the current screen.
fn path(model: &Model) -> Vec<String> {
    let mut path = vec!["packhouse".to_owned()];
    if model.help.is_some() {
        path.push("help".to_owned());
        return path;
    }
    match (&model.dialog, model.screens.last()) {
        (Some(dialog), _) => {
            path.extend(match &dialog.subject {
                Subject::One(repo, _) => [repo.to_string(), "plan".to_owned()],
                Subject::Many(repos) if repos.is_empty() => {
                    [plural(dialog.left_out.len() as u64, "marked repo"), "plan".to_owned()]
                }
                Subject::Many(repos) => [plural(repos.len() as u64, "repo"), "plan".to_owned()],
                Subject::Prune(report, _) => {
                    ["prune".to_owned(), plural(report.packs_deleted, "pack")]
                }
                Subject::NewToken(_) => ["tokens".to_owned(), "new".to_owned()],
                Subject::Revoke(token) => [format!("token {}", token.id), "revoke".to_owned()],
                Subject::Policy(change) => {
                    let verb = if change.to.is_some() { "set" } else { "reset" };
                    [format!("policy of {}", policy_of(change.now.repo.as_ref())), verb.to_owned()]
                }
                Subject::Branch(branch) => [branch.repo.to_string(), "delete branch".to_owned()],
                Subject::Repair(repos) => {
                    let of = match &repos[..] {
                        [only] => only.to_string(),
                        all => plural(all.len() as u64, "repo"),
                    };
                    [of, "repair".to_owned()]
                }
                Subject::Command(line) => ["command".to_owned(), line.name.clone()],
                Subject::Job(job, change) => [format!("job {}", job.id), change.verb().to_owned()],
            });
        }
        (None, None) => path.push("repos".to_owned()),
        (None, Some(Screen::Repo(repo))) => path.push(repo.name.to_string()),
        (None, Some(Screen::Packs(packs))) => {
            path.extend([packs.repo.to_string(), "packs".to_owned()]);
        }
        (None, Some(Screen::Records(records))) => {
            let pack = short_id(&records.pack.to_string());
            path.extend([records.repo.to_string(), pack, "records".to_owned()]);
        }
        (None, Some(Screen::Comparison(it))) => {
            let pair = [it.a, it.b].map(|key| short_id(&key.hex()));
            path.extend([it.repo.to_string(), pair.join(" and "), "compared".to_owned()]);
        }
        (None, Some(Screen::Tokens)) => path.push("tokens".to_owned()),
        (None, Some(Screen::NewToken(_))) => path.extend(["tokens".to_owned(), "new".to_owned()]),
        (None, Some(Screen::Workers)) => path.push("workers".to_owned()),
        (None, Some(Screen::Filters)) => path.push("filters".to_owned()),
        (None, Some(Screen::Columns(table, _))) => {
            path.extend([table.name().to_owned(), "columns".to_owned()]);
        }
        (None, Some(Screen::Server)) => path.push("server".to_owned()),
        (None, Some(Screen::Commits(commits))) => {
            path.extend([commits.repo.to_string(), "commits".to_owned()]);
        }
        (None, Some(Screen::Files(files))) => {
            path.extend([files.repo.to_string(), short_id(&files.commit), "files".to_owned()]);
        }
        (None, Some(Screen::Entity(entity))) => {
            path.extend([entity.repo.to_string(), short_id(&entity.id)]);
        }
        (None, Some(Screen::Find(find))) => path.extend(["find".to_owned(), short_id(&find.id)]),
        (None, Some(Screen::Runs)) => path.push("runs".to_owned()),
        (None, Some(Screen::Run(ticket))) => {
            if let Some(run) = model.runs.get(*ticket) {
                path.extend([run.of(), run.work.noun().to_owned()]);
            }
        }
        (None, Some(Screen::History)) => path.push("history".to_owned()),
        (None, Some(Screen::Record(entry, _))) => {
            path.extend(["history".to_owned(), entry.repo.to_string()])
        }
        (None, Some(Screen::Jobs)) => path.push("jobs".to_owned()),
        (None, Some(Screen::Job(job))) => {
            path.extend(["jobs".to_owned(), job.report.id.to_string()]);
        }
        (None, Some(Screen::Health)) => path.push("health".to_owned()),
        (None, Some(Screen::Prune)) => path.push("prune".to_owned()),
        (None, Some(Screen::Policies)) => path.push("policies".to_owned()),
        (None, Some(Screen::PolicyForm(form))) => {
            path.extend(["policies".to_owned(), policy_of(form.repo())]);
        }
        (None, Some(Screen::Log)) => path.push("log".to_owned()),
    }
    path
}

/// Whose policy it is.
fn policy_of(repo: Option<&RepoName>) -> String {
    repo.map_or_else(|| "all repos".to_owned(), ToString::to_string)
}

/// The status, in order of importance, as much as fits. The path is cut for it, down to half of the
/// line, but not for the connection and the name of the store. What is wrong leaves room for the
/// next two.
fn notes(model: &Model, all: usize, path: usize) -> Vec<Span<'static>> {
    let styles = model.styles;
    let refresh = model.keymap.key_in(Focus::Repos, Action::Refresh);
    let unwatched = [format!("not watching, {refresh} reloads"), "not watching".to_owned()];
    let forms = |texts: Vec<String>, style: Style| -> Vec<Vec<Span<'static>>> {
        texts.into_iter().map(|text| vec![Span::styled(text, style)]).collect()
    };
    let some = |is: bool, texts: Vec<String>| if is { texts } else { Vec::new() };
    let wanted = [
        alerts::forms(model),
        forms(some(model.read_only, vec!["read-only".to_owned()]), styles.strong()),
        forms(work(model), styles.busy()),
        // While disconnected nothing is watched; watching resumes automatically.
        forms(some(model.unwatched && !model.is_disconnected(), unwatched.to_vec()), styles.warn()),
        forms(connection::note(model), styles.quiet()),
        forms(some(!model.store.is_empty(), vec![escaped(&model.store)]), styles.quiet()),
    ];
    let shortest = |note: &Vec<Vec<Span>>| note.last().map_or(0, |form| cells(form) + BETWEEN);
    let next: usize = wanted[1..3].iter().map(shortest).sum();
    let (mut spans, mut taken): (Vec<Span>, usize) = (Vec::new(), 0);
    for (at, forms) in wanted.into_iter().enumerate() {
        let between = if spans.is_empty() { 0 } else { BETWEEN };
        let path = if at < 4 { path.min(all / 2) } else { path };
        let left = all.saturating_sub(path + 2 + taken + between);
        let fits = |form: &&Vec<Span>| {
            let rest = if at == 0 { next } else { 0 };
            cells(form) + rest <= left
        };
        let form = forms.iter().find(fits).or(forms.last().filter(|form| cells(form) <= left));
        if let Some(form) = form {
            taken += cells(form) + between;
            if between > 0 {
                spans.push(Span::styled(" · ", styles.quiet()));
            }
            spans.extend(form.iter().cloned());
        }
    }
    spans
}

/// Cells between two notes.
const BETWEEN: usize = 3;

fn cells(spans: &[Span]) -> usize {
    spans.iter().map(|span| width(&span.content)).sum()
}

/// The queued and running runs, in a long and a short form. Leaves out the run of the current
/// screen.
fn work(model: &Model) -> Vec<String> {
    let here = |ticket| {
        model.dialog.is_none()
            && matches!(model.screens.last(), Some(Screen::Run(shown)) if *shown == ticket)
    };
    let waiting = model.runs.queued().filter(|run| !here(run.ticket)).count() as u64;
    let mut going = model.runs.running().filter(|run| !here(run.ticket));
    let first = going.next();
    let running = first.map_or(0, |_| 1 + going.count() as u64);
    let (goes, waits) =
        (format!("{} running", count(running)), format!("{} queued", count(waiting)));
    match (first, running, waiting) {
        (_, 0, 0) => Vec::new(),
        (_, 0, _) => vec![waits],
        (Some(run), 1, 0) => {
            vec![
                escaped(&format!(
                    "running: {} {}",
                    run.of(),
                    model.step_text(run).unwrap_or_default()
                )),
                goes,
            ]
        }
        (_, _, 0) => vec![goes],
        _ => vec![format!("{goes}, {waits}"), goes],
    }
}

/// What is wrong with the input in the footer: whole, in lines above it. In a low terminal as many as
/// leave half of it to the rest.
pub(super) fn error(model: &Model, area: Rect) -> Vec<Line<'static>> {
    let error = match model.focus() {
        Focus::Filter => model.repos.bad_filter.as_ref(),
        Focus::Prompt => model.prompt.as_ref().and_then(|prompt| prompt.refusal.as_ref()),
        _ => None,
    };
    let text = error.map(|error| capitalized(&escaped(error))).unwrap_or_default();
    let mut lines = wrap(&text, usize::from(area.width).saturating_sub(2));
    lines.truncate(usize::from(area.height) / 2);
    let line = |line| Line::styled(format!(" {line}"), model.styles.warn());
    lines.into_iter().map(line).collect()
}

/// Draws the footer, and what is wrong with its input above it.
pub(super) fn footer(model: &Model, frame: &mut Frame, area: Rect) {
    let above = error(model, frame.area());
    let [top, area] = split(area, above.len().min(usize::from(area.height).saturating_sub(1)));
    frame.render_widget(Paragraph::new(above).style(model.styles.bar()), top);
    let position = position(model);
    let right = u16::try_from(width(&position)).unwrap_or(u16::MAX).min(area.width);
    let (whole, area) = (area, Rect { width: area.width - right, ..area });
    let room = usize::from(area.width).saturating_sub(2);
    let spans = match (typed(model), &model.notice) {
        (None, Some(notice)) => {
            vec![Span::styled(fit(&format!(" {}", escaped(notice)), room), model.styles.strong())]
        }
        (None, None) => hints(model, room),
        (Some((name, text)), _) => {
            let name = format!(" {name}");
            let text = tail(&escaped(text), room.saturating_sub(width(&name) + 1));
            let left = room.saturating_sub(width(&name) + width(&text) + 1);
            let mut spans = vec![
                Span::raw(name),
                Span::styled(text, model.styles.strong()),
                Span::styled("▏", model.styles.busy()),
            ];
            spans.extend(hints(model, left));
            spans
        }
    };
    frame.render_widget(Paragraph::new(Line::from(spans)).style(model.styles.bar()), area);
    let corner = Rect { x: area.x + area.width, width: right, ..whole };
    let position = Line::styled(position, model.styles.quiet());
    frame.render_widget(Paragraph::new(position).style(model.styles.bar()), corner);
}

/// Where the cursor of a list is: `12/40`, or `12/200+` if more are to be loaded.
fn position(model: &Model) -> String {
    model.position().map_or_else(String::new, |(at, lines, more)| {
        let more = if more { "+" } else { "" };
        format!("{}/{}{more} ", count(at as u64), count(lines as u64))
    })
}

/// The prompt and the input in the footer. The confirm dialog has an input of its own.
fn typed(model: &Model) -> Option<(&'static str, &str)> {
    match model.focus() {
        Focus::Filter => Some(("filter: ", model.repos.filter())),
        Focus::Search if model.policies.typing => Some(("search: ", model.policies.text())),
        Focus::Search => Some(("search: ", model.history.text())),
        Focus::Prompt => {
            model.prompt.as_ref().map(|prompt| (prompt.wanted.label(), prompt.input.text()))
        }
        Focus::Palette => model.palette.as_ref().map(|palette| (":", palette.input.text())),
        _ => None,
    }
}

/// As many hints as fit, in the order of the table. The hint for the help is always there, and with
/// enough room also the hint for quitting, and on the list of repos the one for the health while
/// something is wrong.
fn hints(model: &Model, room: usize) -> Vec<Span<'static>> {
    let enabled = |binding: &&Binding| {
        let is_shown = !binding.row.hint.is_empty() && !binding.keys.is_empty();
        is_shown && model.is_enabled(binding.row.action)
    };
    let all: Vec<&Binding> = model.keymap.in_focus(model.focus()).filter(enabled).collect();
    let mut kept = vec![Action::Help];
    if room >= ROOMY {
        kept.push(Action::Quit);
    }
    if room >= HALF && model.focus() == Focus::Repos && alerts::is_wrong(model) {
        kept.push(Action::Health);
    }
    let (mut last, mut first): (Vec<&Binding>, Vec<&Binding>) =
        all.into_iter().partition(|b| kept.contains(&b.row.action));
    let mut left = room;
    last.retain(|binding| takes(binding, &mut left));
    let fitting = first.iter().take_while(|binding| takes(binding, &mut left)).count();
    first.truncate(fitting);
    first.into_iter().chain(last).flat_map(|binding| hint(model, binding)).collect()
}

fn hint(model: &Model, binding: &Binding) -> [Span<'static>; 2] {
    let key = binding.keys.first().map_or_else(String::new, |key| format!(" {key}"));
    let hint = match (&model.dialog, binding.row.action) {
        (Some(dialog), Action::Confirm) => dialog.subject.hint(&binding.row.hint),
        (
            Some(ConfirmDialog { subject: Subject::Job(_, JobChange::Cancel), .. }),
            Action::Decline,
        ) => "back".to_owned(),
        _ => binding.row.hint.to_string(),
    };
    [Span::styled(key, model.styles.strong()), Span::raw(format!(" {hint} "))]
}

/// Whether its hint fits into the remaining cells; takes them.
fn takes(binding: &Binding, left: &mut usize) -> bool {
    let key = binding.keys.first().map_or(0, |key| width(&key.to_string()));
    let rest = left.checked_sub(key + width(&binding.row.hint) + 3);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}
