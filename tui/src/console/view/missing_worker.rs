//! That jobs wait although no worker runs, and how to start one.

use ratatui::text::Line;

use super::parts::styled;
use crate::console::cells::wrap;
use crate::console::state::Model;
use crate::text::plural;

/// That jobs wait, and nothing runs them.
pub(super) fn no_worker(jobs: u64) -> String {
    let wait = if jobs == 1 { "waits" } else { "wait" };
    format!("{} {wait}, no worker seen", plural(jobs, "job"))
}

/// How to start a worker.
pub(super) fn start_worker(model: &Model) -> String {
    let machine = if model.place.url.is_some() { " on the machine of the server" } else { "" };
    match model.worker_command() {
        Some(command) => format!("Start one{machine}: {command}"),
        None => "The demo has none.".to_owned(),
    }
}

/// That no worker runs although jobs wait, and how to start one.
pub(super) fn without_worker(model: &Model, room: usize) -> Vec<Line<'static>> {
    match model.jobs_without_worker() {
        0 => Vec::new(),
        jobs => {
            let text = format!("{}. {}", no_worker(jobs), start_worker(model));
            styled(wrap(&text, room), model.styles.warn())
        }
    }
}
