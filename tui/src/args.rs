//! What can be asked of `packhouse`: the verbs, their options, and the options they share.

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
use packhouse_host::RepoName;

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
Keeps the packs of a Muse server in order.

Each push leaves one pack, packs pile up, and reads slow down. packhouse merges a repo's packs into one, \
proves that nothing was lost, and serves fetches from the result. To see all of it in a minute: packhouse demo";

/// The whole call.
#[derive(Debug, Parser)]
#[command(name = "packhouse", bin_name = "packhouse", version, about = ABOUT, after_help = EXIT_CODES, styles = STYLES)]
#[command(max_term_width = 110)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Where the store is, and how to answer.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Folder of the store: catalog and packs. `repo create` and `serve` make it [default: the
    /// platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "PACKHOUSE_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,

    /// Catalog elsewhere: sqlite:///FILE, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,

    /// Packs elsewhere: file:///DIR, or s3://BUCKET/PREFIX with the usual AWS_… variables
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_STORAGE_URL",
        hide_env_values = true
    )]
    pub(crate) storage: Option<String>,

    /// Ask a `packhouse serve` instead of opening a store; with a token in PACKHOUSE_TOKEN. Goes
    /// before the variables that name a store; flags that name one go before PACKHOUSE_REMOTE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_REMOTE",
        hide_env_values = true
    )]
    pub(crate) remote: Option<String>,

    /// The token for --remote is in this file, and not in PACKHOUSE_TOKEN
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// A component to plan with, instead of the one that packhouse brings along
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_COMPONENT",
        hide_env_values = true
    )]
    pub(crate) component: Option<PathBuf>,

    /// Answer in JSON: a document per result, one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// No progress, no notes, no warnings: results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Log more to stderr; repeat for still more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Colours; `auto` looks at the terminal and at NO_COLOR
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

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make, list, show, delete and restore repos
    #[command(subcommand)]
    Repo(Repo),
    /// List the branches of a repo, or delete one
    #[command(subcommand)]
    Branch(Branch),
    /// Store packs: all the files given, or none
    Push(Push),
    /// Merge each repo's packs into one
    Gc(Gc),
    /// Get a pack with what is wanted and not had
    Fetch(Fetch),
    /// Read and hash everything; exit 4 when something is wrong
    Verify(Verify),
    /// Delete packs that were replaced long ago, and expired answers
    Prune(Prune),
    /// Copy the store to another folder while it works, and verify the copy
    Backup(Backup),
    /// Be a remote for Muse clients, and for consoles and this program elsewhere
    Serve(Box<Serve>),
    /// Do jobs: what was asked for with --async, and what policies ask for
    Worker(Worker),
    /// List jobs, look at one, try it again or take it back
    #[command(subcommand)]
    Jobs(Jobs),
    /// Set when repos are consolidated by themselves, and see which are due
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Make, list and revoke tokens: who may ask a server for what
    #[command(subcommand)]
    Token(Token),
    /// Print measurements of the store for Prometheus
    Metrics,
    /// Bring the catalog up to date, or see whether it is
    Migrate(Migrate),
    /// Show the sandboxed component that plans the work, or copy it out
    Component(Component),
    /// Run what is on tape again, without a store; exit 4 when the component does something else
    Replay(Replay),
    /// Check that everything packhouse needs is in order
    Doctor(Doctor),
    /// Watch and tend the store on the whole terminal
    Console(ConsoleArgs),
    /// See it all work, in a temporary folder that is gone afterwards
    Demo(Demo),
    /// Print completions for a shell
    Completions(Completions),
}

impl Verb {
    /// Whether it runs until it is asked to stop, and looks at signals itself.
    pub(crate) const fn handles_signals(&self) -> bool {
        matches!(self, Verb::Serve(_) | Verb::Worker(_) | Verb::Console(_))
    }
}

/// `packhouse repo …`
#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Make a repo
    Create {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Readable by its owner only
        #[arg(long)]
        private: bool,
    },
    /// Delete a repo: its packs wait for deletion (prune), and its name is free. Until prune
    /// removes it, `repo restore` brings it back
    Delete {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Don't ask. Needed where there is no terminal to ask on
        #[arg(long)]
        yes: bool,
    },
    /// Bring back a deleted repo as it was, until prune has removed it
    Restore {
        /// The repo, by the name that it had; of several, the one that was deleted last
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
    /// List all repos
    List,
    /// Show one repo: packs, sizes, branches
    Show {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
}

/// `packhouse branch …`
#[derive(Debug, Subcommand)]
pub(crate) enum Branch {
    /// List the branches of a repo, and where they stand
    List {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
    /// Delete a branch. Its commits stay until `packhouse gc --expire-unreachable AGE` drops them
    Delete {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// The branch: its name, or what `packhouse branch list` shows for one that can't be typed
        #[arg(value_name = "NAME", allow_hyphen_values = true)]
        name: String,
    },
}

/// `packhouse push …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Push {
    /// The repo
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: RepoName,
    /// Packs that a Muse client wrote
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Move branches even where the heads don't lead to each other: the last file's head wins
    #[arg(long)]
    pub(crate) force: bool,
    /// Store the files and leave indexing them to a worker
    #[arg(long = "async", conflicts_with = "record")]
    pub(crate) later: bool,
    /// Put the planning on tape, for `packhouse replay`
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
    /// All repos of the store
    #[arg(long)]
    pub(crate) all: bool,
    /// Plan and show, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave it to a worker
    #[arg(long = "async", conflicts_with_all = ["dry_run", "record"])]
    pub(crate) later: bool,
    /// Drop what no branch, tag or release has reached for so long: 90d, 12h
    #[arg(long, value_name = "AGE", value_parser = duration, conflicts_with = "record")]
    pub(crate) expire_unreachable: Option<Duration>,
    /// Put the planning on tape, for `packhouse replay`. Of several repos, or where TAPE is a
    /// folder, each gets its own in it
    #[arg(long, value_name = "TAPE")]
    pub(crate) record: Option<PathBuf>,
}

/// `packhouse fetch …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Fetch {
    /// The repo
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: RepoName,
    /// Commits to get, with all that they reach [default: every branch head]
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) want: Vec<String>,
    /// Commits that are there already; unknown ones are ignored
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub(crate) have: Vec<String>,
    /// How long the URL is good: one second to seven days
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub(crate) ttl: u64,
    /// Write the pack to a file, besides
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Put the planning on tape, for `packhouse replay`
    #[arg(long, value_name = "TAPE")]
    pub(crate) record: Option<PathBuf>,
}

/// `packhouse verify …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Verify {
    /// Repos to check [default: all]
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repos: Vec<RepoName>,
    /// Take what is missing or damaged from any sound copy in the store
    #[arg(long)]
    pub(crate) repair: bool,
    /// Leave it to a worker
    #[arg(long = "async", conflicts_with = "repair")]
    pub(crate) later: bool,
}

/// `packhouse prune …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Prune {
    /// How long ago a pack must have been replaced: 36h, 8d, 0s. URLs that fetches gave out for it
    /// stop working
    #[arg(long, value_name = "DURATION", default_value = "8d", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Delete packs in storage that no repo knows, too, if they are older than a day
    #[arg(long)]
    pub(crate) orphans: bool,
    /// Believe that what replaces a pack is sound when it was read and hashed whole not longer ago
    /// than this; 0s reads it now
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    pub(crate) trust_verified: Duration,
    /// With --orphans: delete them even where the catalog looks older than they are (a restored
    /// backup, a copy without its -wal). They may be all that is left of pushes
    #[arg(long, requires = "orphans", conflicts_with = "later")]
    pub(crate) delete_newer_than_catalog: bool,
    /// Say what would be deleted, delete nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Leave it to a worker
    #[arg(long = "async", conflicts_with = "dry_run")]
    pub(crate) later: bool,
}

/// `packhouse backup …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Backup {
    /// Where the backup shall be: a folder that is not there yet, or is empty
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
    /// Bring the backup in DIR up to date: add what is new, remove packs that it does not need any
    /// more
    #[arg(long)]
    pub(crate) update: bool,
}

/// A duration in words, a day being 24 hours; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "a duration like 8d, 36h, 90m or 0s is expected".to_owned();
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
    /// Print the WIT package that it speaks
    #[arg(long)]
    pub(crate) wit: bool,
}

/// `packhouse replay …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Replay {
    /// Tapes, or folders of tapes
    #[arg(value_name = "TAPE", required = true)]
    pub(crate) tapes: Vec<PathBuf>,
    /// Print what is on the tape, in JSON lines, and run nothing
    #[arg(long)]
    pub(crate) dump: bool,
}

/// `packhouse doctor …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// Also check that nobody else can read the private key of `packhouse serve --tls-key`
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// `packhouse demo …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Plain lines: no bars, no colours
    #[arg(long)]
    pub(crate) headless: bool,
}

/// `packhouse completions …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Reads a call's words. An error is also what `--help` and `--version` answer.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    // Help and usage errors are written before `--color` is read, so it is looked up here.
    let colour = match words
        .iter()
        .zip(words.iter().skip(1))
        .find(|(flag, _)| *flag == "--color")
        .map(|(_, when)| when.to_str())
    {
        Some(Some("always")) => clap::ColorChoice::Always,
        Some(Some("never")) => clap::ColorChoice::Never,
        _ if words.iter().any(|word| word == "--color=always") => clap::ColorChoice::Always,
        _ if words.iter().any(|word| word == "--color=never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    };
    let mut command = Args::command().color(colour);
    let mut matches = command.try_get_matches_from_mut(words)?;
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    let (remote, here) = (given("remote"), HERE.into_iter().find(|name| given(name)));
    let mut args =
        Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    if let (true, Some(other)) = (remote, here) {
        let words = format!(
            "--remote asks a server, which has its store; --{other} is for a store of this machine's. Leave one of them out"
        );
        return Err(command.error(ErrorKind::ArgumentConflict, words));
    }
    // A flag goes before a variable.
    if here.is_some() {
        args.globals.remote = None;
    }
    Ok(args)
}

/// Flags that are about a store on this machine.
const HERE: [&str; 4] = ["data", "database", "storage", "component"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Args, clap::Error> {
        parse(std::iter::once("packhouse").chain(words.split_whitespace()).map(OsString::from))
    }

    #[test]
    fn the_command_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn globals_stand_before_or_behind_the_verb() {
        for words in
            ["--json --data d repo list", "repo list --json --data d", "repo --json list --data=d"]
        {
            let args = read(words).unwrap();
            assert!(args.globals.json, "{words}");
            assert_eq!(args.globals.data, Some("d".into()), "{words}");
        }
    }

    #[test]
    fn gc_wants_repos_or_all_and_not_both() {
        assert!(matches!(read("gc --all").unwrap().verb, Verb::Gc(Gc { all: true, .. })));
        assert!(
            matches!(read("gc a/b c/d").unwrap().verb, Verb::Gc(Gc { repos, .. }) if repos.len() == 2)
        );
        for words in ["gc", "gc --dry-run", "gc --all a/b"] {
            assert_eq!(read(words).unwrap_err().exit_code(), 2, "{words}");
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
        for words in [
            "fetch a/b --ttl 0",
            "fetch a/b --ttl 604801",
            "fetch a/b --ttl -1",
            "fetch a/b --ttl 1h",
            "fetch",
        ] {
            assert_eq!(read(words).unwrap_err().exit_code(), 2, "{words}");
        }
    }

    #[test]
    fn a_bad_repo_name_is_a_usage_error_that_says_why() {
        let error = read("repo show ../x").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("OWNER/SLUG is expected"), "{error}");
    }

    #[test]
    fn a_store_is_here_or_elsewhere() {
        assert_eq!(
            read("repo list --remote http://h").unwrap().globals.remote.as_deref(),
            Some("http://h")
        );
        for words in [
            "--remote u repo list --data d",
            "gc --all --remote u --database d",
            "--storage s --remote u doctor",
            "--component c --remote u prune",
        ] {
            assert_eq!(read(words).unwrap_err().exit_code(), 2, "{words}");
        }
    }

    #[test]
    fn a_grace_is_a_duration() {
        let grace = |words: &str| match read(words).unwrap().verb {
            Verb::Prune(prune) => prune.grace.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(grace("prune"), 8 * 24 * 3600);
        for (words, seconds) in
            [("0", 0), ("0s", 0), ("90", 90), ("36h", 129_600), ("1d12h", 129_600), ("1w", 604_800)]
        {
            assert_eq!(grace(&format!("prune --dry-run --grace {words}")), seconds, "{words}");
        }
        for words in ["-1s", "soon", "1mo", ""] {
            assert_eq!(
                read(&format!("prune --grace={words}")).unwrap_err().exit_code(),
                2,
                "{words}"
            );
        }
    }

    #[test]
    fn any_verb_takes_a_component_and_those_that_plan_take_a_tape() {
        for words in [
            "push a/b f --record t",
            "gc a/b --record t",
            "gc --all --record t",
            "fetch a/b --record t",
        ] {
            assert!(read(words).is_ok(), "{words}");
            assert_eq!(
                read(&format!("{words} --component c")).unwrap().globals.component,
                Some("c".into()),
                "{words}"
            );
        }
        assert!(
            matches!(read("replay t d --component c").unwrap().verb, Verb::Replay(Replay { tapes, .. }) if tapes.len() == 2)
        );
        for words in ["replay", "verify --record t"] {
            assert_eq!(read(words).unwrap_err().exit_code(), 2, "{words}");
        }
    }

    #[test]
    fn a_token_needs_a_scope_and_repos() {
        let Verb::Token(Token::Create(asked)) =
            read("token create --scope push --repo a/b --repo c/* --expires 2d").unwrap().verb
        else {
            panic!("not token create")
        };
        assert_eq!(
            (asked.scope, asked.repos.len(), asked.name.as_str()),
            (packhouse_host::access::Scope::Push, 2, "")
        );
        assert_eq!(asked.expires.map(|expires| expires.as_secs()), Some(172_800));
        for words in [
            "--scope read",
            "--repo a/b",
            "--scope root --repo a/b",
            "--scope read --repo a",
            "--scope read --repo",
        ] {
            assert_eq!(
                read(&format!("token create {words}")).unwrap_err().exit_code(),
                2,
                "{words}"
            );
        }
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        assert_eq!(read("-vv repo list").unwrap().globals.verbose, 2);
        assert_eq!(read("-q -v repo list").unwrap_err().exit_code(), 2);
    }
}
