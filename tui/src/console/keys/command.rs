//! The commands of the config: programs that run on what is selected, each with a key.

use std::borrow::Cow;
use std::fmt;

use super::focus::Focus;
use super::key::Key;
use super::table::{Action, Row, SCREENS};

/// A command of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct CustomCommand {
    pub(in crate::console) name: String,
    pub(in crate::console) key: Key,
    /// The program and its arguments. No shell reads them.
    pub(in crate::console) words: Vec<Word>,
    /// Where it works.
    pub(in crate::console) screens: Vec<Focus>,
    /// Whether it changes nothing in the store, so that a read-only console has it, too.
    pub(in crate::console) read_only: bool,
    /// Whether its output stays until Enter is pressed, also if it succeeds.
    pub(in crate::console) wait: bool,
    /// The sentence in the help, if the config has one.
    pub(in crate::console) description: Option<String>,
    /// What is asked before it runs; none: it runs at once.
    pub(in crate::console) question: Option<String>,
    /// Position for errors: `FILE:LINE`.
    pub(in crate::console) position: String,
}

/// The program, or an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) enum Word {
    Text(String),
    /// The whole argument is the value of a variable.
    Variable(Variable),
}

/// What an argument can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Variable {
    /// The displayed or selected repo.
    Repo,
    /// The key of the displayed or selected pack.
    Pack,
    /// The ID of the displayed or selected job.
    Job,
    /// The folder of the store.
    Data,
    /// The URL of a remote store.
    Url,
}

/// Screens with a pack: one that is displayed or can be selected.
const WITH_PACK: &[Focus] =
    &[Focus::Repo, Focus::Packs, Focus::Records, Focus::History, Focus::Record, Focus::Prune];

/// Screens with a job.
const WITH_JOB: &[Focus] = &[Focus::Jobs, Focus::Job, Focus::Workers];

/// Screens without a repo.
const WITHOUT_REPO: &[Focus] =
    &[Focus::Tokens, Focus::NewToken, Focus::Server, Focus::Filters, Focus::Columns, Focus::Log];

impl Variable {
    pub(in crate::console) const ALL: [Variable; 5] =
        [Variable::Repo, Variable::Pack, Variable::Job, Variable::Data, Variable::Url];

    /// Its name in the config.
    pub(in crate::console) const fn name(self) -> &'static str {
        match self {
            Variable::Repo => "$REPO",
            Variable::Pack => "$PACK",
            Variable::Job => "$JOB",
            Variable::Data => "$DATA",
            Variable::Url => "$URL",
        }
    }

    /// Why it has no value.
    pub(in crate::console) const fn absence(self) -> &'static str {
        match self {
            Variable::Repo => "no repo is selected",
            Variable::Pack => "no pack is selected",
            Variable::Job => "no job is selected",
            Variable::Data => "the store has no folder on this machine",
            Variable::Url => "the store is on this machine",
        }
    }

    /// Whether it may have a value on a screen.
    pub(in crate::console) fn is_in(self, focus: Focus) -> bool {
        match self {
            Variable::Repo => !WITHOUT_REPO.contains(&focus),
            Variable::Pack => WITH_PACK.contains(&focus),
            Variable::Job => WITH_JOB.contains(&focus),
            Variable::Data | Variable::Url => true,
        }
    }
}

impl Word {
    /// Reads an argument of the config.
    ///
    /// # Errors
    /// What is wrong with a variable.
    pub(in crate::console) fn read(text: &str) -> Result<Word, String> {
        if let Some(variable) = Variable::ALL.into_iter().find(|it| it.name() == text) {
            return Ok(Word::Variable(variable));
        }
        if let Some(inner) = Variable::ALL.into_iter().find(|it| text.contains(it.name())) {
            let name = inner.name();
            return Err(format!("`{text}`: {name} must be an argument of its own"));
        }
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        match text.strip_prefix('$') {
            Some(name) if !name.is_empty() && name.chars().all(is_name) => {
                let known = Variable::ALL.map(Variable::name).join(", ");
                Err(format!("unknown variable `{text}`; expected one of: {known}"))
            }
            _ => Ok(Word::Text(text.to_owned())),
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Text(text) => f.write_str(text),
            Word::Variable(variable) => f.write_str(variable.name()),
        }
    }
}

impl CustomCommand {
    /// Its variables.
    pub(in crate::console) fn variables(&self) -> impl Iterator<Item = Variable> {
        self.words.iter().filter_map(|word| match word {
            Word::Text(_) => None,
            Word::Variable(variable) => Some(*variable),
        })
    }

    /// The screens on which all variables may have a value.
    pub(in crate::console) fn possible_screens(words: &[Word]) -> Vec<Focus> {
        let fits = |focus: &Focus| {
            words.iter().all(|word| match word {
                Word::Text(_) => true,
                Word::Variable(variable) => variable.is_in(*focus),
            })
        };
        SCREENS.iter().copied().filter(fits).collect()
    }

    /// Its row in the table of keys.
    pub(super) fn row(&self, action: Action) -> Row {
        let call = || {
            let words: Vec<String> = self.words.iter().map(ToString::to_string).collect();
            format!("Run {}", words.join(" "))
        };
        Row {
            action,
            name: Cow::Owned(self.name.clone()),
            keys: Cow::Owned(vec![self.key]),
            works_in: Cow::Owned(self.screens.clone()),
            hint: Cow::Owned(self.name.clone()),
            help: Cow::Owned(self.description.clone().unwrap_or_else(call)),
            changes: !self.read_only,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_whole_arguments() {
        assert_eq!(Word::read("$REPO"), Ok(Word::Variable(Variable::Repo)));
        for plain in ["log", "", "$", "{print $1}", "$repo", "$5"] {
            assert_eq!(Word::read(plain), Ok(Word::Text(plain.to_owned())));
        }
        let inner = Word::read("--repo=$REPO").unwrap_err();
        assert!(inner.contains("$REPO must be an argument of its own"), "{inner}");
        let unknown = Word::read("$HOME").unwrap_err();
        assert!(unknown.contains("`$HOME`") && unknown.contains("$PACK, $JOB"), "{unknown}");
    }

    #[test]
    fn a_command_works_where_its_variables_may_have_values() {
        let of = |variables: &[Variable]| {
            let words: Vec<Word> = variables.iter().copied().map(Word::Variable).collect();
            CustomCommand::possible_screens(&words)
        };
        assert_eq!(of(&[]), SCREENS);
        assert_eq!(of(&[Variable::Job]), WITH_JOB);
        assert!(of(&[Variable::Pack, Variable::Job]).is_empty());
        let with_repo = of(&[Variable::Repo, Variable::Data]);
        assert!(with_repo.contains(&Focus::Repos) && !with_repo.contains(&Focus::Log));
    }
}
