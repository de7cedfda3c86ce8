//! `packhouse doctor --remote`: whether a server can be asked, can work, and speaks as this
//! packhouse does.

use packhouse_host::report::StatusReport;
use packhouse_host::{Error, Remote};

use super::{Check, FEW_BYTES, HARDLY_ANY_BYTES};
use crate::text::size;

/// Asks the server one thing after the other; what it can't be asked any more is left out.
pub(super) async fn checks(remote: &Remote) -> Vec<Check> {
    let status = match remote.status().await {
        Ok(status) => status,
        Err(error) => return vec![unasked(remote, &error)],
    };
    let mut checks =
        vec![Check::ok("server", served(remote, &status)), version(&status), space(&status)];
    checks.push(match remote.ready().await {
        Ok(()) => Check::ok("ready", "the server says that it can work"),
        Err(error) => Check::fail("ready", error.to_string(), "the server's log says more"),
    });
    match remote.repos().await {
        Ok(repos) => checks.extend(Check::of_damage(&repos)),
        Err(error) => {
            checks.push(Check::fail("repos", error.to_string(), "the server's log says more"))
        }
    }
    checks
}

fn unasked(remote: &Remote, error: &Error) -> Check {
    let way_out = match error {
        Error::Unreachable { .. } => {
            "look whether `packhouse serve` runs there, and whether --remote names its address"
        }
        _ => {
            "give a token with scope admin in PACKHOUSE_TOKEN; `packhouse token create` makes one where the store is"
        }
    };
    Check::fail("server", format!("{}: {error}", remote.place()), way_out)
}

fn served(remote: &Remote, status: &StatusReport) -> String {
    match &status.catalog {
        Some(catalog) => format!("{} answers, and serves {catalog}", remote.place()),
        None => format!("{} answers; this token reaches some of its repos", remote.place()),
    }
}

fn version(status: &StatusReport) -> Check {
    const CHECK: &str = "version";
    let (there, here) = (&status.version, env!("CARGO_PKG_VERSION"));
    match there == here {
        true => {
            Check::ok(CHECK, format!("{there}, there and here; component {}", status.component))
        }
        false => Check::warn(
            CHECK,
            format!("{there} there, {here} here"),
            "update the older one of them: what one says the other may not know",
        ),
    }
}

fn space(status: &StatusReport) -> Check {
    const CHECK: &str = "free space";
    let detail = format!("{} on the server's disk", size(status.free_bytes));
    const WAY_OUT: &str = "free some there";
    match status.free_bytes {
        ..HARDLY_ANY_BYTES => Check::fail(CHECK, detail, WAY_OUT),
        HARDLY_ANY_BYTES..FEW_BYTES => Check::warn(CHECK, detail, WAY_OUT),
        FEW_BYTES.. => Check::ok(CHECK, detail),
    }
}
