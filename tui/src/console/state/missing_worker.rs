//! Whether jobs wait although no worker runs, and how to start one.

use super::model::Model;

impl Model {
    /// Jobs that wait although no worker runs; 0 while that is not known.
    pub(in crate::console) fn jobs_without_worker(&self) -> u64 {
        let Some(known) = self.health.known.filter(|_| !self.is_disconnected()) else { return 0 };
        // The clock of a server may be another one than that of this machine.
        let since = self.now.duration_since(self.health.loaded_at);
        let now = known.at.and_then(|at| at.checked_add(since).ok());
        known.jobs_without_worker(now.unwrap_or(self.now))
    }

    /// The command that starts a worker on this store; none: in the demo nothing can reach it.
    pub(in crate::console) fn worker_command(&self) -> Option<String> {
        let place = &self.place;
        match &place.data {
            _ if place.in_memory => None,
            Some(data) => Some(format!("packhouse worker --data {}", quoted(data))),
            None => Some("packhouse worker".to_owned()),
        }
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use packhouse_host::Health;

    use super::*;
    use crate::console::tests::fake::now;
    use crate::console::view::tests::model;

    #[test]
    fn a_worker_is_started_on_the_store_of_the_console() {
        let mut model = model();
        let command = |model: &Model| model.worker_command().unwrap();
        assert_eq!(command(&model), "packhouse worker");
        model.place.data = Some("/srv/muse".to_owned());
        assert_eq!(command(&model), "packhouse worker --data /srv/muse");
        model.place.data = Some("/srv/it's here".to_owned());
        assert_eq!(command(&model), r"packhouse worker --data '/srv/it'\''s here'");
        model.place.in_memory = true;
        assert_eq!(model.worker_command(), None);
    }

    #[test]
    fn the_clock_of_the_server_says_whether_a_job_has_waited() {
        let mut model = model();
        // The clock of this machine is an hour ahead.
        (model.now, model.health.loaded_at) = (now(), now());
        let at = now() - 1.hour();
        let health = Health {
            jobs_queued: 2,
            jobs_due: 2,
            at: Some(at),
            next_job_at: Some(at - 30.seconds()),
            ..Health::default()
        };
        model.health.known = Some(health);
        assert_eq!(model.jobs_without_worker(), 0);
        model.now = now() + 30.seconds();
        assert_eq!(model.jobs_without_worker(), 2);
    }
}
