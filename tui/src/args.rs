//! The command line as a whole: a verb, and the options of every verb.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};

use crate::config::Config;
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
    /// The words of the verb, such as `repo create`.
    #[arg(skip)]
    pub(crate) words: String,
}

/// Parses the command line, with the config file behind it. `--help` and `--version` are errors, too.
pub(crate) fn parse(args_os: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let args_os = with_factor(args_os.into_iter().collect());
    let command = Args::command();
    match Config::read(&command) {
        Ok(config) => parse_with(config, command, args_os),
        Err(error) => match parse_with(Config::default(), command, args_os) {
            // Help is needed most when something is wrong.
            Err(help) if !help.use_stderr() => Err(help),
            _ => Err(clap::Error::raw(ErrorKind::InvalidValue, format!("{error}\n"))),
        },
    }
}

fn parse_with(
    mut config: Config,
    command: Command,
    args_os: Vec<OsString>,
) -> Result<Args, clap::Error> {
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
    let mut command = command.color(colour);
    let args_os = config.add_to(&command, args_os);
    let mut matches = command.try_get_matches_from_mut(&args_os).map_err(|error| {
        in_file(with_usage_of_help(error, &mut command, &args_os), &config, &command)
    })?;
    let rank = |name: &str| rank(&matches, &config, name);
    let (remote, local) = (rank("remote"), LOCAL.into_iter().max_by_key(|name| rank(name)));
    let local = local.map_or((0, ""), |name| (rank(name), name));
    let token_file = rank("token_file") == ON_COMMAND_LINE;
    let given = given(&matches, &config, &command);
    let data = rank("data");
    let words = words(&matches);
    let of_file = |name: &str| rank(name) == IN_FILE && data > IN_FILE;
    let (is_other_database, is_other_storage) = (of_file("database"), of_file("storage"));
    let mut args =
        Args::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))?;
    if remote == ON_COMMAND_LINE && local.0 == ON_COMMAND_LINE {
        let message = format!(
            "--remote uses the store of a server, --{} a local one; remove one of them",
            local.1
        );
        return Err(command.error(ErrorKind::ArgumentConflict, message));
    }
    // A token is sent only to the server that it is for.
    if matches!(args.verb, Verb::Import(_)) && token_file {
        args.globals.source_token_file = args.globals.token_file.take();
    }
    // A flag overrides a variable, and a variable the config file.
    if local.0 > remote {
        args.globals.remote = None;
    }
    // So does a store's folder, whatever store the file names.
    if is_other_database {
        args.globals.database = None;
    }
    if is_other_storage {
        args.globals.storage = None;
    }
    config.given = given;
    args.globals.config = config;
    args.words = words;
    Ok(args)
}

/// The words of the verb.
fn words(matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    let mut matches = matches;
    while let Some((word, of_verb)) = matches.subcommand() {
        words.push(word);
        matches = of_verb;
    }
    words.join(" ")
}

/// Where an option of every verb is set: what ranks higher overrides; 0 if nowhere.
const ON_COMMAND_LINE: u8 = 3;
const IN_ENVIRONMENT: u8 = 2;
const IN_FILE: u8 = 1;

fn rank(matches: &ArgMatches, config: &Config, name: &str) -> u8 {
    match matches.value_source(name) {
        Some(ValueSource::CommandLine) if config.has_added(&name.replace('_', "-")) => IN_FILE,
        Some(ValueSource::CommandLine) => ON_COMMAND_LINE,
        Some(ValueSource::EnvVariable) => IN_ENVIRONMENT,
        _ => 0,
    }
}

/// The options of every verb that are on the command line.
fn given(
    matches: &ArgMatches,
    config: &Config,
    command: &Command,
) -> BTreeMap<String, Vec<String>> {
    let on_command_line =
        |arg: &&Arg| rank(matches, config, arg.get_id().as_str()) == ON_COMMAND_LINE;
    let values = |arg: &Arg| {
        let raw = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        let values: Vec<_> = raw.map(|value| value.to_string_lossy().into_owned()).collect();
        Some((arg.get_long()?.to_owned(), values))
    };
    command.get_arguments().filter(on_command_line).filter_map(values).collect()
}

/// The same error with the usage line that the help of the verb has. That of clap shows what was given,
/// also by variables and the config file, as if it were required.
fn with_usage_of_help(
    mut error: clap::Error,
    command: &mut Command,
    args_os: &[OsString],
) -> clap::Error {
    if error.get(ContextKind::Usage).is_some() {
        command.build();
        let mut verb = &*command;
        for word in args_os.iter().skip(1) {
            verb = verb.find_subcommand(word).unwrap_or(verb);
        }
        let usage = verb.clone().render_usage();
        error.insert(ContextKind::Usage, ContextValue::StyledStr(usage));
    }
    error
}

/// An error about a value that the config file gave: it names the place.
fn in_file(error: clap::Error, config: &Config, command: &Command) -> clap::Error {
    let (Some(ContextValue::String(option)), Some(ContextValue::String(value))) =
        (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue))
    else {
        return error;
    };
    let option = option.trim_start_matches("--").split([' ', '=', '[']).next().unwrap_or_default();
    match config.setting_of(option, value) {
        // Where the command line gives the same value, the place is still a help.
        Some(setting) => {
            let problem = error.source().map_or_else(
                || format!("`{value}` is not a value of `{option}`"),
                |source| format!("`{value}` is not a value of `{option}`: {source}"),
            );
            let message = format!("{}: {problem}\n", config.place(setting));
            clap::Error::raw(ErrorKind::InvalidValue, message).with_cmd(command)
        }
        None => error,
    }
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
    read_with(Config::default(), line)
}

/// The same, with a config file.
#[cfg(test)]
pub(crate) fn read_with(config: Config, line: &str) -> Result<Args, clap::Error> {
    let words = std::iter::once("packhouse").chain(line.split_whitespace());
    parse_with(config, Args::command(), with_factor(words.map(OsString::from).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_usage_after_an_error_is_that_of_the_help() {
        for (line, usage) in [
            ("--data d push", "packhouse push [OPTIONS] <OWNER/SLUG> <FILE>..."),
            ("branch delete --data d", "packhouse branch delete [OPTIONS] <OWNER/SLUG> <NAME>"),
            ("repo rm --data d", "packhouse repo delete [OPTIONS] <OWNER/SLUG>"),
            ("--data d", "packhouse [OPTIONS] <COMMAND>"),
        ] {
            let error = read(line).unwrap_err().to_string();
            assert!(error.contains(usage), "{line}: {error}");
        }
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
