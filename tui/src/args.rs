//! The command line: the verbs, their options, and the options that they share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgAction, ArgGroup, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueEnum,
};
use packhouse_host::{RepoId, RepoName};

mod console;
mod serve;
mod token;
mod work;

pub(crate) use console::{ConsoleArgs, ThemeName};
pub(crate) use serve::Serve;
pub(crate) use token::{Token, TokenCreate};
pub(crate) use work::{Jobs, Migrate, PolicyVerb, Worker};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or nothing to do
  1  refused or failed, nothing changed
  2  usage
  3  conflict with another writer, safe to retry
  4  damage found";

const ABOUT: &str = "\
Pack store and server for Muse.

Every push adds a pack, and reads get slower as packs pile up. packhouse consolidates the packs of a repo into one, \
verifies that nothing was lost, and serves fetches from the result. To try it in a minute: packhouse demo";

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(name = "packhouse", bin_name = "packhouse", version, about = ABOUT, after_help = EXIT_CODES, styles = STYLES)]
#[command(max_term_width = 110)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Which store to use, and how to print results.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Folder of the store, with its catalog and packs; `repo create` and `serve` create it
    /// [default: packhouse in the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "PACKHOUSE_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,

    /// Use this catalog: sqlite:///FILE, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,

    /// Use this pack storage: file:///DIR, or s3://BUCKET/PREFIX with the usual AWS_… variables
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_STORAGE_URL",
        hide_env_values = true
    )]
    pub(crate) storage: Option<String>,

    /// Use a `packhouse serve` instead of a local store, with the token in PACKHOUSE_TOKEN.
    /// Overrides the variables that name a store; flags that name one override PACKHOUSE_REMOTE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_REMOTE",
        hide_env_values = true
    )]
    pub(crate) remote: Option<String>,

    /// Read the token for --remote from this file instead of PACKHOUSE_TOKEN
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// Plan with this component instead of the built-in one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_COMPONENT",
        hide_env_values = true
    )]
    pub(crate) component: Option<PathBuf>,

    /// Print results as JSON, one document per line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Log more to stderr; repeat for more detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colours; `auto` checks the terminal and NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value_t, value_enum)]
    pub(crate) color: When,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create, list, show, delete and restore repos
    #[command(subcommand)]
    Repo(Repo),
    /// List and delete the branches of a repo
    #[command(subcommand)]
    Branch(Branch),
    /// Store packs in a repo: all of the files, or none
    Push(Push),
    /// Consolidate the packs of a repo into one
    Gc(Gc),
    /// Fetch the commits you don't have, as one pack
    Fetch(Fetch),
    /// Read and hash all packs; exit 4 if something is missing or damaged
    Verify(Verify),
    /// Delete packs that were replaced long enough ago, and expired fetch results
    Prune(Prune),
    /// Back up the store to another folder while it is in use, and verify the copy
    Backup(Backup),
    /// Run the server: a remote for Muse clients, the console and the command line
    Serve(Box<Serve>),
    /// Run a worker: it runs jobs that were queued with --async or by policies
    Worker(Worker),
    /// List, show, retry and cancel jobs
    #[command(subcommand)]
    Jobs(Jobs),
    /// Configure automatic consolidation, and check which repos are due
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Create, list and revoke access tokens of a server
    #[command(subcommand)]
    Token(Token),
    /// Print metrics of the store for Prometheus
    Metrics,
    /// Migrate the catalog to the current version, or list pending migrations
    Migrate(Migrate),
    /// Show the sandboxed component that plans the work, or export it
    Component(Component),
    /// Replay recorded runs without a store; exit 4 if the component behaves differently
    Replay(Replay),
    /// Check the environment and the store for problems
    Doctor(Doctor),
    /// Interactive full-screen console
    Console(ConsoleArgs),
    /// Run a demo in a temporary folder
    Demo(Demo),
    /// Print a shell completion script
    Completions(Completions),
}

impl Verb {
    /// Whether the verb runs until it is stopped, and handles signals itself.
    pub(crate) const fn handles_signals(&self) -> bool {
        matches!(self, Verb::Serve(_) | Verb::Worker(_) | Verb::Console(_))
    }
}

/// `packhouse repo …`
#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Create a repo
    Create {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Make the repo readable only with a token for it
        #[arg(long)]
        private: bool,
    },
    /// Delete a repo. Its name is free at once; `repo restore` can restore it until `prune` deletes
    /// its packs
    Delete {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Skip the confirmation; required without a terminal
        #[arg(long)]
        yes: bool,
    },
    /// Restore a deleted repo that `prune` has not removed yet
    Restore {
        /// Name of the deleted repo; if several had it, the last one deleted
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Restore the repo with this id, as `repo delete` printed it
        #[arg(long, value_name = "REPO_ID", value_parser = |id: &str| Ok::<_, std::convert::Infallible>(RepoId(id.to_owned())))]
        id: Option<RepoId>,
        /// Restore it under this name
        #[arg(long = "as", value_name = "OWNER/SLUG")]
        new_name: Option<RepoName>,
    },
    /// List all repos
    List,
    /// Show one repo: packs, sizes, branches
    Show {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
}

/// `packhouse branch …`
#[derive(Debug, Subcommand)]
pub(crate) enum Branch {
    /// List the branches of a repo and their heads
    List {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
    /// Delete a branch. Its commits stay until `packhouse gc --expire-unreachable AGE` drops them
    Delete {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Name of the branch, or its escaped form as shown by `packhouse branch list`
        #[arg(value_name = "NAME", allow_hyphen_values = true)]
        name: String,
        /// Skip the confirmation; required without a terminal
        #[arg(long)]
        yes: bool,
    },
}

/// `packhouse push …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Push {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: RepoName,
    /// Pack files written by a Muse client
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Move branches even if their heads have diverged; the head in the last file wins
    #[arg(long)]
    pub(crate) force: bool,
    /// Store the files now, and queue a job to index them
    #[arg(long = "async", conflicts_with = "record")]
    pub(crate) later: bool,
    /// Record the planning to a tape, for `packhouse replay`
    #[arg(long, value_name = "TAPE")]
    pub(crate) record: Option<PathBuf>,
}

/// `packhouse gc …`
#[derive(Debug, ClapArgs)]
#[command(group(ArgGroup::new("which").required(true).args(["repos", "all"])))]
pub(crate) struct Gc {
    /// Repos to consolidate
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repos: Vec<RepoName>,
    /// Consolidate all repos
    #[arg(long)]
    pub(crate) all: bool,
    /// Show the plan without changing anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with_all = ["dry_run", "record"])]
    pub(crate) later: bool,
    /// Drop what no branch, tag or release has reached for this long: 90d, 12h
    #[arg(long, value_name = "AGE", value_parser = duration, conflicts_with = "record")]
    pub(crate) expire_unreachable: Option<Duration>,
    /// Record the planning to a tape, for `packhouse replay`. With several repos, or if TAPE is a
    /// folder, each repo gets its own tape in it
    #[arg(long, value_name = "TAPE")]
    pub(crate) record: Option<PathBuf>,
}

/// `packhouse fetch …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Fetch {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: RepoName,
    /// Commits to fetch, with everything that they reach [default: every branch head]
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) want: Vec<String>,
    /// Commits that you have already; unknown IDs are ignored
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) have: Vec<String>,
    /// Lifetime of the URL in seconds, up to seven days
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) ttl: u64,
    /// Also write the pack to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Record the planning to a tape, for `packhouse replay`
    #[arg(long, value_name = "TAPE")]
    pub(crate) record: Option<PathBuf>,
}

/// `packhouse verify …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// Repos to verify [default: all]
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repos: Vec<RepoName>,
    /// Repair missing and damaged packs from intact copies in the store
    #[arg(long)]
    pub(crate) repair: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with = "repair")]
    pub(crate) later: bool,
}

/// `packhouse prune …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Prune {
    /// Keep packs this long after they were replaced: 36h, 8d, 0s. URLs from earlier fetches stop
    /// working when their pack is deleted
    #[arg(long, value_name = "DURATION", default_value = "8d", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Also delete packs in storage that no repo refers to, if they are older than a day. Reads all
    /// packs that repos need first
    #[arg(long)]
    pub(crate) orphans: bool,
    /// Don't read needed packs again that were verified within this time; 0s reads all of them
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub(crate) trust_verified: Duration,
    /// With --orphans: delete packs even if the catalog looks older than they are (a restored
    /// backup, a copy without its -wal). They may be the only copy of pushed data
    #[arg(long, requires = "orphans", conflicts_with = "later")]
    pub(crate) delete_newer_than_catalog: bool,
    /// Show what would be deleted without deleting anything
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with = "dry_run")]
    pub(crate) later: bool,
}

/// `packhouse backup …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Backup {
    /// Folder for the backup; it must be empty or not exist yet
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Update the backup in DIR: add new packs, remove packs that are no longer needed
    #[arg(long)]
    pub(crate) update: bool,
}

/// Parses a duration; a day has 24 hours, and a plain number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration like 8d, 36h, 90m or 0s".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let span: jiff::Span = text.parse().map_err(|_| expected())?;
    let exact =
        span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| expected())?;
    Duration::try_from(exact).map_err(|_| expected())
}

/// `packhouse component …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Component {
    /// Write the component to a file
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print its WIT package
    #[arg(long)]
    pub(crate) wit: bool,
}

/// `packhouse replay …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Replay {
    /// Tapes, or folders of tapes
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
    /// Print the tape as JSON lines without running it
    #[arg(long)]
    pub(crate) dump: bool,
}

/// `packhouse doctor …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Also check that no other user can read this private key (of `packhouse serve --tls-key`)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// `packhouse demo …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Print plain lines, without progress bars and colours
    #[arg(long)]
    pub(crate) headless: bool,
}

/// `packhouse completions …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Parses the command line. `--help` and `--version` are errors, too.
pub(crate) fn parse(args_os: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let args_os: Vec<OsString> = args_os.into_iter().collect();
    // Help and usage errors are printed before `--color` is parsed, so find it here.
    let colour = match args_os
        .iter()
        .zip(args_os.iter().skip(1))
        .find(|(flag, _)| *flag == "--color")
        .map(|(_, when)| when.to_str())
    {
        Some(Some("always")) => clap::ColorChoice::Always,
        Some(Some("never")) => clap::ColorChoice::Never,
        _ if args_os.iter().any(|word| word == "--color=always") => clap::ColorChoice::Always,
        _ if args_os.iter().any(|word| word == "--color=never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    };
    let mut command = Args::command().color(colour);
    let mut matches = command.try_get_matches_from_mut(args_os)?;
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let (remote, local) = (given("remote"), LOCAL.into_iter().find(|name| given(name)));
    let mut args =
        Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    if let (true, Some(other)) = (remote, local) {
        let message = format!(
            "--remote uses the store of a server, --{other} a local one; remove one of them"
        );
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    // A flag overrides a variable.
    if local.is_some() {
        args.globals.remote = None;
    }
    Ok(args)
}

/// Flags for a local store.
const LOCAL: [&str; 4] = ["data", "database", "storage", "component"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Args, clap::Error> {
        parse(std::iter::once("packhouse").chain(line.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_command_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn globals_stand_before_or_behind_the_verb() {
        for line in
            ["--json --data d repo list", "repo list --json --data d", "repo --json list --data=d"]
        {
            let args = read(line).unwrap();
            assert!(args.globals.json, "{line}");
            assert_eq!(args.globals.data, Some("d".into()), "{line}");
        }
    }

    #[test]
    fn gc_wants_repos_or_all_and_not_both() {
        assert!(matches!(read("gc --all").unwrap().verb, Verb::Gc(Gc { all: true, .. })));
        assert!(
            matches!(read("gc a/b c/d").unwrap().verb, Verb::Gc(Gc { repos, .. }) if repos.len() == 2)
        );
        for line in ["gc", "gc --dry-run", "gc --all a/b"] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn fetch_takes_lists_of_ids_and_a_week_at_most() {
        let Verb::Fetch(fetch) = read("fetch a/b --want 1 2 --have 3 --want 4").unwrap().verb
        else {
            panic!("not fetch")
        };
        assert_eq!(
            (fetch.want, fetch.have, fetch.ttl),
            (vec!["1".into(), "2".into(), "4".into()], vec!["3".into()], 3600)
        );
        assert!(read("fetch a/b --ttl 604800").is_ok());
        for line in [
            "fetch a/b --ttl 0",
            "fetch a/b --ttl 604801",
            "fetch a/b --ttl -1",
            "fetch a/b --ttl 1h",
            "fetch",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_bad_repo_name_is_a_usage_error_that_says_why() {
        let error = read("repo show ../x").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("expected OWNER/SLUG"), "{error}");
    }

    #[test]
    fn a_store_is_local_or_remote() {
        assert_eq!(
            read("repo list --remote http://h").unwrap().globals.remote.as_deref(),
            Some("http://h")
        );
        for line in [
            "--remote u repo list --data d",
            "gc --all --remote u --database d",
            "--storage s --remote u doctor",
            "--component c --remote u prune",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_grace_is_a_duration() {
        let grace = |line: &str| match read(line).unwrap().verb {
            Verb::Prune(prune) => prune.grace.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(grace("prune"), 8 * 24 * 3600);
        for (line, seconds) in
            [("0", 0), ("0s", 0), ("90", 90), ("36h", 129_600), ("1d12h", 129_600), ("1w", 604_800)]
        {
            assert_eq!(grace(&format!("prune --dry-run --grace {line}")), seconds, "{line}");
        }
        for line in ["-1s", "soon", "1mo", ""] {
            assert_eq!(
                read(&format!("prune --grace={line}")).unwrap_err().exit_code(),
                2,
                "{line}"
            );
        }
    }

    #[test]
    fn any_verb_takes_a_component_and_those_that_plan_take_a_tape() {
        for line in [
            "push a/b f --record t",
            "gc a/b --record t",
            "gc --all --record t",
            "fetch a/b --record t",
        ] {
            assert!(read(line).is_ok(), "{line}");
            assert_eq!(
                read(&format!("{line} --component c")).unwrap().globals.component,
                Some("c".into()),
                "{line}"
            );
        }
        assert!(
            matches!(read("replay t d --component c").unwrap().verb, Verb::Replay(Replay { tapes, .. }) if tapes.len() == 2)
        );
        for line in ["replay", "verify --record t"] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_token_needs_a_scope_and_repos() {
        let Verb::Token(Token::Create(create)) =
            read("token create --scope push --repo a/b --repo c/* --expires 2d").unwrap().verb
        else {
            panic!("not token create")
        };
        assert_eq!(
            (create.scope, create.repos.len(), create.name.as_str()),
            (packhouse_host::access::Scope::Push, 2, "")
        );
        assert_eq!(create.expires.map(|expires| expires.as_secs()), Some(172_800));
        for line in [
            "--scope read",
            "--repo a/b",
            "--scope root --repo a/b",
            "--scope read --repo a",
            "--scope read --repo",
        ] {
            assert_eq!(read(&format!("token create {line}")).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        assert_eq!(read("-vv repo list").unwrap().globals.verbose, 2);
        assert_eq!(read("-q -v repo list").unwrap_err().exit_code(), 2);
    }
}
