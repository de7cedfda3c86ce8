//! `packhouse doctor`: checks the environment and the store, and says how to fix problems.
//!
//! Apart from a trial write to folder and bucket it changes nothing, and it creates no store.

mod privacy;
mod remote;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sandbox::{Planner, Sandbox};
use packhouse_host::serve::OpenFiles;
use packhouse_host::vault::s3::S3Vault;
use packhouse_host::{Damage, Error, NEWER_WAY_OUT, RepoName, RepoReport, Storage, StoreOptions};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::place;
use crate::style::{Environment, Tone};
use crate::text::{escaped, plural, size, time};

/// `packhouse doctor …`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also check that no other user can read this private key (of `packhouse serve --tls-key`)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// With less, a push of ordinary packs may not fit.
const FEW_BYTES: u64 = 1 << 30;
/// With fewer, a server has too few connections for some dozen clients.
const FEW_CONNECTIONS: usize = 256;
/// With less, not even the catalog can be written.
const TOO_FEW_BYTES: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    detail: String,
    way_out: Option<String>,
    /// Whether the problem is damage.
    #[serde(skip)]
    damage: bool,
}

impl Check {
    fn ok(check: &'static str, detail: impl Into<String>) -> Check {
        Check { check, status: Status::Ok, detail: detail.into(), way_out: None, damage: false }
    }

    fn warn(check: &'static str, detail: impl Into<String>, way_out: impl Into<String>) -> Check {
        Check {
            check,
            status: Status::Warn,
            detail: detail.into(),
            way_out: Some(way_out.into()),
            damage: false,
        }
    }

    fn fail(check: &'static str, detail: impl Into<String>, way_out: impl Into<String>) -> Check {
        Check {
            check,
            status: Status::Fail,
            detail: detail.into(),
            way_out: Some(way_out.into()),
            damage: false,
        }
    }

    /// A check for each known damage.
    fn of_damage(repos: &[RepoReport]) -> Vec<Check> {
        let all = repos
            .iter()
            .flat_map(|repo| repo.damaged.iter().map(move |damage| (&repo.repo, damage)));
        let check = |(repo, damage): (&RepoName, &Damage)| {
            let what = damage
                .mpack_key
                .map_or_else(|| "its index".to_owned(), |key| format!("pack {key}"));
            let Damage { since, found_by, detail, .. } = damage;
            let detail = format!(
                "{repo}: {what} is damaged: {detail} (found by {found_by}, {})",
                time(*since)
            );
            Check {
                damage: true,
                ..Check::fail("damage", detail, format!("packhouse verify --repair {repo}"))
            }
        };
        all.map(check).collect()
    }
}

/// Runs all checks.
pub(crate) async fn run(args: &Doctor, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let mut exit = Exit::Done;
    let mut print = |check: Check| {
        let code = match (check.status, check.damage) {
            (_, true) => Exit::Damage,
            (Status::Fail, false) => Exit::Refused,
            (Status::Ok | Status::Warn, false) => Exit::Done,
        };
        exit = exit.max(code);
        output.result(&check, || describe(&check, output))
    };
    if let Some(key) = &args.tls_key {
        print(privacy::tls_key(key))?;
    }
    if let Some(remote) = context.remote()? {
        for check in remote::checks(&remote).await {
            print(check)?;
        }
        print(terminal(output))?;
        return Ok(exit);
    }
    let mut options = place::options(&context.globals)?;
    let catalogs = options.catalog.file().and_then(Path::parent);
    let catalogs =
        catalogs.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    if let Some(catalogs) = catalogs {
        print(folder("data folder", catalogs))?;
    }
    let packs = options.packs.folder().to_owned();
    match &options.packs {
        Storage::Folder(packs) if Some(packs.as_path()) == catalogs => {}
        Storage::Folder(packs) => print(folder("packs folder", packs))?,
        Storage::S3(_) => print(folder("spool folder", &packs))?,
    }
    print(space(&packs))?;
    print(open_files(OpenFiles::now()))?;
    if let Some(check) = privacy::store(&options) {
        print(check)?;
    }
    let bucket = bucket(&options.packs).await;
    let reached = bucket.as_ref().is_none_or(|check| check.status == Status::Ok);
    bucket.map(&mut print).transpose()?;
    if reached && let Some(check) = trial(&options.packs).await {
        print(check)?;
    }
    let other = options.component.take();
    // Without the bucket the store can't be opened: that would report the same problem twice.
    if reached {
        for check in store(options).await {
            print(check)?;
        }
    }
    print(component(other).await)?;
    print(terminal(output))?;
    Ok(exit)
}

/// Whether a folder is writable, or can be created.
fn folder(check: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    match written_and_read(&there) {
        Ok(()) if there == folder => Check::ok(check, format!("{} is writable", folder.display())),
        Ok(()) => {
            Check::ok(check, format!("{} does not exist yet, and can be created", folder.display()))
        }
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Check::warn(
            check,
            format!("{} is mounted read-only", there.display()),
            "repo list, fetch and verify work; to push, gc or prune, mount it writable, or use another --data folder",
        ),
        Err(error) => Check::fail(
            check,
            format!("{} is not writable: {error}", there.display()),
            "check its owner and how it is mounted, or use another --data folder",
        ),
    }
}

/// Writes and syncs a file, reads it back, compares and removes it.
fn written_and_read(folder: &Path) -> std::io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".packhouse-doctor-").tempfile_in(folder)?;
    let written: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
    file.write_all(&written)?;
    file.as_file().sync_all()?;
    let read = std::fs::read(file.path())?;
    file.close()?;
    if read == written {
        Ok(())
    } else {
        Err(std::io::Error::other("it returned other bytes than were written"))
    }
}

/// The folder, or its nearest existing parent.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    if there == absolute { folder.to_owned() } else { there.to_owned() }
}

fn space(packs: &Path) -> Check {
    const CHECK: &str = "free space";
    const WAY_OUT: &str = "free some space, or move the packs with --data or --storage";
    let there = existing(packs);
    match rustix::fs::statvfs(&there) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let detail = format!("{} free on the disk of {}", size(free), there.display());
            match free {
                ..TOO_FEW_BYTES => Check::fail(CHECK, detail, WAY_OUT),
                TOO_FEW_BYTES..FEW_BYTES => Check::warn(CHECK, detail, WAY_OUT),
                FEW_BYTES.. => Check::ok(CHECK, detail),
            }
        }
        Err(error) => Check::warn(
            CHECK,
            format!("reading the free space of {} failed: {error}", there.display()),
            WAY_OUT,
        ),
    }
}

/// The limit of open files and sockets of a process.
fn open_files(files: OpenFiles) -> Check {
    const CHECK: &str = "open files";
    let most = OpenFiles { soft: files.hard, ..files }.connections();
    let limit =
        |files: u64| if files > 1 << 20 { "any number".to_owned() } else { files.to_string() };
    let detail =
        format!("limit {}; a server raises it to {}", limit(files.soft), limit(files.hard));
    match most {
        ..FEW_CONNECTIONS => Check::warn(
            CHECK,
            format!("{detail}, enough for {most} connections"),
            "raise the hard limit (ulimit -Hn, or LimitNOFILE= of systemd) where `packhouse serve` runs",
        ),
        FEW_CONNECTIONS.. => Check::ok(CHECK, detail),
    }
}

/// Whether the bucket can be reached, if packs are in one.
async fn bucket(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "bucket";
    let Storage::S3(options) = packs else { return None };
    Some(match S3Vault::ask(options).await {
        Ok(place) => Check::ok(CHECK, format!("{place} can be reached and listed")),
        Err(error) => Check::fail(
            CHECK,
            error.to_string(),
            "see docs/operations.md for what packhouse needs from S3",
        ),
    })
}

/// Whether the bucket stores what is written to it, if packs are in one.
async fn trial(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "trial write";
    let Storage::S3(options) = packs else { return None };
    let checksum = options.checksum.as_str();
    Some(match S3Vault::probe(options, SystemClock.random_id()).await {
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
async fn store(options: StoreOptions) -> Vec<Check> {
    let catalog = options.catalog.to_string();
    const WAY_OUT: &str = "follow the message; otherwise restore the folder from a backup";
    let store = match options.open_to_read().await {
        Ok(store) => store,
        Err(Error::NoStore { instead, .. }) => {
            let way_out = "create one with: packhouse repo create OWNER/SLUG; to check another store, name it with --data";
            return vec![Check::fail(
                "catalog",
                format!("there is no store: {catalog} {instead}"),
                way_out,
            )];
        }
        Err(error) => return vec![Check::fail("catalog", error.to_string(), WAY_OUT)],
    };
    let repos = match store.repos().await {
        Ok(repos) => repos,
        Err(error) => return vec![Check::fail("catalog", error.to_string(), WAY_OUT)],
    };
    let mut checks = vec![Check::ok(
        "catalog",
        format!("{catalog} can be opened; {}", plural(repos.len() as u64, "repo")),
    )];
    match store.newer_packs().await {
        Ok(None) => {}
        Ok(Some(newer)) => checks.push(Check::warn("packs", newer.to_string(), NEWER_WAY_OUT)),
        Err(error) => checks.push(Check::fail("packs", error.to_string(), WAY_OUT)),
    }
    let mut unread = 0;
    for repo in &repos {
        if let Err(error) = store.repo(&repo.repo).await {
            unread += 1;
            checks.push(Check::fail(
                "repos",
                format!("{}: {error}", repo.repo),
                format!("packhouse verify {}", repo.repo),
            ));
        }
    }
    let damage = Check::of_damage(&repos);
    if !damage.is_empty() {
        checks.extend(damage);
        return checks;
    }
    let piled = repos.iter().filter(|repo| repo.packs > 1).count() as u64;
    if unread == 0 && piled == 0 {
        checks.push(Check::ok("repos", "all can be read, and none is fragmented"));
    } else if unread == 0 {
        let detail = format!("all can be read; fragmented: {}", plural(piled, "repo"));
        checks.push(Check::warn("repos", detail, "packhouse gc --all"));
    }
    checks
}

/// Compiles the component without a cache: the one in `other`, if given.
async fn component(other: Option<PathBuf>) -> Check {
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

/// Explains the output; finds no errors.
fn terminal(output: &Output) -> Check {
    let environment = Environment::read();
    let is = if std::io::stdout().is_terminal() {
        "stdout is a terminal"
    } else {
        "stdout is not a terminal"
    };
    let colours = match (output.style().coloured(), environment.no_color, environment.dumb) {
        (true, _, _) => "colours on",
        (false, true, _) => "colours off, NO_COLOR is set",
        (false, _, true) => "colours off, TERM is dumb",
        (false, _, _) => "colours off",
    };
    let detail = format!("{is}, {colours}");
    if std::io::stdout().is_terminal() && environment.dumb {
        return Check::warn(
            "terminal",
            detail,
            "progress bars and the console need a terminal that can move its cursor; set TERM to its type",
        );
    }
    Check::ok("terminal", detail)
}

fn describe(check: &Check, output: &Output) -> Vec<String> {
    let (tone, status) = match check.status {
        Status::Ok => (Tone::Good, "ok  "),
        Status::Warn => (Tone::Warn, "warn"),
        Status::Fail => (Tone::Bad, "fail"),
    };
    let mut lines = vec![format!(
        "{}  {:<12}  {}",
        output.paint(tone, status),
        check.check,
        escaped(&check.detail)
    )];
    lines.extend(
        check
            .way_out
            .as_ref()
            .map(|way_out| format!("{:20}{}", "", output.paint(Tone::Strong, escaped(way_out)))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_fine_and_a_file_in_its_place_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(folder("f", root.path()).status, Status::Ok);
        assert!(folder("f", &root.path().join("a/b")).detail.contains("can be created"));
        assert!(!root.path().join("a").exists());
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder("f", &file.join("below")).status, Status::Fail);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn few_open_files_are_reported_with_a_way_out() {
        let check = open_files(OpenFiles { soft: 128, hard: 128 });
        assert!(
            check.status == Status::Warn && check.detail.contains("32 connections"),
            "{check:?}"
        );
        assert_eq!(open_files(OpenFiles { soft: 128, hard: 4096 }).status, Status::Ok);
        assert!(
            open_files(OpenFiles { soft: u64::MAX, hard: u64::MAX }).detail.contains("any number")
        );
    }

    #[test]
    fn free_space_is_reported_for_missing_folders() {
        let root = tempfile::tempdir().unwrap();
        assert!(space(&root.path().join("a/b")).detail.contains("on the disk of"));
    }
}
