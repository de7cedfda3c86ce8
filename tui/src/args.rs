//! The command line as a whole: a verb, and the options of every verb.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::globals::Globals;
use crate::verbs::Verb;

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

/// Parses the command line. `--help` and `--version` are errors, too.
pub(crate) fn parse(args_os: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let args_os = with_factor(args_os.into_iter().collect());
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
    let token_file = given("token_file");
    let mut args =
        Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    if let (true, Some(other)) = (remote, local) {
        let message = format!(
            "--remote uses the store of a server, --{other} a local one; remove one of them"
        );
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    // A token is sent only to the server that it is for.
    if matches!(args.verb, Verb::Import(_)) && token_file {
        args.globals.source_token_file = args.globals.token_file.take();
    }
    // A flag overrides a variable.
    if local.is_some() {
        args.globals.remote = None;
    }
    Ok(args)
}

/// Joins `--geometric 3` to `--geometric=3`: the factor is optional, and clap would take a repo that
/// follows for it.
fn with_factor(args_os: Vec<OsString>) -> Vec<OsString> {
    let is_number = |word: &OsString| word.to_str().is_some_and(|word| word.parse::<u32>().is_ok());
    let mut joined: Vec<OsString> = Vec::with_capacity(args_os.len());
    for word in args_os {
        match joined.last_mut() {
            Some(flag) if flag == "--geometric" && is_number(&word) => {
                flag.push("=");
                flag.push(word);
            }
            _ => joined.push(word),
        }
    }
    joined
}

/// Flags for a local store.
const LOCAL: [&str; 4] = ["data", "database", "storage", "component"];

/// Parses a line of words, for the tests of the verbs.
#[cfg(test)]
pub(crate) fn read(line: &str) -> Result<Args, clap::Error> {
    parse(std::iter::once("packhouse").chain(line.split_whitespace()).map(OsString::from))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(read("verify --record t").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn quiet_and_verbose_exclude_each_other() {
        assert_eq!(read("-vv repo list").unwrap().globals.verbose, 2);
        assert_eq!(read("-q -v repo list").unwrap_err().exit_code(), 2);
    }
}
