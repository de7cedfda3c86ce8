//! What the repo screen says above its lists, and each past consolidation.

use packhouse_host::report::RepoDetail;
use packhouse_host::{Damage, GcRecord};
use ratatui::text::Line;

use crate::console::cells::{fit, pad, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Model, Outcome, Repo, RunState};
use crate::console::view::parts::{
    contents, fact, failure_lines, last_gc_text, long_fact, state_text,
};
use crate::text::{ago, capitalized, count, duration, escaped, percent, plural, size};

/// Maximum number of lines of an error in the list of consolidations; the history has all.
pub(super) const ERROR: usize = 3;
/// Maximum number of damages.
const DAMAGE: usize = 3;
/// Width of the times of consolidations.
const WHEN: usize = 16;

/// The facts of a repo.
pub(super) fn facts(model: &Model, known: &RepoDetail, room: usize) -> Vec<Line<'static>> {
    let (styles, report, summary) = (model.styles, &known.report, &known.summary);
    let (state, style) = state_text(model, summary, true);
    let packs = match summary.superseded_bytes {
        0 => format!("{}, {}", count(summary.packs), size(summary.bytes)),
        waiting => {
            format!("{}, {}; {} replaced", count(summary.packs), size(summary.bytes), size(waiting))
        }
    };
    let part = percent(summary.reclaimable(), summary.bytes)
        .map(|part| format!(" ({part} %)"))
        .unwrap_or_default();
    let reclaimable = match summary.reclaimable() {
        0 => "none".to_owned(),
        again => format!("{}{part} of duplicates", size(again)),
    };
    let last = summary
        .last_gc
        .as_ref()
        .map_or_else(|| "never".to_owned(), |last| last_gc_text(model, last));
    let created = ago(model.now, report.created_at);
    let access = format!(
        "{}{}, default branch {}, created {created}",
        report.visibility.as_str(),
        if report.accepts_shallow { ", accepts pushes with holes" } else { "" },
        report.default_branch
    );
    let state = fact(styles, "State", &state, room);
    let [name, value] = <[_; 2]>::try_from(state.spans).unwrap_or_default();
    let contents = contents(summary.objects, summary.commits, summary.snapshots, summary.tags);
    let mut lines = vec![Line::from(vec![name, value.style(style)])];
    lines.extend(
        [("Packs", packs), ("Reclaimable", reclaimable), ("Contents", contents)]
            .into_iter()
            .flat_map(|(name, value)| long_fact(styles, name, &value, room)),
    );
    lines.extend([fact(styles, "Access", &access, room), fact(styles, "Last gc", &last, room)]);
    lines.extend(damage(model, known, room));
    lines
}

/// The known damage: what, since when, and which verb found it.
fn damage(model: &Model, known: &RepoDetail, room: usize) -> Vec<Line<'static>> {
    let damaged = &known.report.damaged;
    let described = |damage: &Damage| {
        let what =
            damage.mpack_key.map_or_else(|| "the index".to_owned(), |key| format!("pack {key}"));
        let since = ago(model.now, damage.since);
        format!(
            "{what}: {}; found by {}, {since}",
            escaped(&damage.detail),
            escaped(&damage.found_by)
        )
    };
    let mut lines: Vec<_> = damaged
        .iter()
        .take(DAMAGE)
        .flat_map(|damage| long_fact(model.styles, "Damaged", &described(damage), room))
        .collect();
    if damaged.len() > DAMAGE {
        let more = format!(
            "and {} more; to list all: packhouse repo show {}",
            damaged.len() - DAMAGE,
            escaped(&known.report.repo.to_string())
        );
        lines.extend(long_fact(model.styles, "Damaged", &more, room));
    }
    if !damaged.is_empty() {
        let key = |action| model.keymap.key_in(Focus::Repo, action);
        let verify = key(Action::Verify);
        let next = match key(Action::Repair) {
            _ if model.is_repaired_in_vain(known) => format!(
                "no intact copies were found in the repo; push the damaged packs again, with packhouse \
                 push {} FILE, or restore their files from a backup; {verify} lists them",
                escaped(&known.report.repo.to_string())
            ),
            repair if repair.is_empty() => format!("{verify} lists all damage"),
            repair => format!("{verify} lists all damage, {repair} repairs it"),
        };
        lines.extend(long_fact(model.styles, "Next", &next, room));
    }
    lines
}

/// The last run since the start of the console, with its error.
pub(super) fn last_work(model: &Model, repo: &Repo, room: usize) -> Vec<Line<'static>> {
    let Some(run) = model.runs.of_repo(&repo.name) else { return Vec::new() };
    let described = |state: &str| {
        vec![fact(model.styles, "Last run", &format!("{}: {state}", run.work.noun()), room)]
    };
    match &run.state {
        RunState::Queued(_) | RunState::Running { .. } => {
            described(&model.step_text(run).unwrap_or_default())
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) if report.skipped => {
            described("nothing to do")
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) => {
            described(&format!("{} into one", plural(report.packs_before, "pack")))
        }
        RunState::Ended(Ok(Outcome::Verified(report))) if report.ok => described("no problems"),
        RunState::Ended(Ok(Outcome::Verified(report))) => {
            described(&plural(report.problems.len() as u64, "problem"))
        }
        RunState::Ended(Ok(Outcome::Pruned(report))) => {
            described(&format!("{} deleted", plural(report.packs_deleted, "pack")))
        }
        RunState::Ended(Err(failure)) => {
            let mut lines = vec![Line::default()];
            lines.extend(failure_lines(model.styles, &capitalized(run.work.noun()), failure, room));
            lines
        }
    }
}

/// A consolidation, with the beginning of its error.
pub(super) fn past(model: &Model, record: &GcRecord, room: usize) -> Vec<Line<'static>> {
    let when = pad(&ago(model.now, record.finished_at), WHEN, false);
    let what = match record.outcome.as_str() {
        "consolidated" => format!(
            "{}, {}, in {}",
            model.styles.to(&count(record.packs_before), &plural(record.packs_after, "pack")),
            model.styles.to(&size(record.bytes_before), &size(record.bytes_after)),
            duration(record.elapsed_ms)
        ),
        "skipped" => "nothing to do".to_owned(),
        other => escaped(other),
    };
    let mut lines = vec![Line::raw(fit(&format!("{when}{what}"), room))];
    let error =
        wrap(&escaped(record.error.as_deref().unwrap_or_default()), room.saturating_sub(WHEN));
    lines.extend(
        error.into_iter().take(ERROR).map(|line| Line::raw(format!("{}{line}", " ".repeat(WHEN)))),
    );
    lines
}
