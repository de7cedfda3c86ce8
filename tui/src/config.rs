//! The config file: options of the command line that are not given there.
//!
//! ```toml
//! data = "/srv/packhouse"        # options of every verb, by their long names
//!
//! [serve]                        # options of a verb
//! listen = "0.0.0.0:8080"
//!
//! [policy.set]
//! max-packs = 50
//! ```
//!
//! The command line overrides the environment, which overrides the file, which overrides the
//! default. What the file sets is put into the command line ([`Config::add_to`]) where nothing there
//! or in the environment sets it, or excludes it: then clap parses and checks it like the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use directories::BaseDirs;
use packhouse_host::Error;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::toml_file::{self, position};

/// The variable that names the file.
const VARIABLE: &str = "PACKHOUSE_CONFIG";
/// The file's name in the platform's config folder.
const NAME: &str = "packhouse/packhouse.toml";
/// The file of the machine.
const OF_MACHINE: &str = "/etc/packhouse/packhouse.toml";
/// Options that answer a question, pass over a check or select everything: they must be given each
/// time.
const ANSWERS: [&str; 4] = ["all", "delete-newer-than-catalog", "force", "yes"];

/// The config file, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) path: Option<PathBuf>,
    pub(crate) settings: Vec<Setting>,
    /// Options of every verb that are on the command line, by their long names.
    pub(crate) given: BTreeMap<String, Vec<String>>,
    /// Options of every verb that the file has added to it.
    added: BTreeSet<String>,
}

/// An option that the file sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The words of the verb; none for options of every verb.
    pub(crate) verb: Vec<String>,
    /// The option's long name.
    pub(crate) option: String,
    /// Its values: several for an option that can be repeated.
    pub(crate) values: Vec<String>,
    /// The line in the file, from 1.
    pub(crate) line: usize,
}

impl Config {
    /// Reads the file that the environment names; else the user's, else the machine's, if there is
    /// one. `command` is the command line, for the names of its options.
    pub(crate) fn read(command: &Command) -> Result<Config, Error> {
        if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
            let path = PathBuf::from(named);
            return match Config::of(&path, toml_file::read(&path), command)? {
                Some(config) => Ok(config),
                None => Err(Error::Usage(format!(
                    "{VARIABLE} names {}, which does not exist",
                    path.display()
                ))),
            };
        }
        let of_user = BaseDirs::new().map(|dirs| dirs.config_dir().join(NAME));
        if let Some(path) = of_user {
            match toml_file::read(&path) {
                // A service may run with a home that is another user's.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                read => {
                    if let Some(config) = Config::of(&path, read, command)? {
                        return Ok(config);
                    }
                }
            }
        }
        let path = Path::new(OF_MACHINE);
        Ok(Config::of(path, toml_file::read(path), command)?.unwrap_or_default())
    }

    /// The settings of a file that was read; `None` if it does not exist.
    fn of(
        path: &Path,
        read: std::io::Result<Option<String>>,
        command: &Command,
    ) -> Result<Option<Config>, Error> {
        let text = read.map_err(|error| {
            Error::Usage(format!(
                "reading the config file {} failed: {error}. To do without it: {VARIABLE}=/dev/null",
                path.display()
            ))
        })?;
        let Some(text) = text else { return Ok(None) };
        let settings = parse(&text, command).map_err(|(line, problem)| {
            Error::Usage(format!("{}:{line}: {problem}", path.display()))
        })?;
        Ok(Some(Config { path: Some(path.to_owned()), settings, ..Config::default() }))
    }

    /// Adds to a command line what the file sets, where nothing else does.
    pub(crate) fn add_to(&mut self, command: &Command, mut line: Vec<OsString>) -> Vec<OsString> {
        if self.settings.is_empty() {
            return line;
        }
        let mut command = command.clone().ignore_errors(true);
        // A call for help needs nothing.
        let Ok(matches) = command.try_get_matches_from_mut(&line) else { return line };
        // Now options of a verb know those of every verb that they exclude.
        command.build();
        let (mut verb, mut of_verb, mut given) = (Vec::new(), &command, &matches);
        while let Some((word, matches)) = given.subcommand()
            && let Some(found) = of_verb.find_subcommand(word)
        {
            verb.push(found.get_name().to_owned());
            (of_verb, given) = (found, matches);
        }
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for set in &self.settings {
            let (added, command, matches) = match &set.verb {
                of_all if of_all.is_empty() => (&mut first, &command, &matches),
                this if *this == verb => (&mut last, of_verb, given),
                _ => continue,
            };
            let Some(arg) = option(command, &set.option) else { continue };
            if is_free(command, matches, arg) {
                added.extend(words(arg, set));
                if set.verb.is_empty() {
                    self.added.insert(set.option.clone());
                }
            }
        }
        let end = line.iter().position(|word| word == "--").unwrap_or(line.len());
        line.splice(end..end, last);
        let start = line.len().min(1);
        line.splice(start..start, first);
        line
    }

    /// Where the file sets an option, as `FILE:LINE`.
    pub(crate) fn place(&self, setting: &Setting) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new(NAME));
        format!("{}:{}", path.display(), setting.line)
    }

    /// Whether an option of every verb has its value from the file.
    pub(crate) fn has_added(&self, option: &str) -> bool {
        self.added.contains(option)
    }

    /// The setting that gives an option a value, for the message about a value that is refused.
    pub(crate) fn setting_of(&self, option: &str, value: &str) -> Option<&Setting> {
        let is_it = |set: &&Setting| set.option == option && set.values.iter().any(|v| v == value);
        self.settings.iter().find(is_it)
    }
}

/// Whether neither the command line nor the environment has an option, or one that excludes it.
fn is_free(command: &Command, matches: &ArgMatches, arg: &Arg) -> bool {
    let is_given = |arg: &Arg| {
        let source = matches.value_source(arg.get_id().as_str());
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    let share_a_choice = |one: &Arg, other: &Arg| {
        command.get_groups().any(|group| {
            let has = |arg: &Arg| group.get_args().any(|id| id == arg.get_id());
            !group.clone().is_multiple() && has(one) && has(other)
        })
    };
    let is_in_the_way = |other: &Arg| {
        other.get_id() == arg.get_id()
            || excludes(arg, other)
            || excludes(other, arg)
            || share_a_choice(arg, other)
    };
    !command.get_arguments().any(|other| is_given(other) && is_in_the_way(other))
}

/// A setting as words of a command line.
fn words(arg: &Arg, set: &Setting) -> Vec<OsString> {
    let flag = format!("--{}", set.option);
    let times = match arg.get_action() {
        ArgAction::SetTrue => usize::from(set.values == ["true"]),
        ArgAction::Count => set.values.first().and_then(|n| n.parse().ok()).unwrap_or(0),
        _ => return set.values.iter().map(|value| format!("{flag}={value}").into()).collect(),
    };
    vec![flag.into(); times]
}

fn option<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(long))
}

/// What is wrong in a file, and its line.
type Wrong = (usize, String);

fn parse(text: &str, command: &Command) -> Result<Vec<Setting>, Wrong> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (position(text, at).0, error.message().to_owned())
    })?;
    let mut settings = Vec::new();
    collect(table.get_ref(), text, command, &[], &mut settings)?;
    settings.sort_by_key(|set| set.line);
    Ok(settings)
}

fn collect(
    table: &DeTable<'_>,
    text: &str,
    command: &Command,
    verb: &[String],
    settings: &mut Vec<Setting>,
) -> Result<(), Wrong> {
    for (key, value) in table {
        let (line, name) = (position(text, key.span().start).0, key.get_ref().as_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            let Some(inner_command) = command.find_subcommand(name) else {
                let verbs = command.get_subcommands().map(Command::get_name);
                return Err((line, unknown("verb", name, verbs)));
            };
            let inner_verb = [verb, &[inner_command.get_name().to_owned()]].concat();
            collect(inner, text, inner_command, &inner_verb, settings)?;
            continue;
        }
        let Some(arg) = option(command, name).filter(|arg| arg.get_long() != Some("version"))
        else {
            let options = command.get_arguments().filter_map(Arg::get_long);
            return Err((line, unknown("option", name, options)));
        };
        if ANSWERS.contains(&name) {
            let problem = format!("`{name}` can only be given on the command line");
            return Err((line, problem));
        }
        let values = values(arg, value).map_err(|problem| (line, problem))?;
        let (option, verb) = (name.to_owned(), verb.to_vec());
        settings.push(Setting { verb, option, values, line });
    }
    Ok(())
}

/// The values of an option: of a flag, `true` or `false`.
fn values(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let name = arg.get_long().unwrap_or_default();
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue, DeValue::Boolean(on)) => Ok(vec![on.to_string()]),
        (ArgAction::SetTrue, _) => Err(format!("`{name}` is true or false")),
        (ArgAction::Count, DeValue::Integer(times)) if times.as_str().parse::<u8>().is_ok() => {
            Ok(vec![times.as_str().to_owned()])
        }
        (ArgAction::Count, _) => Err(format!("`{name}` is a number of times")),
        (ArgAction::Append, DeValue::Array(list)) => texts(name, list),
        (_, DeValue::Array(_)) => Err(format!("`{name}` has one value, and no list")),
        (_, one) => Ok(vec![text_of(name, one)?]),
    }
}

fn texts(name: &str, list: &DeArray<'_>) -> Result<Vec<String>, String> {
    list.iter().map(|one| text_of(name, one.get_ref())).collect()
}

fn text_of(name: &str, value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) => Ok(number.as_str().to_owned()),
        DeValue::Float(number) => Ok(number.as_str().to_owned()),
        DeValue::Boolean(_) => Err(format!("`{name}` has a value; write it in quotes")),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            Err(format!("the value of `{name}` must be a text or a number"))
        }
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known
        .map(|known| (strsim::osa_distance(known, name), known))
        .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
        .min();
    match near {
        Some((_, near)) => format!("there is no {what} `{name}`; did you mean `{near}`?"),
        None => format!("there is no {what} `{name}`; `packhouse --help` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::{Args, read_with};
    use crate::verbs::Verb;

    fn config(text: &str) -> Result<Config, String> {
        let settings = parse(text, &Args::command())
            .map_err(|(line, problem)| format!("f.toml:{line}: {problem}"))?;
        Ok(Config { path: Some("f.toml".into()), settings, ..Config::default() })
    }

    #[test]
    fn the_command_line_overrides_the_file_and_the_file_the_default() {
        let file = config(
            "data = \"/srv/p\"\njson = true\n[fetch]\nttl = 60\n[policy.set]\nmax-packs = 7\n",
        )
        .unwrap();
        let args = read_with(file.clone(), "fetch a/b").unwrap();
        assert_eq!(args.globals.data, Some("/srv/p".into()));
        assert!(args.globals.json);
        let Verb::Fetch(fetch) = args.verb else { panic!() };
        assert!(format!("{fetch:?}").contains("60"), "{fetch:?}");
        let args = read_with(file, "--data d fetch a/b --ttl 5").unwrap();
        assert_eq!(args.globals.data, Some("d".into()));
        assert_eq!(args.globals.config.given["data"], ["d"]);
        let Verb::Fetch(fetch) = args.verb else { panic!() };
        assert!(format!("{fetch:?}").contains('5') && !format!("{fetch:?}").contains("60"));
    }

    #[test]
    fn a_store_on_the_command_line_overrides_whatever_store_the_file_names() {
        let file = config("remote = \"http://h\"\n").unwrap();
        let remote = |line: &str| read_with(file.clone(), line).unwrap().globals.remote;
        assert_eq!(remote("repo list").as_deref(), Some("http://h"));
        assert_eq!(remote("repo list --data d"), None);
        assert_eq!(remote("repo list --remote http://g").as_deref(), Some("http://g"));
        let file = config("database = \"sqlite:///d.db\"\nstorage = \"file:///p\"\n").unwrap();
        let globals = |line: &str| read_with(file.clone(), line).unwrap().globals;
        assert!(globals("repo list").database.is_some() && globals("repo list").storage.is_some());
        let other = globals("repo list --data d");
        assert_eq!((other.database, other.storage), (None, None));
        let both = globals("repo list --data d --database sqlite:///e.db");
        assert_eq!(both.database.as_deref(), Some("sqlite:///e.db"));
        assert_eq!(both.storage, None);
    }

    #[test]
    fn what_is_given_excludes_what_the_file_sets() {
        let with = |text: &str, line: &str| {
            let args = read_with(config(text).unwrap(), line);
            args.map(|args| format!("{:?}", args.verb)).map_err(|error| error.exit_code())
        };
        let plan = with("[gc]\nasync = true\n", "gc a/b --dry-run").unwrap();
        assert!(plan.contains("dry_run: true") && plan.contains("later: false"), "{plan}");
        let off = with("[policy.set]\nmax-packs = 50\n", "policy set a/b --off").unwrap();
        assert!(off.contains("off: true") && off.contains("max_packs: None"), "{off}");
        // What is required may be in the file.
        let set = with("[policy.set]\nmax-packs = 50\n", "policy set a/b").unwrap();
        assert!(set.contains("50"), "{set}");
        // And what the file sets is checked: a certificate without a key.
        assert_eq!(with("[serve]\ntls-cert = \"c\"\n", "serve"), Err(2));
        assert!(with("[serve]\ntls-cert = \"c\"\ntls-key = \"k\"\n", "serve").is_ok());
        let quiet = read_with(config("verbose = 2\n").unwrap(), "repo list -q").unwrap().globals;
        assert!(quiet.quiet && quiet.verbose == 0);
        // Words behind `--` are no options.
        let cat = with("[cat]\nraw = true\n", "cat a/b -- --raw").unwrap();
        assert!(cat.contains("id: \"--raw\"") && cat.contains("raw: true"), "{cat}");
    }

    /// Adds each option of a verb and of those below it, alone.
    fn add_each(verb: &Command, words: &[String]) -> usize {
        let mut added = 0;
        for option in verb.get_arguments().filter_map(Arg::get_long) {
            let (option, values) = (option.to_owned(), vec!["true".to_owned()]);
            let set = Setting { verb: words.to_vec(), option, values, line: 1 };
            let mut file = Config { settings: vec![set], ..Config::default() };
            let line = ["packhouse".to_owned()].iter().chain(words).map(OsString::from).collect();
            added += file.add_to(&Args::command(), line).len() - 1 - words.len();
        }
        for verb in verb.get_subcommands() {
            added += add_each(verb, &[words, &[verb.get_name().to_owned()]].concat());
        }
        added
    }

    #[test]
    fn any_option_of_any_verb_can_be_added() {
        assert!(add_each(&Args::command(), &[]) > 80);
    }

    #[test]
    fn flags_and_counts_are_set_as_often_as_the_file_says() {
        let file = config("color = \"never\"\nverbose = 2\njson = false\n[gc]\ngeometric = 3\n");
        let globals = read_with(file.unwrap(), "gc a/b").unwrap().globals;
        assert_eq!((globals.verbose, globals.json), (2, false));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named_with_its_place() {
        for (text, problem) in [
            ("\ndatta = \"x\"\n", "f.toml:2: there is no option `datta`; did you mean `data`?"),
            ("[serv]\n", "f.toml:1: there is no verb `serv`; did you mean `serve`?"),
            (
                "[serve]\nlistn = \"x\"",
                "f.toml:2: there is no option `listn`; did you mean `listen`?",
            ),
            ("zebra = 1", "f.toml:1: there is no option `zebra`; `packhouse --help` lists them"),
            ("data = [\"a\"]", "f.toml:1: `data` has one value, and no list"),
            ("json = \"yes\"", "f.toml:1: `json` is true or false"),
            ("data = true", "f.toml:1: `data` has a value; write it in quotes"),
            ("[prune]\nyes = true", "f.toml:2: there is no option `yes`"),
            ("[repo.delete]\nyes = true", "f.toml:2: `yes` can only be given on the command line"),
            ("[gc]\nall = true", "f.toml:2: `all` can only be given on the command line"),
            ("verbose = true", "f.toml:1: `verbose` is a number of times"),
            ("version = true", "f.toml:1: there is no option `version`"),
        ] {
            let found = config(text).unwrap_err();
            assert!(found.starts_with(problem), "{text:?}: {found}");
        }
        let syntax = config("data = \n").unwrap_err();
        assert!(syntax.starts_with("f.toml:1: "), "{syntax}");
    }

    #[test]
    fn a_value_that_is_refused_is_named_with_its_place() {
        let file = config("\ncolor = \"blue\"\n").unwrap();
        let error = read_with(file, "repo list").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.to_string().contains("f.toml:2: `blue` is not a value of `color`"),
            "{error}"
        );
    }
}
