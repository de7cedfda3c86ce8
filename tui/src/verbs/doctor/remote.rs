//! `packhouse doctor --remote`: checks whether a server can be reached, is ready, and has the same
//! version.

use packhouse_host::report::StatusReport;
use packhouse_host::{Error, Inspect, Remote};

use super::check::Check;
use crate::text::size;
use crate::verbs::repos::each_report;

/// Runs the checks. If the server can't be reached, that is the only result.
pub(super) async fn checks(remote: &Remote) -> Vec<Check> {
    let status = match remote.status().await {
        Ok(status) => status,
        Err(error) => return vec![unreachable(remote, &error)],
    };
    let mut checks =
        vec![Check::ok("server", served(remote, &status)), version(&status), space(&status)];
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
    // The queue is for administrators of the whole store.
    if status.catalog.is_some() {
        checks.push(Check::of_jobs(remote.health().await));
    }
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

fn space(status: &StatusReport) -> Check {
    let detail = format!("{} free on the disk of the server", size(status.free_bytes));
    Check::of_space(status.free_bytes, detail, "free some space on the server")
}
