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
//! default. The file's values become the defaults of the command line's options ([`Config::apply`]),
//! so that clap parses and checks them all the same.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::builder::OsStr;
use clap::{Arg, ArgAction, Command};
use directories::BaseDirs;
use packhouse_host::Error;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The variable that names the file.
const VARIABLE: &str = "PACKHOUSE_CONFIG";
/// The file's name in the platform's config folder.
const NAME: &str = "packhouse/packhouse.toml";
/// The file of the machine.
const OF_MACHINE: &str = "/etc/packhouse/packhouse.toml";
/// Options that answer a question or pass over a check: only who runs a verb can mean them.
const ANSWERS: [&str; 3] = ["yes", "force", "help"];

/// The config file, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    pub(crate) path: Option<PathBuf>,
    pub(crate) settings: Vec<Setting>,
    /// Options of every verb that are on the command line, by their long names.
    pub(crate) given: BTreeMap<String, Vec<String>>,
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
            return match Config::read_file(&path, command)? {
                Some(config) => Ok(config),
                None => Err(Error::Usage(format!(
                    "{VARIABLE} names {}, which does not exist",
                    path.display()
                ))),
            };
        }
        let of_user = BaseDirs::new().map(|dirs| dirs.config_dir().join(NAME));
        for path in of_user.into_iter().chain([PathBuf::from(OF_MACHINE)]) {
            if let Some(config) = Config::read_file(&path, command)? {
                return Ok(config);
            }
        }
        Ok(Config::default())
    }

    /// `None` if the file does not exist.
    fn read_file(path: &Path, command: &Command) -> Result<Option<Config>, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let settings = parse(&text, command).map_err(|(line, problem)| {
                    Error::Usage(format!("{}:{line}: {problem}", path.display()))
                })?;
                Ok(Some(Config { path: Some(path.to_owned()), settings, given: BTreeMap::new() }))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::Usage(format!(
                "reading the config file {} failed: {error}",
                path.display()
            ))),
        }
    }

    /// The command line with the file's values as defaults.
    pub(crate) fn apply(&self, command: Command) -> Command {
        self.settings.iter().fold(command, |command, setting| set(command, &setting.verb, setting))
    }

    /// Where the file sets an option, as `FILE:LINE`.
    pub(crate) fn place(&self, setting: &Setting) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new(NAME));
        format!("{}:{}", path.display(), setting.line)
    }

    /// Whether the file sets an option of every verb.
    pub(crate) fn sets(&self, option: &str) -> bool {
        self.settings.iter().any(|set| set.verb.is_empty() && set.option == option)
    }

    /// The setting that gives an option a value, for the message about a value that is refused.
    pub(crate) fn setting_of(&self, option: &str, value: &str) -> Option<&Setting> {
        let is_it = |set: &&Setting| set.option == option && set.values.iter().any(|v| v == value);
        self.settings.iter().find(is_it)
    }
}

fn set(command: Command, verb: &[String], setting: &Setting) -> Command {
    if let Some((word, rest)) = verb.split_first() {
        return command.mut_subcommand(word, |verb| set(verb, rest, setting));
    }
    let Some(id) = option(&command, &setting.option).map(|arg| arg.get_id().clone()) else {
        return command;
    };
    command.mut_arg(id.as_str(), |arg| {
        // Help must not show what is hidden in the environment: it may hold a password.
        let hidden = arg.is_hide_env_values_set();
        let values: Vec<OsStr> = setting.values.iter().map(|value| value.clone().into()).collect();
        arg.required(false).default_values(values).hide_default_value(hidden)
    })
}

fn option<'a>(command: &'a Command, long: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|arg| arg.get_long() == Some(long))
}

/// What is wrong in a file, and its line.
type Wrong = (usize, String);

fn parse(text: &str, command: &Command) -> Result<Vec<Setting>, Wrong> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line_of(text, at), error.message().to_owned())
    })?;
    let mut settings = Vec::new();
    collect(table.get_ref(), text, command, &[], &mut settings)?;
    settings.sort_by_key(|set| set.line);
    Ok(settings)
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

fn collect(
    table: &DeTable<'_>,
    text: &str,
    command: &Command,
    verb: &[String],
    settings: &mut Vec<Setting>,
) -> Result<(), Wrong> {
    for (key, value) in table {
        let (line, name) = (line_of(text, key.span().start), key.get_ref().as_ref());
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

/// The values of an option; none for a flag that is off.
fn values(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let name = arg.get_long().unwrap_or_default();
    match (arg.get_action(), value.get_ref()) {
        (ArgAction::SetTrue | ArgAction::SetFalse, DeValue::Boolean(on)) => {
            Ok(vec![on.to_string()])
        }
        (ArgAction::SetTrue | ArgAction::SetFalse, _) => Err(format!("`{name}` is true or false")),
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
    fn a_store_on_the_command_line_overrides_a_server_in_the_file() {
        let file = config("remote = \"http://h\"\n").unwrap();
        let remote = |line: &str| read_with(file.clone(), line).unwrap().globals.remote;
        assert_eq!(remote("repo list").as_deref(), Some("http://h"));
        assert_eq!(remote("repo list --data d"), None);
        assert_eq!(remote("repo list --remote http://g").as_deref(), Some("http://g"));
    }

    #[test]
    fn the_command_stays_sound_whatever_the_file_sets() {
        let file = config(
            "color = \"never\"\nverbose = 2\n[serve]\nlisten = \"[::]:1\"\n[gc]\ngeometric = 3\n",
        );
        let file = file.unwrap();
        file.apply(Args::command()).debug_assert();
        let args = read_with(file, "gc a/b").unwrap();
        assert_eq!(args.globals.verbose, 2);
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
