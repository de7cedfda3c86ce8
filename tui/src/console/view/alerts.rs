//! What is wrong in the store, in the header of every screen.
//!
//! ```text
//!  packhouse › repos      ✗ 1 damaged  ✗ 2 jobs failed  ! 590.0 MiB to prune  ! disk 91%
//!  packhouse › repos                                   ✗ 1 damaged  ✗ 2 jobs  ! prune  ! disk
//!  packhouse › repos                                                                 ✗ 3  ! 2
//! ```

use ratatui::style::Style;
use ratatui::text::Span;

use super::missing_worker::no_worker;
use crate::console::state::Model;
use crate::disk::Disk;
use crate::text::{count, plural, size};

/// Something that is wrong, or wants attention.
struct Alert {
    /// How many things are wrong; none: it only wants attention.
    wrong: Option<u64>,
    long: String,
    short: String,
}

/// Whether something is wrong; otherwise something only wants attention, or all is well.
pub(super) fn is_wrong(model: &Model) -> bool {
    alerts(model).iter().any(|alert| alert.wrong.is_some())
}

/// The alerts in a long, a short and the shortest form; nothing if all is well.
pub(super) fn forms(model: &Model) -> Vec<Vec<Span<'static>>> {
    let alerts = alerts(model);
    if alerts.is_empty() {
        return Vec::new();
    }
    let style = |wrong| if wrong { model.styles.bad() } else { model.styles.warn() };
    let joined = |text: fn(&Alert) -> &String| {
        let parts = alerts.iter().map(|alert| {
            let (sign, wrong) =
                (if alert.wrong.is_some() { "✗" } else { "!" }, alert.wrong.is_some());
            (format!("{sign} {}", text(alert)), style(wrong))
        });
        spans(parts)
    };
    let wrong: u64 = alerts.iter().filter_map(|alert| alert.wrong).sum();
    let warnings = alerts.iter().filter(|alert| alert.wrong.is_none()).count() as u64;
    let totals = [("✗", wrong, true), ("!", warnings, false)];
    let totals = totals.into_iter().filter(|(_, number, _)| *number > 0);
    let shortest = spans(
        totals.map(|(sign, number, wrong)| (format!("{sign} {}", count(number)), style(wrong))),
    );
    vec![joined(|alert| &alert.long), joined(|alert| &alert.short), shortest]
}

fn spans(parts: impl Iterator<Item = (String, Style)>) -> Vec<Span<'static>> {
    let mut spans = Vec::new();
    for (text, style) in parts {
        if !spans.is_empty() {
            spans.push(Span::raw("  "));
        }
        spans.push(Span::styled(text, style));
    }
    spans
}

/// What is wrong, the worst first.
fn alerts(model: &Model) -> Vec<Alert> {
    let (health, mut alerts) = (&model.health, Vec::new());
    if let Some(known) = &health.known {
        let (damaged, jobs, repos) = (known.damaged_repos, known.jobs_failed, model.repos.failed());
        let damage = format!("{} damaged", count(damaged));
        let failed =
            |number, noun| (format!("{} failed", plural(number, noun)), plural(number, noun));
        let percent = known.disk.map_or(0, |disk| disk.percent_used());
        let (disk, full) = (format!("disk {percent}%"), known.disk.map_or(Disk::Free, Disk::of));
        let wrong = [
            (damaged, (damage.clone(), damage)),
            (jobs, failed(jobs, "job")),
            (repos, failed(repos, "repo")),
            (u64::from(full == Disk::Full), (disk.clone(), disk.clone())),
        ];
        let wrong = wrong.into_iter().filter(|(number, _)| *number > 0);
        alerts.extend(wrong.map(|(number, (long, short))| Alert {
            wrong: Some(number),
            long,
            short,
        }));
        let waiting = model.jobs_without_worker();
        if waiting > 0 {
            let (long, short) = (no_worker(waiting), "no worker".to_owned());
            alerts.push(Alert { wrong: None, long, short });
        }
        let prune = format!("{} to prune", size(known.prunable_bytes));
        let wanted =
            [(known.prunable_bytes > 0, prune, "prune"), (full == Disk::NearlyFull, disk, "disk")];
        let wanted = wanted.into_iter().filter(|(is, ..)| *is);
        alerts.extend(wanted.map(|(_, long, short)| Alert {
            wrong: None,
            long,
            short: short.to_owned(),
        }));
    }
    // Silence, and old numbers, would say that all is known.
    if health.failure.is_some() && !model.is_disconnected() {
        let text = "health unknown".to_owned();
        alerts.push(Alert { wrong: None, long: text.clone(), short: text });
    }
    alerts
}

#[cfg(test)]
mod tests {
    use packhouse_host::{DiskSpace, Health};

    use crate::console::failure::{Failure, FailureKind};
    use crate::console::view::tests::{model, shown};

    fn bad() -> Health {
        Health {
            damaged_repos: 1,
            jobs_failed: 2,
            prunable_packs: 40,
            prunable_bytes: 590 << 20,
            disk: Some(DiskSpace { used_bytes: 91 << 40, free_bytes: 9 << 40 }),
            ..Health::default()
        }
    }

    #[test]
    fn the_header_says_what_is_wrong_at_every_size() {
        let mut model = model();
        let header = |model: &_, columns| {
            shown(model, columns, 10).lines().next().unwrap_or_default().to_owned()
        };
        model.health.known = Some(Health::default());
        assert_eq!(header(&model, 80).split_whitespace().count(), 4, "{}", header(&model, 80));
        model.health.known = Some(bad());
        let all = "✗ 1 damaged  ✗ 2 jobs failed  ! 590.0 MiB to prune  ! disk 91%";
        for (columns, text) in [
            (200, all),
            (120, all),
            (80, "✗ 1 damaged  ✗ 2 jobs  ! prune  ! disk"),
            (60, "✗ 1 damaged  ✗ 2 jobs  ! prune  ! disk"),
            (40, "✗ 3  ! 2"),
            (24, "✗ 3  ! 2"),
        ] {
            assert!(
                header(&model, columns).contains(text),
                "{columns}: {}",
                header(&model, columns)
            );
        }
        model.styles.ascii = true;
        assert!(header(&model, 120).contains("x 1 damaged  x 2 jobs failed  ! 590.0 MiB"));
        // A run and what restricts the console stay beside it.
        model.read_only = true;
        assert!(header(&model, 60).contains("read-only"), "{}", header(&model, 60));
    }

    #[test]
    fn what_is_not_known_is_not_called_well() {
        let mut model = model();
        let now = model.now;
        let failure = Failure { kind: FailureKind::Refused, message: "no".to_owned() };
        assert_eq!(model.health.take(Err(failure.clone()), now), Some(&failure));
        assert_eq!(model.health.take(Err(failure.clone()), now), None, "it is no news");
        assert!(shown(&model, 80, 9).contains("! health unknown"));
        model.health.take(Ok(bad()), now);
        assert!(!shown(&model, 120, 9).contains("unknown"));
        model.health.take(Err(failure), now);
        let seen = shown(&model, 120, 9);
        assert!(seen.contains("✗ 1 damaged") && seen.contains("! health unknown"), "{seen}");
    }

    #[test]
    fn a_full_disk_is_wrong() {
        let mut model = model();
        let disk = Some(DiskSpace { used_bytes: 98 << 24, free_bytes: 2 << 24 });
        model.health.known = Some(Health { disk, ..Health::default() });
        assert!(shown(&model, 80, 9).contains("✗ disk 98%"));
    }
}
