//! What is wrong in the store: a line for each finding, and what to do about the selected one.
//!
//! ```text
//!  packhouse › health                     ✗ 1 damaged  ✗ 1 job failed  ! 590.0 MiB to prune
//!  5 findings · 12 jobs queued, 1 running · disk 91% · packs read since 2026-06-02 09:12 UTC
//!
//! ▸✗ tidal-lab/hydrophone-array: damaged
//!  ✗ job 12, gc of aster-studio/film-score-north: failed
//!  ! 590.0 MiB in 40 packs can be deleted
//!
//!  Found       2 damaged or missing packs, or an index that does not match
//!  Next        Enter opens the repo; v verifies it and lists all damage. To repair …
//! ```

use packhouse_host::Health;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::jobs::{kind, of};
use super::missing_worker::{no_worker, start_worker};
use super::parts::{inner, long_fact, room, split, styled, text_below};
use super::table::draw_rows;
use crate::console::cells::{fit, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Finding, Model};
use crate::text::{ago, count, escaped, plural, short_id, size, time};

/// Minimum rows of the list in a low terminal.
const LISTED: usize = 3;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (findings, room) = (model.findings(), room(area));
    let mut above =
        vec![Line::styled(fit(&summary(model, &findings), room), model.styles.strong())];
    above.push(Line::default());
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let selected = model.health.cursor.at(findings.len());
    let Some(current) = findings.get(selected) else {
        let lines = styled(wrap(&nothing(model), room), model.styles.good());
        frame.render_widget(Paragraph::new(lines), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let mut details = long_fact(model.styles, "Found", &found(model, *current), room);
    details.extend(long_fact(model.styles, "Next", &next(model, *current), room));
    let height = usize::from(below.height);
    let [rows, details_at] =
        split(below, height.saturating_sub(1 + details.len()).max(LISTED.min(height)));
    let (content, height) = (findings.len(), usize::from(rows.height));
    let first = model.health.cursor.first(content, height);
    let seen = findings.iter().enumerate().skip(first).take(height);
    let lines: Vec<Line> = seen
        .map(|(at, finding)| row(model, *finding, usize::from(area.width), at == selected))
        .collect();
    draw_rows(frame, rows, lines, selected.saturating_sub(first));
    let below = text_below(frame, details_at, details, model.health.cursor);
    Extent { content, height, first, row: rows.y, below, ..Extent::default() }
}

/// How many findings there are, and what is known besides.
fn summary(model: &Model, findings: &[Finding]) -> String {
    let mut parts = vec![match findings.len() as u64 {
        0 => "No findings".to_owned(),
        findings => plural(findings, "finding"),
    }];
    if let Some(health) = &model.health.known {
        parts.extend(known(health));
    }
    parts.join(" · ")
}

fn known(health: &Health) -> Vec<String> {
    let (queued, running) = (count(health.jobs_queued), count(health.jobs_running));
    let mut parts = vec![format!("jobs: {queued} queued, {running} running")];
    parts.extend(health.disk.map(|disk| format!("disk {}%", disk.percent_used())));
    parts.extend(health.oldest_check.map(|at| format!("packs read since {}", time(at))));
    parts
}

/// Why there is no finding.
fn nothing(model: &Model) -> String {
    match (&model.health.known, model.repos.known) {
        (Some(_), true) => "Nothing needs attention.".to_owned(),
        _ if model.is_disconnected() => "Reconnecting …".to_owned(),
        _ => "Loading …".to_owned(),
    }
}

fn row(model: &Model, finding: Finding, width: usize, selected: bool) -> Line<'static> {
    let styles = model.styles;
    let (sign, style) =
        if finding.is_wrong() { ("✗", styles.bad()) } else { ("!", styles.warn()) };
    let text = fit(&title(finding), width.saturating_sub(5));
    let fill = " ".repeat(width.saturating_sub(5 + crate::console::cells::width(&text)));
    let line = Line::from(vec![
        Span::raw(if selected { "▸" } else { " " }),
        Span::styled(sign, if selected { Style::new() } else { style }),
        Span::raw(format!(" {text}{fill}")),
    ]);
    if selected { line.style(styles.selected()) } else { line }
}

/// A finding in a line.
fn title(finding: Finding) -> String {
    match finding {
        Finding::Unknown(_) => "The health of the store is unknown".to_owned(),
        Finding::Damaged(repo) => format!("{}: damaged", repo.repo),
        Finding::Disk(space) => format!("The disk is {}% full", space.percent_used()),
        Finding::GcFailed(repo) => format!("{}: the last consolidation failed", repo.repo),
        Finding::JobFailed(job) => format!("Job {}, {} of {}: failed", job.id, kind(job), of(job)),
        Finding::MoreJobsFailed(more) => format!("{} failed", plural(more, "more job")),
        Finding::NoWorker(jobs) => no_worker(jobs),
        Finding::Prunable(packs, bytes) => {
            format!("{} in {} can be deleted", size(bytes), plural(packs, "replaced pack"))
        }
        Finding::Unchecked(packs, _) => {
            format!("{} not read within the scrub age", plural(packs, "pack"))
        }
    }
}

/// What is known about a finding.
fn found(model: &Model, finding: Finding) -> String {
    match finding {
        Finding::Unknown(failure) => escaped(&failure.message),
        Finding::Damaged(repo) => match model.health.damage.get(&repo.repo).map(Vec::as_slice) {
            Some([first, more @ ..]) => {
                let of = first.mpack_key.map_or_else(
                    || "the index".to_owned(),
                    |key| format!("pack {}", short_id(&key.to_string())),
                );
                let more = match more.len() as u64 {
                    0 => String::new(),
                    more => format!("; and {}", plural(more, "more fault")),
                };
                format!("{of}: {}{more}", escaped(&first.detail))
            }
            _ => format!(
                "{} known: packs that are missing or damaged, or the index",
                plural(repo.damaged, "fault")
            ),
        },
        Finding::Disk(space) => {
            format!(
                "{}% of the disk that the store writes to is used, {} is free",
                space.percent_used(),
                size(space.free_bytes)
            )
        }
        Finding::GcFailed(repo) => {
            let last = repo.last_gc.as_ref();
            let when = last.map(|last| ago(model.now, last.finished_at)).unwrap_or_default();
            let error = last.and_then(|last| last.error.as_deref()).unwrap_or("no reason is known");
            format!("{when}: {}", escaped(error))
        }
        Finding::JobFailed(job) => escaped(job.reason.as_deref().unwrap_or("no reason is known")),
        Finding::NoWorker(_) => {
            let due = model.health.known.and_then(|health| health.next_job_at);
            let since = due.map(|at| format!(", the first since {}", time(at))).unwrap_or_default();
            format!("the jobs are due{since}, and no worker has a job")
        }
        Finding::MoreJobsFailed(_) => "they failed before those above".to_owned(),
        Finding::Prunable(..) => {
            "consolidations replaced these packs, and their grace period is over".to_owned()
        }
        Finding::Unchecked(_, oldest) => match oldest {
            Some(at) => format!("the oldest check is of {}, {}", time(at), ago(model.now, at)),
            None => "none was ever read".to_owned(),
        },
    }
}

/// What to do about a finding.
fn next(model: &Model, finding: Finding) -> String {
    let enter = model.keymap.key_in(Focus::Health, Action::Open);
    let key = |focus, action| model.keymap.key_in(focus, action);
    let command = finding.command().unwrap_or_default();
    match finding {
        Finding::Unknown(_) => {
            format!("Fix the cause, then press {}.", key(Focus::Health, Action::Refresh))
        }
        Finding::Damaged(_) if model.read_only => format!(
            "{enter} opens the repo, and {} there lists all damage. Repair it from intact copies with: {command}",
            key(Focus::Repo, Action::Verify)
        ),
        Finding::Damaged(_) => format!(
            "{} repairs what has intact copies in the store, {} all damaged repos. {enter} opens the repo, and {} there lists all damage; push again what is left.",
            key(Focus::Health, Action::Repair),
            key(Focus::Health, Action::RepairAll),
            key(Focus::Repo, Action::Verify)
        ),
        Finding::Disk(_) => {
            let prune = match key(Focus::Health, Action::Prune) {
                key if key.is_empty() || model.read_only => "packhouse prune deletes".to_owned(),
                key => format!("{key} shows and deletes"),
            };
            format!(
                "Free some space before pushes and consolidations fail; {prune} replaced packs."
            )
        }
        Finding::GcFailed(_) if model.read_only => {
            "Fix the cause, and consolidate again.".to_owned()
        }
        Finding::GcFailed(_) => format!(
            "Fix the cause. {enter} opens the repo, and {} there consolidates it.",
            key(Focus::Repo, Action::Consolidate)
        ),
        Finding::JobFailed(_) if model.read_only => {
            format!("{enter} opens the job. Fix the cause, and retry it.")
        }
        Finding::JobFailed(_) => format!(
            "Fix the cause. {enter} opens the job, and {} there retries it.",
            key(Focus::Job, Action::RetryJob)
        ),
        Finding::MoreJobsFailed(_) => format!("{enter} lists all failed jobs."),
        Finding::NoWorker(_) => format!(
            "{}, or packhouse serve, which has workers of its own. {enter} lists the jobs.",
            start_worker(model)
        ),
        Finding::Prunable(..) if model.read_only => format!("{enter} shows which packs."),
        Finding::Prunable(..) => format!(
            "{enter} shows which packs, and {} there deletes them.",
            key(Focus::Prune, Action::PruneNow)
        ),
        Finding::Unchecked(..) => {
            let (all, verify) =
                (key(Focus::Repos, Action::MarkAll), key(Focus::Repos, Action::Verify));
            format!(
                "Keep packhouse serve or packhouse worker running: they read packs in the background. Or, in the list of repos, {all} marks all and {verify} verifies them ({enter} copies the command)."
            )
        }
    }
}
