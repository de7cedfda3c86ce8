//! What a command of the config runs on: the values of its variables.

use super::command_line::CommandLine;
use super::model::Model;
use super::repo::Item;
use super::screen::Screen;
use crate::console::keys::{CustomCommand, Variable, Word};

/// Where the store of the console is, for its commands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct StorePlace {
    /// The folder of a store on this machine.
    pub(in crate::console) data: Option<String>,
    /// The URL of a remote store.
    pub(in crate::console) url: Option<String>,
    /// The demo is only in the memory of the console: commands would run on another store.
    pub(in crate::console) in_memory: bool,
}

impl Model {
    /// A command of the config, on what is selected now.
    ///
    /// # Errors
    /// Why it can't run here.
    pub(in crate::console) fn command_line(&self, at: usize) -> Result<CommandLine, String> {
        let Some(command) = self.keymap.command(at) else {
            return Err("The config has no such command".to_owned());
        };
        let name = &command.name;
        if self.place.in_memory {
            return Err(format!("{name}: the demo is only in memory; commands can't reach it"));
        }
        let value = |word: &Word| match word {
            Word::Text(text) => Ok(text.clone()),
            Word::Variable(variable) => self.value(*variable).ok_or_else(|| {
                format!("{name}: {} has no value: {}", variable.name(), variable.absence())
            }),
        };
        let mut words = command.words.iter().map(value);
        let program = words.next().unwrap_or_else(|| Ok(String::new()))?;
        let arguments = words.collect::<Result<_, _>>()?;
        let (wait, question) = (command.wait, command.question.clone());
        Ok(CommandLine { name: name.clone(), program, arguments, wait, question })
    }

    /// Whether all variables of a command have values.
    pub(super) fn has_values(&self, command: &CustomCommand) -> bool {
        command.variables().all(|variable| self.value(variable).is_some())
    }

    fn value(&self, variable: Variable) -> Option<String> {
        match variable {
            Variable::Repo => self.current_repo().map(|repo| repo.to_string()),
            Variable::Pack => self.current_pack(),
            Variable::Job => self
                .current_job()
                .or_else(|| match self.screens.last()? {
                    Screen::Workers => self.workers.current(),
                    _ => None,
                })
                .map(|job| job.id.to_string()),
            Variable::Data => self.place.data.clone(),
            Variable::Url => self.place.url.clone(),
        }
    }

    /// The key of the displayed or selected pack.
    fn current_pack(&self) -> Option<String> {
        match self.screens.last()? {
            Screen::Repo(repo) => match repo.current()? {
                Item::Pack(_) | Item::Past(_) => repo.copied(),
                Item::Head(_) => None,
            },
            Screen::Packs(_) => self.pack_here().map(|key| key.to_string()),
            Screen::Records(records) => Some(records.pack.to_string()),
            Screen::History => self.history.current()?.record.consolidated_key.clone(),
            Screen::Record(entry, _) => entry.record.consolidated_key.clone(),
            Screen::Prune => self.prune.current().map(|pack| pack.pack.to_string()),
            _ => None,
        }
    }
}
