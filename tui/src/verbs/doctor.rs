//! `packhouse doctor`: whether everything that packhouse needs is in order, and the way out where
//! it is not.
//!
//! It leaves everything as it was, after a trial write to folder and bucket: where there is no
//! store yet, it makes none.

mod privacy;
mod remote;

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use packhouse_host::sandbox::Sandbox;
use packhouse_host::serve::OpenFiles;
use packhouse_host::vault::s3::S3Vault;
use packhouse_host::world::{SystemWorld, World};
use packhouse_host::{
    Damage, Error, NEWER_WAY_OUT, RepoName, RepoReport, Storage, Store, StoreOptions,
};
use serde::Serialize;

use crate::args::Doctor;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::place;
use crate::style::{Environment, Tone};
use crate::text::{escaped, plural, size, time};

/// Below this a push of ordinary packs may not fit.
const FEW_BYTES: u64 = 1 << 30;
/// Fewer connections than a server with some dozen clients needs.
const FEW_CONNECTIONS: usize = 256;
/// Below this not even the catalog can be kept.
const HARDLY_ANY_BYTES: u64 = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    detail: String,
    way_out: Option<String>,
    /// Whether it is damage.
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

    /// Each thing that is known to be damaged.
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
                "{repo}: {what} is damaged: {detail} (found by {found_by} at {})",
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

/// Looks at one thing after the other.
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
    // A store whose bucket does not answer can't be opened: that would be the same finding.
    if reached {
        for check in store(options).await {
            print(check)?;
        }
    }
    print(component(other).await)?;
    print(terminal(output))?;
    Ok(exit)
}

/// Whether files can be made there, or the folder itself if it is still to come.
fn folder(check: &'static str, folder: &Path) -> Check {
    let there = existing(folder);
    match written_and_read(&there) {
        Ok(()) if there == folder => {
            Check::ok(check, format!("{} keeps what is written to it", folder.display()))
        }
        Ok(()) => {
            Check::ok(check, format!("{} is not there yet, and can be made", folder.display()))
        }
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => Check::warn(
            check,
            format!("{} is read-only: it is mounted so", there.display()),
            "what reads works (repo list, fetch, verify); to push, gc or prune, mount it writable, or use another --data folder",
        ),
        Err(error) => Check::fail(
            check,
            format!("{} can't be written: {error}", there.display()),
            "check who owns it and how it is mounted, or use another --data folder",
        ),
    }
}

/// Writes a file, durably, reads it back, compares and removes it.
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
        Err(std::io::Error::other("what was written to it came back as something else"))
    }
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|path| path.exists()).unwrap_or(&absolute);
    if there == absolute { folder.to_owned() } else { there.to_owned() }
}

fn space(packs: &Path) -> Check {
    const CHECK: &str = "free space";
    const WAY_OUT: &str = "free some, or keep the packs elsewhere with --data or --storage";
    let there = existing(packs);
    match rustix::fs::statvfs(&there) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let detail = format!("{} on the disk of {}", size(free), there.display());
            match free {
                ..HARDLY_ANY_BYTES => Check::fail(CHECK, detail, WAY_OUT),
                HARDLY_ANY_BYTES..FEW_BYTES => Check::warn(CHECK, detail, WAY_OUT),
                FEW_BYTES.. => Check::ok(CHECK, detail),
            }
        }
        Err(error) => {
            Check::warn(CHECK, format!("{} does not tell: {error}", there.display()), WAY_OUT)
        }
    }
}

/// How many files and sockets a process of this user may open.
fn open_files(files: OpenFiles) -> Check {
    const CHECK: &str = "open files";
    let most = OpenFiles { soft: files.hard, ..files }.connections();
    let limit =
        |files: u64| if files > 1 << 20 { "any number".to_owned() } else { files.to_string() };
    let detail = format!(
        "{} at once, {} for a server, which raises it",
        limit(files.soft),
        limit(files.hard)
    );
    match most {
        ..FEW_CONNECTIONS => Check::warn(
            CHECK,
            format!("{detail}: it can have {most} connections"),
            "raise the hard limit (ulimit -Hn, or LimitNOFILE= of systemd) where `packhouse serve` runs",
        ),
        FEW_CONNECTIONS.. => Check::ok(CHECK, detail),
    }
}

/// Whether the bucket answers, where packs are in one.
async fn bucket(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "bucket";
    let Storage::S3(options) = packs else { return None };
    Some(match S3Vault::ask(options).await {
        Ok(place) => Check::ok(CHECK, format!("{place} answers, and may be listed")),
        Err(error) => Check::fail(
            CHECK,
            error.to_string(),
            "docs/operations.md tells what packhouse needs of S3",
        ),
    })
}

/// Whether the bucket keeps what is written to it, where packs are in one.
async fn trial(packs: &Storage) -> Option<Check> {
    const CHECK: &str = "trial write";
    let Storage::S3(options) = packs else { return None };
    let checksum = options.checksum.as_str();
    Some(match S3Vault::try_out(options, SystemWorld.draw()).await {
        Ok(trial) if trial.notices_changes => Check::ok(
            CHECK,
            format!(
                "{} keeps what is written, and refuses what changes on the way (checksum {checksum})",
                trial.place
            ),
        ),
        Ok(trial) => Check::warn(
            CHECK,
            format!(
                "{} keeps what is written, but takes bytes that have changed on the way (checksum {checksum})",
                trial.place
            ),
            "use https:// to reach it, and run packhouse verify from time to time; a server that checks uploads is better",
        ),
        Err(error) => Check::fail(
            CHECK,
            error.to_string(),
            "docs/operations.md tells what packhouse needs of S3",
        ),
    })
}

/// Whether the catalog opens, and every repo can be read from it.
async fn store(options: StoreOptions) -> Vec<Check> {
    let catalog = options.catalog.to_string();
    const WAY_OUT: &str =
        "if the message does not say what to do, restore the folder from a backup";
    let store = match Store::open_existing(options).await {
        Ok(store) => store,
        Err(Error::NoStore { instead, .. }) => {
            let way_out = "packhouse repo create OWNER/SLUG makes a store; to check another one, name it with --data";
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
        format!("{catalog} opens; {}", plural(repos.len() as u64, "repo")),
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
        checks.push(Check::ok("repos", "all can be read, none has more than one pack"));
    } else if unread == 0 {
        let detail = format!("all can be read; packs pile up in {}", plural(piled, "repo"));
        checks.push(Check::warn("repos", detail, "packhouse gc --all"));
    }
    checks
}

/// Compiles the component afresh, past any cache: the one in `other`, if there is one.
async fn component(other: Option<PathBuf>) -> Check {
    const CHECK: &str = "component";
    let way_out = match other {
        None => {
            "this binary is damaged, or the system forbids it to make code; install it anew, and look for such a rule"
        }
        Some(_) => "leave out --component and PACKHOUSE_COMPONENT, or give a component of this WIT",
    };
    let compiled = tokio::task::spawn_blocking(move || match other {
        None => Sandbox::reference(None),
        Some(file) => Sandbox::open(&file, None),
    });
    match compiled.await {
        Ok(Ok(sandbox)) => Check::ok(CHECK, format!("compiles, {}", sandbox.digest())),
        Ok(Err(error)) => Check::fail(CHECK, error.to_string(), way_out),
        Err(panic) => Check::fail(CHECK, panic.to_string(), way_out),
    }
}

/// Nothing here is wrong; it explains what the output looks like.
fn terminal(output: &Output) -> Check {
    let environment = Environment::read();
    let is = if std::io::stdout().is_terminal() {
        "stdout is a terminal"
    } else {
        "stdout is no terminal"
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
            "bars and the console need a terminal that can move its cursor; set TERM to what yours is",
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
    fn a_folder_to_come_is_fine_and_a_file_in_its_place_is_not() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(folder("f", root.path()).status, Status::Ok);
        assert!(folder("f", &root.path().join("a/b")).detail.contains("can be made"));
        assert!(!root.path().join("a").exists());
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(folder("f", &file.join("below")).status, Status::Fail);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn few_open_files_are_told_with_a_way_out() {
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
    fn free_space_is_told_for_folders_to_come() {
        let root = tempfile::tempdir().unwrap();
        assert!(space(&root.path().join("a/b")).detail.contains("on the disk of"));
    }
}
