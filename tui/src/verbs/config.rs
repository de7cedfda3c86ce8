//! `packhouse config show`: options, their values, and where each value comes from.

use clap::{Arg, ArgAction, Command, Subcommand};
use packhouse_host::Error;
use serde::Serialize;
use url::Url;

use crate::config::Config;
use crate::context::Context;
use crate::exit::Exit;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};

/// `packhouse config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show the options of every verb, and others that the environment or the config file sets. The
    /// command line overrides the environment, which overrides the config file
    Show {
        /// Show all options of this verb instead, such as `serve` or `policy set`
        #[arg(value_name = "VERB")]
        verb: Vec<String>,
    },
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Source {
    CommandLine,
    Environment,
    File,
    Default,
    Unset,
}

/// An option, its value, and where that comes from.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct OptionReport {
    /// None for an option of every verb.
    verb: Option<String>,
    option: String,
    /// Several for an option that can be repeated; passwords in URLs are replaced by `***`.
    values: Vec<String>,
    source: Source,
    /// The variable, or `FILE:LINE`.
    place: Option<String>,
}

/// Prints options.
pub(crate) fn run(args: &ConfigVerb, command: &Command, context: &Context) -> anyhow::Result<Exit> {
    let ConfigVerb::Show { verb } = args;
    let config = &context.globals.config;
    let reports = match verb.is_empty() {
        true => effective(config, command),
        false => of_verb(config, command, verb)?,
    };
    let output = &context.output;
    if output.json() {
        reports.iter().try_for_each(|report| output.result(report, Vec::new))?;
        return Ok(Exit::Done);
    }
    match &config.path {
        Some(path) => output.note(format!("config file: {}", path.display())),
        None => output.note(
            "no config file: PACKHOUSE_CONFIG names none, and there is none in the usual places",
        ),
    }
    output.table(&table(&reports), 0)?;
    Ok(Exit::Done)
}

/// The options of every verb, and those of others that are not at their defaults.
fn effective(config: &Config, command: &Command) -> Vec<OptionReport> {
    let mut reports = reports(config, command, &[]);
    for verb in command.get_subcommands() {
        add_set(config, verb, &[], &mut reports);
    }
    reports
}

fn add_set(config: &Config, verb: &Command, above: &[String], into: &mut Vec<OptionReport>) {
    let words = [above, &[verb.get_name().to_owned()]].concat();
    let is_set = |report: &OptionReport| {
        matches!(report.source, Source::Environment | Source::File | Source::CommandLine)
    };
    into.extend(reports(config, verb, &words).into_iter().filter(is_set));
    for verb in verb.get_subcommands() {
        add_set(config, verb, &words, into);
    }
}

fn of_verb(
    config: &Config,
    command: &Command,
    verb: &[String],
) -> Result<Vec<OptionReport>, Error> {
    let (mut found, mut words) = (command, Vec::new());
    // Words that were quoted together are several all the same.
    for word in verb.iter().flat_map(|words| words.split_whitespace()) {
        found = found.find_subcommand(word).ok_or_else(|| {
            Error::Usage(format!("there is no verb `{word}`; `packhouse --help` lists them"))
        })?;
        words.push(found.get_name().to_owned());
    }
    if found.has_subcommands() {
        let verbs: Vec<_> = found.get_subcommands().map(Command::get_name).collect();
        let words = words.join(" ");
        return Err(Error::Usage(format!(
            "name one of the verbs of `{words}`: {}",
            verbs.join(", ")
        )));
    }
    Ok(reports(config, found, &words))
}

fn reports(config: &Config, command: &Command, verb: &[String]) -> Vec<OptionReport> {
    let options = command.get_arguments().filter(|arg| {
        !arg.is_positional()
            && !matches!(
                arg.get_action(),
                ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
            )
    });
    options.filter_map(|arg| report(config, arg, verb)).collect()
}

fn report(config: &Config, arg: &Arg, verb: &[String]) -> Option<OptionReport> {
    let option = arg.get_long()?.to_owned();
    let variable = arg.get_env().map(|name| name.to_string_lossy().into_owned());
    let in_environment = variable
        .as_ref()
        .and_then(std::env::var_os)
        .map(|value| value.to_string_lossy().into_owned());
    let in_file = config.settings.iter().find(|set| set.verb == verb && set.option == option);
    let on_command_line = config.given.get(&option).filter(|_| verb.is_empty());
    let defaults =
        arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
    let defaults: Vec<String> = defaults.collect();
    let (values, source, place) = match (on_command_line, in_environment, in_file) {
        (Some(given), _, _) => (given.clone(), Source::CommandLine, None),
        (_, Some(value), _) => (vec![value], Source::Environment, variable),
        (_, _, Some(set)) => (set.values.clone(), Source::File, Some(config.place(set))),
        _ if defaults.is_empty() => (Vec::new(), Source::Unset, None),
        _ => (defaults, Source::Default, None),
    };
    let verb = (!verb.is_empty()).then(|| verb.join(" "));
    let values = values.iter().map(|value| without_password(value)).collect();
    Some(OptionReport { verb, option, values, source, place })
}

/// A value without the password of a URL.
fn without_password(value: &str) -> String {
    let Ok(mut url) = Url::parse(value) else {
        // A URL with a password that is not escaped, perhaps.
        let hidden = value.split_once("://").filter(|(_, rest)| rest.contains('@'));
        return hidden.map_or_else(|| value.to_owned(), |(scheme, _)| format!("{scheme}://***"));
    };
    let is_password = |name: &str| name == "password";
    if url.password().is_none() && !url.query_pairs().any(|(name, _)| is_password(&name)) {
        return value.to_owned();
    }
    if url.password().is_some() && url.set_password(Some("***")).is_err() {
        return "***".into();
    }
    if url.query().is_some() {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        url.query_pairs_mut().clear().extend_pairs(pairs.iter().map(|(name, value)| {
            (name.as_str(), if is_password(name) { "***" } else { value.as_str() })
        }));
    }
    url.to_string()
}

fn table(reports: &[OptionReport]) -> Table {
    use Side::Left;
    let mut table =
        Table::new(&[("VERB", Left), ("OPTION", Left), ("VALUE", Left), ("FROM", Left)]);
    for report in reports {
        let from = match (report.source, &report.place) {
            (Source::CommandLine, _) => "command line".to_owned(),
            (Source::Unset, _) => String::new(),
            (Source::Default, _) => "default".to_owned(),
            (_, place) => place.clone().unwrap_or_default(),
        };
        let tone = if report.source == Source::Default { Tone::Dim } else { Tone::Plain };
        table.row([
            Cell::new(Tone::Dim, report.verb.as_deref().unwrap_or("")),
            Cell::new(Tone::Name, format!("--{}", report.option)),
            Cell::new(tone, report.values.join(", ")),
            Cell::new(Tone::Dim, from),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Args;

    #[test]
    fn passwords_are_not_shown() {
        for (value, shown) in [
            ("postgres://u:secret@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://h/d?user=u&password=secret", "postgres://h/d?user=u&password=***"),
            ("postgres://u@h/d?sslmode=require", "postgres://u@h/d?sslmode=require"),
            ("postgres://u:pa#ss@h/d", "postgres://***"),
            ("postgres://u:pa/sw@h:1/d", "postgres://***"),
            ("s3://bucket/prefix", "s3://bucket/prefix"),
            ("/srv/a:b@c", "/srv/a:b@c"),
        ] {
            assert_eq!(without_password(value), shown);
        }
    }

    #[test]
    fn verbs_are_found_by_their_words() {
        let (config, command) = (Config::default(), Args::command());
        let words = |verb: &str| verb.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let serve = of_verb(&config, &command, &words("serve")).unwrap();
        assert!(serve.iter().any(|report| report.option == "listen"));
        assert!(serve.iter().all(|report| report.verb.as_deref() == Some("serve")));
        let set = of_verb(&config, &command, &["policy set".to_owned()]).unwrap();
        assert!(set.iter().any(|report| report.option == "max-packs"));
        for wrong in ["nonsense", "policy", "policy nonsense"] {
            assert!(of_verb(&config, &command, &words(wrong)).is_err(), "{wrong}");
        }
    }
}
