//! `packhouse doctor --remote`: checks whether a server can be reached, is ready, and has the same
//! version.

use packhouse_host::report::StatusReport;
use packhouse_host::{DiskSpace, Error, Inspect, Remote};

use super::check::Check;
use crate::disk::Disk;
use crate::text::size;
use crate::verbs::repos::each_report;

/// Runs the checks. If the server can't be reached, that is the only result.
pub(super) async fn checks(remote: &Remote) -> Vec<Check> {
    let status = match remote.status().await {
        Ok(status) => status,
        Err(error) => return vec![unreachable(remote, &error)],
    };
    // The queue and the disk are for administrators of the whole store.
    let health = match status.catalog.is_some() {
        true => Some(remote.health().await),
        false => None,
    };
    let disk = health.as_ref().and_then(|health| health.as_ref().ok()?.disk);
    let mut checks =
        vec![Check::ok("server", served(remote, &status)), version(&status), space(&status, disk)];
    checks.push(match remote.ready().await {
        Ok(()) => Check::ok("ready", "the server is ready"),
        Err(error) => Check::fail("ready", error.to_string(), "see the log of the server"),
    });
    let listed = each_report(remote, |repo| {
        checks.extend(Check::of_damage(&repo).chain(Check::of_gc(&repo)));
        Ok::<_, Error>(())
    });
    if let Err(error) = listed.await {
        checks.push(Check::fail("repos", error.to_string(), "see the log of the server"));
    }
    checks.extend(health.map(Check::of_jobs));
    checks
}

fn unreachable(remote: &Remote, error: &Error) -> Check {
    let way_out = match error {
        Error::Unreachable { .. } => {
            "check that `packhouse serve` is running, and that --remote names its address"
        }
        _ => {
            "set PACKHOUSE_TOKEN to a token with scope admin; create one with `packhouse token create` on the machine of the store"
        }
    };
    Check::fail("server", format!("{}: {error}", remote.place()), way_out)
}

fn served(remote: &Remote, status: &StatusReport) -> String {
    match &status.catalog {
        Some(catalog) => format!("{} serves {catalog}", remote.place()),
        None => format!("{} can be reached; this token covers some of its repos", remote.place()),
    }
}

fn version(status: &StatusReport) -> Check {
    const CHECK: &str = "version";
    let (there, here) = (&status.version, env!("CARGO_PKG_VERSION"));
    match there == here {
        true => Check::ok(CHECK, format!("{there} on both sides; component {}", status.component)),
        false => Check::warn(
            CHECK,
            format!("server {there}, this packhouse {here}"),
            "update the older one; they may not understand each other",
        ),
    }
}

/// Whether there is room on the disk of the server; by its free bytes alone, if no more is known.
fn space(status: &StatusReport, disk: Option<DiskSpace>) -> Check {
    let free = disk.map_or(status.free_bytes, |disk| disk.free_bytes);
    let used = disk.map(|disk| format!(", {}% used", disk.percent_used())).unwrap_or_default();
    let detail = format!("{} free on the disk of the server{used}", size(free));
    let level = disk.map_or(Disk::of_free(free), Disk::of);
    Check::of_disk(level, detail, "free some space on the server")
}
