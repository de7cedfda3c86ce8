//! The verbs, one file each, with its arguments. A verb opens what it needs, does work that Ctrl-C
//! can stop, and prints the result.

mod backup;
mod branch;
mod cat;
mod completions;
mod component;
mod config;
mod confirm;
mod console;
mod copy;
mod demo;
mod doctor;
mod each;
mod export;
mod fetch;
mod find;
mod gc;
mod import;
mod jobs;
mod log;
mod ls;
mod manual;
mod metrics;
mod migrate;
mod policy;
mod prune;
mod push;
mod record;
mod replay;
mod repo;
mod repos;
mod serve;
mod token;
mod verify;
mod worker;

use clap::{CommandFactory, Subcommand};

use crate::args::Args;
use crate::console::ConsoleArgs;
use crate::context::Context;
use crate::exit::Exit;

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create, list, show, delete and restore repos
    #[command(subcommand)]
    Repo(repo::Repo),
    /// List and delete the branches of a repo
    #[command(subcommand)]
    Branch(branch::Branch),
    /// Store packs in a repo: all of the files, or none
    Push(push::Push),
    /// Consolidate the packs of a repo into one
    Gc(gc::Gc),
    /// Fetch the commits you don't have, as one pack
    Fetch(fetch::Fetch),
    /// Import a repo from a Muse server
    Import(import::Import),
    /// List the commits of a branch
    Log(log::Log),
    /// List the files of a commit
    Ls(ls::Ls),
    /// Print a record: an object's content, or what a commit, snapshot or tag says
    Cat(cat::Cat),
    /// Write the files of a commit to a folder
    Export(export::Export),
    /// Find records by ID, or by the beginning of one: the pack and the byte
    Find(find::Find),
    /// Read and hash all packs; exit 4 if something is missing or damaged
    Verify(verify::Verify),
    /// Delete packs that were replaced long enough ago, and expired fetch results
    Prune(prune::Prune),
    /// Back up the store to another folder while it is in use, and verify the copy
    Backup(backup::Backup),
    /// Copy repos to another store: from SQLite and files to Postgres and S3, or back
    Copy(copy::Copy),
    /// Run the server: a remote for Muse clients, the console and the command line
    Serve(Box<serve::Serve>),
    /// Run a worker: it runs jobs that were queued with --async or by policies
    Worker(worker::WorkerArgs),
    /// List, show, retry and cancel jobs
    #[command(subcommand)]
    Jobs(jobs::Jobs),
    /// Configure automatic consolidation, and check which repos are due
    #[command(subcommand)]
    Policy(policy::PolicyVerb),
    /// Create, list and revoke access tokens of a server
    #[command(subcommand)]
    Token(token::Token),
    /// Print metrics of the store for Prometheus
    Metrics,
    /// Migrate the catalog and its indexes to the current version, or list pending migrations
    Migrate(migrate::Migrate),
    /// Show the sandboxed component that plans the work, or export it
    Component(component::Component),
    /// Replay recorded runs without a store; exit 4 if the component behaves differently
    Replay(replay::Replay),
    /// Check the environment and the store for problems
    Doctor(doctor::Doctor),
    /// Show options, their values, and where each value comes from
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Interactive full-screen console
    Console(ConsoleArgs),
    /// Run a demo in a temporary folder
    Demo(demo::Demo),
    /// Print a shell completion script
    Completions(completions::Completions),
    /// Write the manual pages to a folder, for packages
    #[command(hide = true)]
    Manual(manual::Manual),
}

impl Verb {
    /// Whether the verb runs until it is stopped, and handles signals itself.
    pub(crate) const fn handles_signals(&self) -> bool {
        matches!(self, Verb::Serve(_) | Verb::Worker(_) | Verb::Console(_))
    }
}

/// Runs a verb.
pub(crate) async fn run(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    match dispatch(verb, context).await {
        Err(error) => Err(context.explained(error).await),
        done => done,
    }
}

async fn dispatch(verb: Verb, context: &Context) -> anyhow::Result<Exit> {
    match verb {
        Verb::Repo(args) => repo::run(args, context).await,
        Verb::Branch(args) => branch::run(args, context).await,
        Verb::Push(args) => push::run(args, context).await,
        Verb::Gc(args) => gc::run(args, context).await,
        Verb::Fetch(args) => fetch::run(args, context).await,
        Verb::Import(args) => import::run(args, context).await,
        Verb::Log(args) => log::run(args, context).await,
        Verb::Ls(args) => ls::run(args, context).await,
        Verb::Cat(args) => cat::run(args, context).await,
        Verb::Export(args) => export::run(args, context).await,
        Verb::Find(args) => find::run(args, context).await,
        Verb::Verify(args) => verify::run(args, context).await,
        Verb::Prune(args) => prune::run(args, context).await,
        Verb::Backup(args) => backup::run(args, context).await,
        Verb::Copy(args) => copy::run(args, context).await,
        Verb::Serve(args) => serve::run(*args, context).await,
        Verb::Worker(args) => worker::run(args, context).await,
        Verb::Jobs(args) => jobs::run(args, context).await,
        Verb::Policy(args) => policy::run(args, context).await,
        Verb::Token(args) => token::run(args, context).await,
        Verb::Metrics => metrics::run(context).await,
        Verb::Migrate(args) => migrate::run(&args, context).await,
        Verb::Component(args) => component::run(&args, context),
        Verb::Replay(args) => replay::run(args, context).await,
        Verb::Doctor(args) => doctor::run(&args, context).await,
        Verb::Config(args) => config::run(&args, &Args::command(), context),
        Verb::Console(args) => console::run(&args, context).await,
        Verb::Demo(args) => demo::run(&args, context).await,
        Verb::Completions(args) => completions::run(&args, &mut Args::command(), context),
        Verb::Manual(args) => manual::run(&args, Args::command(), context),
    }
}
