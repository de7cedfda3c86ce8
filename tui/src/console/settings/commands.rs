//! Reads the commands of the config file.

use std::collections::BTreeMap;
use std::path::Path;

use packhouse_host::Error;
use serde::Deserialize;
use toml::Spanned;

use super::file::check_name;
use crate::console::keys::{CustomCommand, Focus, Key, SCREENS, Word};
use crate::toml_file::place;

/// A command as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrittenCommand {
    key: Spanned<String>,
    run: Spanned<Vec<Spanned<String>>>,
    screens: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    read_only: bool,
    #[serde(default = "yes")]
    wait: bool,
    description: Option<String>,
    confirm: Option<WrittenConfirm>,
}

/// `true`, or the question.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected true, false, or a question")]
enum WrittenConfirm {
    Is(bool),
    Question(String),
}

const fn yes() -> bool {
    true
}

/// What is wrong, and at which byte of the file.
type Wrong = (usize, String);

/// Reads all commands, in the order of the file.
///
/// # Errors
/// [`Error::Usage`] with the position of what is wrong.
pub(super) fn read(
    written: BTreeMap<Spanned<String>, WrittenCommand>,
    text: &str,
    path: &Path,
) -> Result<Vec<CustomCommand>, Error> {
    let mut written: Vec<_> = written.into_iter().collect();
    written.sort_by_key(|(name, _)| name.span().start);
    let commands = written.into_iter().map(|(name, command)| {
        let position = place(path, text, command.key.span().start);
        command_of(name, command, position)
            .map_err(|(at, wrong)| Error::Usage(format!("{}: {wrong}", place(path, text, at))))
    });
    commands.collect()
}

fn command_of(
    name: Spanned<String>,
    written: WrittenCommand,
    position: String,
) -> Result<CustomCommand, Wrong> {
    let (at, name) = (name.span().start, name.into_inner());
    check_name("command", &name).map_err(|wrong| (at, wrong))?;
    let at = written.key.span().start;
    let key: Key = written.key.get_ref().parse().map_err(|wrong| (at, wrong))?;
    let at = written.run.span().start;
    let words = words(written.run.into_inner())?;
    if !matches!(words.first(), Some(Word::Text(program)) if !program.is_empty()) {
        return Err((at, "`run` begins with the name of a program".to_owned()));
    }
    let possible = CustomCommand::possible_screens(&words);
    if possible.is_empty() {
        return Err((at, "no screen has values for all these variables".to_owned()));
    }
    let screens = match written.screens {
        None => possible,
        Some(names) => names
            .into_iter()
            .map(|name| screen(&name, &words, &possible))
            .collect::<Result<_, Wrong>>()?,
    };
    let WrittenCommand { read_only, wait, description, confirm, .. } = written;
    let question = match confirm {
        None | Some(WrittenConfirm::Is(false)) => None,
        Some(WrittenConfirm::Is(true)) => Some(format!("Run {name}?")),
        Some(WrittenConfirm::Question(question)) => Some(question),
    };
    Ok(CustomCommand {
        name,
        key,
        words,
        screens,
        read_only,
        wait,
        description,
        question,
        position,
    })
}

fn words(run: Vec<Spanned<String>>) -> Result<Vec<Word>, Wrong> {
    let word = |word: Spanned<String>| {
        Word::read(word.get_ref()).map_err(|wrong| (word.span().start, wrong))
    };
    run.into_iter().map(word).collect()
}

/// A screen by its name, if all variables may have a value there.
fn screen(name: &Spanned<String>, words: &[Word], possible: &[Focus]) -> Result<Focus, Wrong> {
    let at = name.span().start;
    let names =
        |screens: &[Focus]| screens.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    let Some(focus) = SCREENS.iter().copied().find(|focus| focus.name() == *name.get_ref()) else {
        let known = names(SCREENS);
        return Err((at, format!("unknown screen `{}`; expected one of: {known}", name.get_ref())));
    };
    if possible.contains(&focus) {
        return Ok(focus);
    }
    let lacks = |word: &&Word| matches!(word, Word::Variable(it) if !it.is_in(focus));
    let variable = words.iter().find(lacks).map(ToString::to_string).unwrap_or_default();
    let others = names(possible);
    Err((at, format!("the screen `{}` has no {variable}; these have: {others}", focus.name())))
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::*;
    use crate::console::keys::Variable;

    fn parsed(text: &str) -> Result<Vec<CustomCommand>, String> {
        let file = File::parse(text, Path::new("f/console.toml"));
        file.map(|file| file.commands).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_a_program_with_variables_and_a_key() {
        let commands = parsed(
            "[commands.log]\nkey = 't'\nrun = ['packhouse', 'log', '$REPO']\nread-only = true\n\
             [commands.again]\nkey = 'Ctrl-r'\nscreens = ['jobs', 'active-run']\nwait = false\n\
             run = ['true']\ndescription = 'Do it'\nconfirm = 'Again?'\n\
             [commands.ask]\nkey = 'F9'\nrun = ['true']\nconfirm = true\n\
             [commands.go]\nkey = 'F8'\nrun = ['true']\nconfirm = false",
        )
        .unwrap();
        let [log, again, ask, go] = &commands[..] else { panic!("{commands:?}") };
        let questions = [log, again, ask, go].map(|command| command.question.as_deref());
        assert_eq!(questions, [None, Some("Again?"), Some("Run ask?"), None]);
        assert_eq!((log.name.as_str(), log.key.to_string().as_str()), ("log", "t"));
        assert_eq!(log.words[2], Word::Variable(Variable::Repo));
        assert!(log.read_only && log.wait && log.screens.contains(&Focus::Packs));
        assert!(!log.screens.contains(&Focus::Tokens));
        assert_eq!(log.position, "f/console.toml:2");
        assert_eq!(again.screens, [Focus::Jobs, Focus::Run]);
        assert!(!again.read_only && !again.wait);
        assert_eq!(again.description.as_deref(), Some("Do it"));
    }

    #[test]
    fn invalid_commands_are_refused_with_their_line() {
        for (lines, line, words) in [
            ("[commands.\"a b\"]\nkey = 't'\nrun = ['x']", 1, &["letters", "`a b`"][..]),
            ("[commands.a]\nkey = 'tt'\nrun = ['x']", 2, &["unknown key `tt`"]),
            ("[commands.a]\nrun = ['x']", 1, &["missing field `key`"]),
            ("[commands.a]\nkey = 't'", 1, &["missing field `run`"]),
            ("[commands.a]\nkey = 't'\nrun = 'x -y'", 3, &["sequence"]),
            ("[commands.a]\nkey = 't'\nrun = []", 3, &["name of a program"]),
            ("[commands.a]\nkey = 't'\nrun = ['$REPO']", 3, &["name of a program"]),
            ("[commands.a]\nkey = 't'\nrun = [\n'x',\n'$REPOS']", 5, &["`$REPOS`"]),
            ("[commands.a]\nkey = 't'\nrun = ['x', '-r$JOB']", 3, &["argument of its own"]),
            ("[commands.a]\nkey = 't'\nrun = ['x', '$JOB', '$PACK']", 3, &["no screen has"]),
            (
                "[commands.a]\nkey = 't'\nrun = ['x']\nscreens = ['repoes']",
                4,
                &["unknown screen `repoes`", "history-entry"],
            ),
            (
                "[commands.a]\nkey = 't'\nrun = ['x', '$JOB']\nscreens = ['packs']",
                4,
                &["the screen `packs` has no $JOB", "jobs, job, workers"],
            ),
            ("[commands.a]\nkey = 't'\nrun = ['x']\nconfirm = 3", 4, &["a question"]),
            ("[commands.a]\nkey = 't'\nrun = ['x']\nshell = 'y'", 4, &["unknown field `shell`"]),
        ] {
            let wrong = parsed(lines).unwrap_err();
            assert!(wrong.starts_with(&format!("f/console.toml:{line}:")), "{lines}: {wrong}");
            words.iter().for_each(|word| assert!(wrong.contains(word), "{lines}: {wrong}"));
        }
    }
}
