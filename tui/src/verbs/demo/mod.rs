//! `packhouse demo`: the whole of packhouse in a temporary folder that is gone afterwards.
//!
//! Push, fetch from the piles, consolidate, verify, fetch again; every claim that it prints at the
//! end was checked on the way, and a claim that does not hold is an error. What it prints is the
//! same each time, but for the times.

mod output;
mod repos;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use packhouse_host::{
    FetchReport, FetchRequest, GcReport, PushOptions, RepoName, RepoReport, Store, StoreOptions,
    VerifyReport, Visibility,
};
use tokio::time::Instant;

use self::repos::{Scenario, scenarios};
use crate::args::{Demo, When};
use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::progress::Watch;

/// What became of one repo.
struct RepoOutcome {
    repo: RepoName,
    before: Fetches,
    gc: GcReport,
    after: Fetches,
    verify: VerifyReport,
}

/// What a new client and one that comes back are answered, and how long that took.
struct Fetches {
    all: FetchReport,
    new: FetchReport,
    took: Duration,
}

/// A repo with its packs, not yet consolidated.
struct Pile {
    repo: RepoName,
    about: &'static str,
    pushes: u64,
    /// The heads half-way through the pushes: what a client has that comes back.
    half_way: Vec<String>,
    report: RepoReport,
}

/// Plays the demo.
pub(crate) async fn run(args: &Demo, context: &Context) -> anyhow::Result<Exit> {
    let terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
    let plain = args.headless || (!terminal && context.globals.color != When::Always);
    let context = if plain { context.plain() } else { context.clone() };
    let folder = tempfile::Builder::new()
        .prefix("packhouse-demo-")
        .tempdir()
        .context("no temporary folder; set TMPDIR to one that can be written")?;
    // A show: its bar need not wait until something takes long.
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
    let store = Store::open(StoreOptions::embedded(folder.join("store"))).await?;

    let mut piles = Vec::new();
    for scenario in scenarios() {
        piles.push(pile_up(&store, folder, scenario, watch).await?);
    }
    output::piles(&piles, output)?;

    output::heading(
        2,
        "A new client fetches everything, another one what is new since half-way",
        output,
    )?;
    let mut before = Vec::new();
    for pile in &piles {
        before.push(fetch(&store, &pile.repo, &pile.half_way, watch).await?);
    }
    output::fetches(&piles, &before, output)?;

    output::heading(
        3,
        "Consolidate: the sandboxed component plans, the host copies and proves; then verify, and fetch again",
        output,
    )?;
    let mut outcomes = Vec::new();
    for (pile, before) in piles.into_iter().zip(before) {
        let gc = store.gc(&pile.repo, watch.progress()).await?;
        output::consolidated(&gc, output)?;
        let verify = store.verify(&pile.repo, watch.progress()).await?;
        ensure!(verify.ok, "{} is damaged after consolidating: {:?}", pile.repo, verify.problems);
        let after = fetch(&store, &pile.repo, &pile.half_way, watch).await?;
        prove_the_same(&pile.repo, &before, &after)?;
        prove_complete(&pile.report, &store.repo(&pile.repo).await?, &after.all)?;
        outcomes.push(RepoOutcome { repo: pile.repo, before, gc, after, verify });
    }
    Ok(outcomes)
}

/// Makes a repo and pushes its history, a pack at a time.
async fn pile_up(
    store: &Store,
    folder: &Path,
    scenario: Scenario,
    watch: &Watch,
) -> anyhow::Result<Pile> {
    watch.about("writing packs as a client would");
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
    let mut half_way = Vec::new();
    let pushes = files.len() as u64;
    for (number, file) in files.iter().enumerate() {
        watch.step(&repo, "pushing", number as u64 + 1, pushes);
        let pushed = store
            .push(&repo, std::slice::from_ref(file), PushOptions::default(), watch.progress())
            .await?;
        if number < files.len() / 2 {
            half_way =
                pushed.into_iter().flat_map(|report| report.branch_heads.into_values()).collect();
        }
    }
    watch.about("counting");
    std::fs::remove_dir_all(&packs)?;
    let report = store.repo(&repo).await?;
    Ok(Pile { repo, about: scenario.about, pushes, half_way, report })
}

async fn fetch(
    store: &Store,
    repo: &RepoName,
    half_way: &[String],
    watch: &Watch,
) -> anyhow::Result<Fetches> {
    let request =
        |have| FetchRequest { want: Vec::new(), have, ttl: Duration::from_secs(60), output: None };
    let started = Instant::now();
    let all = store.fetch(repo, &request(Vec::new()), watch.progress()).await?;
    let took = started.elapsed();
    let new = store.fetch(repo, &request(half_way.to_vec()), watch.progress()).await?;
    Ok(Fetches { all, new, took })
}

/// One key is one pack: the same bytes, and so the same records.
fn prove_the_same(repo: &RepoName, before: &Fetches, after: &Fetches) -> anyhow::Result<()> {
    for (what, before, after) in
        [("everything", &before.all, &after.all), ("what is new", &before.new, &after.new)]
    {
        ensure!(
            before.mpack_key == after.mpack_key,
            "fetching {what} of {repo} gave {} before consolidating and {} after it",
            before.mpack_key,
            after.mpack_key
        );
    }
    Ok(())
}

/// What the index knew before is what it knows now, and what a new client gets.
fn prove_complete(
    before: &RepoReport,
    after: &RepoReport,
    fetched: &FetchReport,
) -> anyhow::Result<()> {
    let counts =
        |report: &RepoReport| [report.commits, report.snapshots, report.objects, report.tags];
    let got =
        [fetched.commit_count, fetched.snapshot_count, fetched.object_count, fetched.tag_count];
    let words = "commits, snapshots, objects, tags";
    ensure!(
        counts(before) == counts(after),
        "{} held {:?} and holds {:?} ({words})",
        before.repo,
        counts(before),
        counts(after)
    );
    ensure!(
        counts(before) == got,
        "{} holds {:?} and a fetch gives {got:?} ({words})",
        before.repo,
        counts(before)
    );
    ensure!(after.packs == 1, "{} has {} packs after consolidating", after.repo, after.packs);
    Ok(())
}
