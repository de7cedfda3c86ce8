//! `packhouse demo`: runs the main operations in a temporary folder, which is removed at the end.
//!
//! Push, fetch, consolidate, verify, fetch again. Every claim that it prints at the end was checked
//! on the way, and a claim that does not hold is an error. Apart from times, the output is always
//! the same.

mod output;
mod repos;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use packhouse_host::{
    FetchReport, FetchRequest, GcOptions, GcReport, PushOptions, RepoName, RepoReport, Store,
    StoreOptions, VerifyOptions, VerifyReport, Visibility,
};
use tokio::time::Instant;

use self::repos::{Scenario, scenarios};
use crate::context::Context;
use crate::exit::Exit;
use crate::globals::When;
use crate::interrupt::watched;
use crate::progress::Watch;

/// `packhouse demo …`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Print plain lines, without progress bars and colours
    #[arg(long)]
    headless: bool,
}

/// The results for one repo.
struct RepoOutcome {
    repo: RepoName,
    before: Fetches,
    gc: GcReport,
    after: Fetches,
    verify: VerifyReport,
}

/// What a new client and a returning client fetch, and how long it takes.
struct Fetches {
    all: FetchReport,
    new: FetchReport,
    took: Duration,
}

/// A repo with many packs, before it is consolidated.
struct Fragmented {
    repo: RepoName,
    about: &'static str,
    pushes: u64,
    /// The heads halfway through the pushes: what a returning client has.
    halfway: Vec<String>,
    report: RepoReport,
}

/// Runs the demo.
pub(crate) async fn run(args: &Demo, context: &Context) -> anyhow::Result<Exit> {
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let plain = args.headless || (!terminal && context.globals.color != When::Always);
    let context = if plain { context.plain() } else { context.clone() };
    let folder = tempfile::Builder::new()
        .prefix("packhouse-demo-")
        .tempdir()
        .context("creating a temporary folder failed; set TMPDIR to a writable folder")?;
    // In a demo the bar appears at once.
    let watch = context.bars.watch(Duration::ZERO);
    let outcomes =
        watched(&context.output, watch.progress(), play(folder.path(), &watch, &context)).await;
    drop(watch);
    let outcomes = outcomes?;
    output::closing(&outcomes, &context.output)?;
    folder.close()?;
    Ok(Exit::Done)
}

async fn play(folder: &Path, watch: &Watch, context: &Context) -> anyhow::Result<Vec<RepoOutcome>> {
    let output = &context.output;
    output::opening(output)?;
    watch.about("opening a store");
    let store = StoreOptions::embedded(folder.join("store")).open().await?;

    let mut fragmented = Vec::new();
    for scenario in scenarios() {
        fragmented.push(create_fragmented(&store, folder, scenario, watch).await?);
    }
    output::fragmented(&fragmented, output)?;

    output::heading(
        2,
        "Fetch before consolidation: a new client, and one that has half of the history",
        output,
    )?;
    let mut before = Vec::new();
    for repo in &fragmented {
        before.push(fetch(&store, &repo.repo, &repo.halfway, watch).await?);
    }
    output::fetches(&fragmented, &before, output)?;

    output::heading(
        3,
        "Consolidate (the sandboxed component plans, the host copies and verifies), then verify and fetch again",
        output,
    )?;
    let mut outcomes = Vec::new();
    for (repo, before) in fragmented.into_iter().zip(before) {
        let gc = store.gc(&repo.repo, GcOptions::default(), watch.progress()).await?;
        output::consolidated(&gc, output)?;
        let verify = store.verify(&repo.repo, VerifyOptions::default(), watch.progress()).await?;
        ensure!(verify.ok, "{} is damaged after consolidation: {:?}", repo.repo, verify.problems);
        let after = fetch(&store, &repo.repo, &repo.halfway, watch).await?;
        check_fetches(&repo.repo, &before, &after)?;
        check_complete(&repo.report, &store.repo(&repo.repo).await?, &after.all)?;
        outcomes.push(RepoOutcome { repo: repo.repo, before, gc, after, verify });
    }
    Ok(outcomes)
}

/// Creates a repo and pushes its history, one pack at a time.
async fn create_fragmented(
    store: &Store,
    folder: &Path,
    scenario: Scenario,
    watch: &Watch,
) -> anyhow::Result<Fragmented> {
    watch.about("generating packs");
    let repo: RepoName = scenario.repo.parse()?;
    let packs = folder.join("pushed").join(repo.slug());
    let files = tokio::task::spawn_blocking({
        let packs = packs.clone();
        move || {
            std::fs::create_dir_all(&packs)?;
            anyhow::Ok(packhouse_host::sample::write_history(&packs, &scenario.history)?)
        }
    })
    .await??;
    store.create_repo(&repo, Visibility::Private).await?;
    let mut halfway = Vec::new();
    let pushes = files.len() as u64;
    for (number, file) in files.iter().enumerate() {
        watch.step(&repo, "pushing", number as u64 + 1, pushes);
        let pushed = store
            .push(&repo, std::slice::from_ref(file), PushOptions::default(), watch.progress())
            .await?;
        if number < files.len() / 2 {
            halfway =
                pushed.into_iter().flat_map(|report| report.branch_heads.into_values()).collect();
        }
    }
    watch.about("counting");
    std::fs::remove_dir_all(&packs)?;
    let report = store.repo(&repo).await?;
    Ok(Fragmented { repo, about: scenario.about, pushes, halfway, report })
}

async fn fetch(
    store: &Store,
    repo: &RepoName,
    halfway: &[String],
    watch: &Watch,
) -> anyhow::Result<Fetches> {
    let request =
        |have| FetchRequest { want: Vec::new(), have, ttl: Duration::from_secs(60), output: None };
    let started = Instant::now();
    let all = store.fetch(repo, &request(Vec::new()), watch.progress()).await?;
    let took = started.elapsed();
    let new = store.fetch(repo, &request(halfway.to_vec()), watch.progress()).await?;
    Ok(Fetches { all, new, took })
}

/// Equal keys mean equal bytes, and so equal records.
fn check_fetches(repo: &RepoName, before: &Fetches, after: &Fetches) -> anyhow::Result<()> {
    let key = |fetched: &FetchReport| match fetched.mpack_key {
        Some(key) => key.to_string(),
        None => "a pack without a known key".to_owned(),
    };
    for (what, before, after) in
        [("everything", &before.all, &after.all), ("what is new", &before.new, &after.new)]
    {
        ensure!(
            before.mpack_key == after.mpack_key,
            "fetching {what} of {repo} returned {} before consolidation and {} after it",
            key(before),
            key(after)
        );
    }
    Ok(())
}

/// The index has the same records before and after, and a new client gets all of them.
fn check_complete(
    before: &RepoReport,
    after: &RepoReport,
    fetched: &FetchReport,
) -> anyhow::Result<()> {
    let counts =
        |report: &RepoReport| [report.commits, report.snapshots, report.objects, report.tags];
    let got =
        [fetched.commit_count, fetched.snapshot_count, fetched.object_count, fetched.tag_count];
    let kinds = "commits, snapshots, objects, tags";
    ensure!(
        counts(before) == counts(after),
        "{} had {:?} and has {:?} ({kinds})",
        before.repo,
        counts(before),
        counts(after)
    );
    ensure!(
        counts(before) == got,
        "{} has {:?}, and a fetch returns {got:?} ({kinds})",
        before.repo,
        counts(before)
    );
    ensure!(after.packs == 1, "{} has {} packs after consolidation", after.repo, after.packs);
    Ok(())
}
