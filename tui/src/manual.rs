//! The verbs in docs/cli.md, generated from their arguments. To update them after a change:
//! `UPDATE_DOCS=1 cargo test -p packhouse manual`.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command, CommandFactory};

use crate::args::Args;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");

/// The markers around the generated part.
const FROM: &str =
    "<!-- verbs: made from tui/src/verbs; UPDATE_DOCS=1 cargo test -p packhouse manual -->\n";
const TO: &str = "<!-- end of verbs -->\n";

/// All verbs in the order of `packhouse --help`, after their common options.
fn verbs() -> String {
    let packhouse = Args::command();
    let mut page = String::from("| verb | what it does |\n|---|---|\n");
    for verb in shown(&packhouse) {
        let name = verb.get_name();
        let _ = writeln!(page, "| [`{name}`](#packhouse-{name}) | {} |", cell(&about(verb)));
    }
    page.push_str("\n### Options of every verb\n");
    table(&mut page, packhouse.get_arguments());
    for verb in shown(&packhouse) {
        section(&mut page, "packhouse", verb);
    }
    page
}

/// The verbs of `packhouse --help`.
fn shown(packhouse: &Command) -> impl Iterator<Item = &Command> {
    packhouse.get_subcommands().filter(|verb| !verb.is_hide_set())
}

/// A verb, or each of its subcommands.
fn section(page: &mut String, before: &str, verb: &Command) {
    let path = format!("{before} {}", verb.get_name());
    let _ = writeln!(page, "\n### {path}\n\n{}.", about(verb));
    // A verb that only names its subcommands has no arguments of its own.
    if !verb.has_subcommands() || verb.get_arguments().next().is_some() {
        usage(page, &path, verb);
    }
    verb.get_subcommands().for_each(|verb| section(page, &path, verb));
}

/// How a verb is called, and its options.
fn usage(page: &mut String, path: &str, verb: &Command) {
    let mut usage = path.to_owned();
    for arg in verb.get_positionals() {
        let _ = write!(usage, " {}", name(arg));
    }
    if verb.get_arguments().any(|arg| !arg.is_positional()) {
        usage.push_str(" [options]");
    }
    let _ = writeln!(page, "\n`{usage}`");
    table(page, verb.get_arguments());
}

fn about(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
}

fn table<'a>(page: &mut String, args: impl Iterator<Item = &'a Arg>) {
    let mut args = args.peekable();
    if args.peek().is_none() {
        return;
    }
    page.push_str("\n| | |\n|---|---|\n");
    for arg in args {
        let _ = writeln!(page, "| `{}` | {} |", cell(&name(arg)), cell(&help(arg)));
    }
}

/// `-f, --flag VALUE`, or the name of a positional argument.
fn name(arg: &Arg) -> String {
    let mut value = String::new();
    if arg.get_action().takes_values() {
        let names = arg.get_value_names().unwrap_or_default();
        value = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
        if matches!(arg.get_action(), ArgAction::Append) {
            value.push('…');
        }
    }
    if arg.is_positional() {
        return if arg.is_required_set() { value } else { format!("[{value}]") };
    }
    let (short, long) = (
        arg.get_short().map(|short| format!("-{short}")),
        arg.get_long().map(|long| format!("--{long}")),
    );
    let flags = [short, long].into_iter().flatten().collect::<Vec<_>>().join(", ");
    if value.is_empty() { flags } else { format!("{flags} {value}") }
}

/// The help of an argument: its text, values, default and variable.
fn help(arg: &Arg) -> String {
    let mut help = format!("{}.", arg.get_help().map(ToString::to_string).unwrap_or_default());
    if !arg.get_action().takes_values() {
        return help;
    }
    if !arg.is_positional() && arg.is_required_set() {
        help.push_str(" Required.");
    }
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(help, " One of {}.", values.join(", "));
    }
    if let ([default], false) = (arg.get_default_values(), arg.is_hide_default_value_set()) {
        let _ = write!(help, " Default: `{}`.", default.to_string_lossy());
    }
    if let Some(variable) = arg.get_env() {
        let _ = write!(help, " Variable: `{}`.", variable.to_string_lossy());
    }
    help
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The page: before, between and after the markers.
fn page() -> [String; 3] {
    let page = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = page.split_once(FROM).expect("docs/cli.md has lost its marker");
    let (verbs, behind) = rest.split_once(TO).expect("docs/cli.md has lost its second marker");
    [before, verbs, behind].map(str::to_owned)
}

#[test]
fn the_page_lists_every_verb_and_its_options() {
    let [before, listed, behind] = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(
            FILE,
            [&before, FROM, &verbs(), TO, &behind].map(str::to_owned).concat(),
        )
        .unwrap();
    }
    assert!(
        listed == verbs(),
        "docs/cli.md does not match the verbs; update it with UPDATE_DOCS=1"
    );
}

#[test]
fn every_link_to_a_verb_leads_to_a_heading() {
    let verbs = verbs();
    let links = verbs.split("](#").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let links: Vec<&str> = links.collect();
    assert_eq!(links.len(), shown(&Args::command()).count());
    for link in links {
        let heading = format!("\n### {}\n", link.replacen('-', " ", 1));
        assert!(verbs.contains(&heading), "#{link}");
    }
}
