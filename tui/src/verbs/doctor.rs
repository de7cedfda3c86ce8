//! `packhouse doctor`: checks the environment and the store, and says how to fix problems.
//!
//! Apart from a trial write to folder and bucket it changes nothing, and it creates no store.

mod check;
mod machine;
mod privacy;
mod remote;
mod store;

use std::path::{Path, PathBuf};

use clap::Args;
use packhouse_host::serve::OpenFiles;
use packhouse_host::{Storage, StoreOptions};

use self::check::{Check, Status};
use crate::context::Context;
use crate::exit::Exit;
use crate::location;
use crate::output::Output;

/// `packhouse doctor …`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also check that no other user can read this private key (of `packhouse serve --tls-key`)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// Runs all checks.
pub(crate) async fn run(args: &Doctor, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let mut results = Results { output, exit: Exit::Done };
    results.print(args.tls_key.as_deref().map(privacy::tls_key))?;
    match context.remote()? {
        Some(remote) => results.print(remote::checks(&remote).await)?,
        None => check_store(location::options(&context.globals)?, &mut results).await?,
    }
    results.print([machine::terminal(output)])?;
    Ok(results.exit)
}

/// Prints results as they come, and keeps the gravest exit.
struct Results<'a> {
    output: &'a Output,
    exit: Exit,
}

impl Results<'_> {
    fn print(&mut self, checks: impl IntoIterator<Item = Check>) -> anyhow::Result<()> {
        checks.into_iter().try_for_each(|check| {
            self.exit = self.exit.max(check.exit());
            self.output.result(&check, || check.describe(self.output))
        })
    }
}

/// Checks a local store, and the machine that it is on.
async fn check_store(mut options: StoreOptions, results: &mut Results<'_>) -> anyhow::Result<()> {
    results.print(folders(&options))?;
    results.print([machine::space(options.packs.folder())])?;
    results.print([machine::open_files(OpenFiles::now())])?;
    results.print(privacy::store(&options))?;
    let bucket = store::bucket(&options.packs).await;
    let reached = bucket.as_ref().is_none_or(|check| check.status == Status::Ok);
    results.print(bucket)?;
    let other = options.component.take();
    // Without the bucket the store can't be opened: that would report the same problem twice.
    if reached {
        results.print(store::trial(&options.packs).await)?;
        results.print(store::checks(options).await)?;
    }
    results.print([store::component(other).await])
}

/// Whether the folders of catalog and packs are writable.
fn folders(options: &StoreOptions) -> Vec<Check> {
    let catalogs = options.catalog.file().and_then(Path::parent);
    let catalogs =
        catalogs.map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let mut checks = Vec::new();
    checks.extend(catalogs.map(|folder| machine::folder("data folder", folder)));
    match &options.packs {
        Storage::Folder(packs) if Some(packs.as_path()) == catalogs => {}
        Storage::Folder(packs) => checks.push(machine::folder("packs folder", packs)),
        Storage::S3(_) => checks.push(machine::folder("spool folder", options.packs.folder())),
    }
    checks
}
