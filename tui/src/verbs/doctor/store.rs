//! Checks of the store: the bucket, the catalog, the repos, and the component that plans.

use std::path::PathBuf;

use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sandbox::{Planner, Sandbox};
use packhouse_host::vault::s3;
use packhouse_host::{Error, NEWER_WAY_OUT, OpenError, Storage, Store, StoreOptions};

use super::check::Check;
use crate::text::{duration, plural, time};
use crate::verbs::repos::{each_report, names};

/// Whether the bucket can be reached, if packs are in one.
pub(super) async fn bucket(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "bucket";
    let Storage::S3(options) = packs else { return None };
    Some(match s3::ask(options).await {
        Ok(place) => Check::ok(CHECK, format!("{place} can be reached and listed")),
        Err(error) => Check::fail(
            CHECK,
            error.to_string(),
            "see docs/operations.md for what packhouse needs from S3",
        ),
    })
}

/// Whether the bucket stores what is written to it, if packs are in one.
pub(super) async fn trial(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "trial write";
    let Storage::S3(options) = packs else { return None };
    let checksum = options.checksum.as_str();
    Some(match s3::probe(options, SystemClock.random_id()).await {
        Ok(trial) if trial.notices_changes => Check::ok(
            CHECK,
            format!(
                "{} is writable, and rejects corrupted uploads (checksum {checksum})",
                trial.place
            ),
        ),
        Ok(trial) => Check::warn(
            CHECK,
            format!(
                "{} is writable, but accepts corrupted uploads (checksum {checksum})",
                trial.place
            ),
            "use https:// to reach it, and run packhouse verify regularly; or use a server that verifies uploads",
        ),
        Err(error) => Check::fail(
            CHECK,
            error.to_string(),
            "see docs/operations.md for what packhouse needs from S3",
        ),
    })
}

/// Whether the catalog can be opened, and all repos can be read.
pub(super) async fn checks(options: StoreOptions) -> Vec<Check> {
    let catalog = options.catalog.to_string();
    const WAY_OUT: &str = "follow the message; otherwise restore the folder from a backup";
    let store = match options.open_to_read().await {
        Ok(store) => store,
        Err(Error::Open(OpenError::NoStore { instead, .. })) => {
            let way_out = "create one with: packhouse repo create OWNER/SLUG; to check another store, name it with --data";
            return vec![Check::fail(
                "catalog",
                format!("there is no store: {catalog} {instead}"),
                way_out,
            )];
        }
        Err(error) => return vec![Check::fail("catalog", error.to_string(), WAY_OUT)],
    };
    let (mut repos, mut fragmented, mut damage, mut failed) = (0, 0, Vec::new(), Vec::new());
    let listed = each_report(&store, |repo| {
        repos += 1;
        fragmented += u64::from(repo.packs > 1);
        damage.extend(Check::of_damage(&repo));
        failed.extend(Check::of_gc(&repo));
        Ok::<_, Error>(())
    });
    if let Err(error) = listed.await {
        let mut checks = unreadable(&store).await;
        if checks.is_empty() {
            checks.push(Check::fail("catalog", error.to_string(), WAY_OUT));
        }
        return checks;
    }
    let mut checks =
        vec![Check::ok("catalog", format!("{catalog} can be opened; {}", plural(repos, "repo")))];
    match store.newer_packs().await {
        Ok(None) => {}
        Ok(Some(newer)) => checks.push(Check::warn("packs", newer.to_string(), NEWER_WAY_OUT)),
        Err(error) => checks.push(Check::fail("packs", error.to_string(), WAY_OUT)),
    }
    checks.push(scrubbing(&store).await);
    checks.extend(old_indexes(&store).await);
    checks.push(Check::of_jobs(store.health().await));
    checks.extend(failed);
    if !damage.is_empty() {
        checks.extend(damage);
    } else if fragmented == 0 {
        checks.push(Check::ok("repos", "all can be read, and none is fragmented"));
    } else {
        let detail = format!("all can be read; fragmented: {}", plural(fragmented, "repo"));
        checks.push(Check::warn("repos", detail, "packhouse gc --all"));
    }
    checks
}

/// The repos that can't be read, of those that can be named.
async fn unreadable(store: &Store) -> Vec<Check> {
    let mut checks = Vec::new();
    for repo in names(store).await.unwrap_or_default() {
        if let Err(error) = store.repo(&repo).await {
            let detail = format!("{repo}: {error}");
            checks.push(Check::fail("repos", detail, format!("packhouse verify {repo}")));
        }
    }
    checks
}

/// Whether there are indexes that an older version wrote.
async fn old_indexes(store: &Store) -> Option<Check> {
    const CHECK: &str = "index";
    match store.old_indexes().await {
        Ok(0) => None,
        Ok(repos) => {
            let detail = format!("{} with the index of an older version", plural(repos, "repo"));
            Some(Check::warn(CHECK, detail, "packhouse migrate"))
        }
        Err(error) => Some(Check::fail(CHECK, error.to_string(), "follow the message")),
    }
}

/// Whether every pack was read within the time that the policy states.
async fn scrubbing(store: &Store) -> Check {
    const CHECK: &str = "scrubbing";
    const WAY_OUT: &str = "keep packhouse worker or packhouse serve running, which read packs in the background; or run packhouse verify --all";
    let found = async { Ok((store.scrub_age().await?, store.scrub_state().await?)) };
    match found.await {
        Err::<_, Error>(error) => Check::fail(CHECK, error.to_string(), WAY_OUT),
        Ok((None, _)) => Check::warn(
            CHECK,
            "packs are never read to check them",
            "packhouse policy set --scrub-age 30d",
        ),
        Ok((Some(age), state)) => {
            let age = duration(age.as_secs().unsigned_abs().saturating_mul(1000));
            let oldest = state.oldest.map_or_else(
                || "there are no packs".into(),
                |oldest| format!("the oldest check is of {}", time(oldest)),
            );
            match state.due {
                0 => Check::ok(CHECK, format!("every pack was read within {age}; {oldest}")),
                due => {
                    let detail =
                        format!("not read within {age}: {}; {oldest}", plural(due, "pack"));
                    Check::warn(CHECK, detail, WAY_OUT)
                }
            }
        }
    }
}

/// Compiles the component without a cache: the one in `other`, if given.
pub(super) async fn component(other: Option<PathBuf>) -> Check {
    const CHECK: &str = "component";
    let way_out = match other {
        None => {
            "this binary is damaged, or the system forbids executable memory; reinstall it, and check the security settings"
        }
        Some(_) => {
            "remove --component and PACKHOUSE_COMPONENT, or use a component with the WIT of `packhouse component --wit`"
        }
    };
    let compiled = tokio::task::spawn_blocking(move || match other {
        None => Sandbox::reference(None),
        Some(file) => Sandbox::open(&file, None),
    });
    match compiled.await {
        Ok(Ok(sandbox)) => Check::ok(CHECK, format!("compiles: {}", sandbox.digest())),
        Ok(Err(error)) => Check::fail(CHECK, error.to_string(), way_out),
        Err(panic) => Check::fail(CHECK, panic.to_string(), way_out),
    }
}
