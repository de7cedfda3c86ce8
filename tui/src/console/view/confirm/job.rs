//! The question about a job: what it is, and what a change of it means.
//!
//! ```text
//!  packhouse › job 12 › retry
//!  Retry job 12, gc of aster-studio/film-score-north?
//!
//!  Status      failed
//!  Attempts    8
//!  Reason      creating a pack in /srv/muse failed: not enough disk space …
//!
//!  It is queued again, with all its attempts.
//!
//!  [ Back ]  Esc    Retry job    y
//! ```

use packhouse_host::{JobReport, JobStatus};
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::{JobChange, Model};
use crate::console::view::jobs::{kind, of};
use crate::console::view::parts::{long_fact, plain, styled};
use crate::text::{capitalized, count};

pub(super) fn lines(
    model: &Model,
    job: &JobReport,
    change: JobChange,
    room: usize,
) -> Vec<Line<'static>> {
    let styles = model.styles;
    let verb = capitalized(change.verb());
    let title = format!("{verb} job {}, {} of {}?", job.id, kind(job), of(job));
    let mut lines = styled(wrap(&title, room), styles.strong());
    lines.push(Line::default());
    let attempts = count(u64::from(job.attempt));
    let facts = [
        ("Status", Some(job.status.as_str())),
        ("Attempts", Some(attempts.as_str())),
        ("Worker", job.worker.as_deref().filter(|_| job.status == JobStatus::Running)),
        ("Reason", job.reason.as_deref()),
    ];
    for (name, value) in facts {
        lines.extend(value.iter().flat_map(|value| long_fact(styles, name, value, room)));
    }
    lines.push(Line::default());
    lines.extend(plain(wrap(meaning(job, change), room)));
    lines
}

/// What happens then.
const fn meaning(job: &JobReport, change: JobChange) -> &'static str {
    match (change, job.status) {
        (JobChange::Retry, _) => {
            "It is queued again, with all its attempts. If a job of the same type waits already, that one does this as well."
        }
        (JobChange::Cancel, JobStatus::Running) => {
            "It publishes nothing more, and its worker stops at the next safe point. It can be retried."
        }
        (JobChange::Cancel, _) => "It will not run. It can be retried.",
    }
}
