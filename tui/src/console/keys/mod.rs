//! The table of keys. Input handling, the footer, the help, the palette and docs/console.md all use
//! it. The config can change keys, and add [`command`]s, which come before default keys; another
//! conflict is an error.

mod change;
mod command;
mod focus;
mod key;
mod precedence;
mod table;

use std::borrow::Cow;
use std::fmt;

pub(super) use change::KeyChange;
pub(super) use command::{CustomCommand, Variable, Word};
pub(super) use focus::Focus;
pub(super) use key::Key;
pub(super) use table::{Action, Row, SCREENS, TABLE};

/// The table with the keys of the config.
#[derive(Clone, Debug)]
pub(super) struct Keymap {
    bindings: Vec<Binding>,
    /// The commands of the config; their bindings come last.
    commands: Vec<CustomCommand>,
    /// Whether actions that change the store are disabled.
    read_only: bool,
    /// Sentences about default keys that the config has taken.
    pub(super) notes: Vec<String>,
}

/// A row of the table with its keys.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) row: Cow<'static, Row>,
    /// None: the config has taken them. The palette still has the action.
    pub(super) keys: Vec<Key>,
    /// Whether the config names it.
    is_configured: bool,
}

/// Why the keys of a config are invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeymapError(String);

impl fmt::Display for KeymapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for KeymapError {}

impl Keymap {
    /// The table with its default keys.
    pub(super) fn new(read_only: bool) -> Keymap {
        let binding = |row: &'static Row| Binding {
            row: Cow::Borrowed(row),
            keys: row.keys.to_vec(),
            is_configured: false,
        };
        let bindings = TABLE.iter().map(binding).collect();
        Keymap { bindings, commands: Vec::new(), read_only, notes: Vec::new() }
    }

    /// The table with other keys for some actions, and with commands.
    ///
    /// # Errors
    /// For an unknown action or key, a key with two actions in one focus (unless the config can take
    /// it from one of them), a key that can't confirm, and a command with the name of an action. Each
    /// error names its line in the config.
    pub(super) fn with(
        changes: &[KeyChange],
        commands: Vec<CustomCommand>,
        read_only: bool,
    ) -> Result<Keymap, KeymapError> {
        let mut map = Keymap::new(read_only);
        for change in changes {
            let fail = |message: String| KeymapError(format!("{}: {message}", change.position));
            let named = |binding: &&mut Binding| binding.row.name == change.row_name();
            let mut bindings = map.bindings.iter_mut().filter(named).peekable();
            if bindings.peek().is_none() {
                let mut names: Vec<&str> = TABLE.iter().map(|row| row.name.as_ref()).collect();
                names.sort_unstable();
                names.dedup();
                return Err(fail(format!(
                    "unknown action `{}`; expected one of: {}",
                    change.action,
                    names.join(", ")
                )));
            }
            let keys: Result<Vec<Key>, String> =
                change.keys.iter().map(|text| text.parse()).collect();
            let keys = keys.map_err(fail)?;
            if keys.is_empty() {
                return Err(fail(format!("`{}` has no key; it needs at least one", change.action)));
            }
            for binding in bindings {
                (binding.keys, binding.is_configured) = (keys.clone(), true);
            }
        }
        if let Some(stuck) = Focus::ALL
            .into_iter()
            .find(|focus| !map.in_focus(*focus).any(|b| !b.row.hint.is_empty()))
        {
            return Err(KeymapError(format!(
                "no key leaves this place: {}",
                stuck.title().to_lowercase()
            )));
        }
        map.add(commands)?;
        map.prefer_config();
        // Name the last line of the config that causes a conflict.
        let position = |names: [&str; 2]| {
            let command = map.commands.iter().rev().find(|it| names.contains(&it.name.as_str()));
            let change = || changes.iter().rev().find(|it| names.contains(&it.row_name()));
            let position = command.map(|it| &it.position).or_else(|| Some(&change()?.position));
            position.map_or("the table of keys", |position| position)
        };
        if let Some((key, at, [first, second])) = map.clash() {
            return Err(KeymapError(format!(
                "{}: {key} is bound to both `{first}` and `{second}` ({}); change one of them",
                position([&first, &second]),
                at.title().to_lowercase()
            )));
        }
        if let Some(key) = map.careless() {
            return Err(KeymapError(format!(
                "{}: {key} can't be `confirm`: Enter, Space and keys that open the dialog are not allowed",
                position(["confirm", "consolidate"])
            )));
        }
        Ok(map)
    }

    /// Adds the commands of the config.
    fn add(&mut self, commands: Vec<CustomCommand>) -> Result<(), KeymapError> {
        for (at, command) in commands.iter().enumerate() {
            if self.bindings.iter().any(|binding| binding.row.name == command.name) {
                return Err(KeymapError(format!(
                    "{}: `{}` is the name of an action; choose another name for the command",
                    command.position, command.name
                )));
            }
            let row = Cow::Owned(command.row(Action::Command(at)));
            self.bindings.push(Binding { row, keys: vec![command.key], is_configured: true });
        }
        self.commands = commands;
        Ok(())
    }

    /// A command of the config, by its position there.
    pub(super) fn command(&self, at: usize) -> Option<&CustomCommand> {
        self.commands.get(at)
    }

    /// A key with two actions in one focus.
    fn clash(&self) -> Option<(Key, Focus, [String; 2])> {
        for focus in Focus::ALL {
            let mut seen: Vec<(Key, &Binding)> = Vec::new();
            for binding in
                self.bindings.iter().filter(|binding| binding.row.works_in.contains(&focus))
            {
                for key in &binding.keys {
                    if focus.takes_text() && key.typed().is_some() {
                        let names = ["a character of the text", &binding.row.name];
                        return Some((*key, focus, names.map(str::to_owned)));
                    }
                    if let Some((_, other)) = seen.iter().find(|(other, _)| other == key) {
                        let names = [&other.row.name, &binding.row.name];
                        return Some((*key, focus, names.map(|name| name.to_string())));
                    }
                    seen.push((*key, binding));
                }
            }
        }
        None
    }

    /// A confirming key that is too easy to press by accident.
    fn careless(&self) -> Option<Key> {
        let keys = |wanted: &'static [Action]| {
            self.bindings
                .iter()
                .filter(|binding| wanted.contains(&binding.row.action))
                .flat_map(|binding| binding.keys.clone())
        };
        let mut confirming = keys(&[Action::Confirm]);
        confirming.find(|key| {
            let easy = ["Enter", "Space"].iter().any(|name| name.parse() == Ok(*key));
            let asking = [
                Action::Consolidate,
                Action::Open,
                Action::Preview,
                Action::RetryJob,
                Action::CancelJob,
                Action::PruneNow,
                Action::NewToken,
                Action::Revoke,
                Action::EditPolicy,
                Action::EditDefault,
                Action::ResetPolicy,
                Action::DeleteBranch,
                Action::Repair,
                Action::RepairAll,
            ];
            easy || self
                .bindings
                .iter()
                .any(|binding| asking.contains(&binding.row.action) && binding.keys.contains(key))
        })
    }

    /// The action of a key in a focus.
    pub(super) fn lookup(&self, focus: Focus, key: Key) -> Option<Action> {
        let bound = self.in_focus(focus).find(|binding| binding.keys.contains(&key));
        match bound {
            Some(binding) => Some(binding.row.action),
            None => key.typed().filter(|_| focus.takes_text()).map(Action::Type),
        }
    }

    /// The bindings of a focus, in the order of the table.
    pub(super) fn in_focus(&self, focus: Focus) -> impl Iterator<Item = &Binding> {
        self.bindings
            .iter()
            .filter(move |b| b.row.works_in.contains(&focus) && !(self.read_only && b.row.changes))
    }

    /// Whether a key would change the store, if the console were not read-only.
    pub(super) fn is_withheld(&self, focus: Focus, key: Key) -> bool {
        let changes =
            |binding: &&Binding| binding.row.changes && binding.row.works_in.contains(&focus);
        self.read_only
            && self.bindings.iter().filter(changes).any(|binding| binding.keys.contains(&key))
    }

    /// The displayed key of an action.
    pub(super) fn key_of(&self, action: Action) -> String {
        let binding = self.bindings.iter().find(|binding| binding.row.action == action);
        binding.map_or_else(String::new, |binding| self.displayed(binding, &binding.row.works_in))
    }

    /// The displayed key of an action in a focus; empty if it is not in that focus.
    pub(super) fn key_in(&self, focus: Focus, action: Action) -> String {
        let binding = self.in_focus(focus).find(|binding| binding.row.action == action);
        binding.map_or_else(String::new, |binding| self.displayed(binding, &[focus]))
    }

    /// The first key of an action; without one, its name as it is typed in the palette: `:verify`. Empty
    /// where the palette has no key either: in none of `places`.
    pub(super) fn displayed(&self, binding: &Binding, places: &[Focus]) -> String {
        let first = |binding: &Binding| binding.keys.first().map(ToString::to_string);
        first(binding).unwrap_or_else(|| {
            let mut palette = places
                .iter()
                .flat_map(|focus| self.in_focus(*focus))
                .filter(|opens| opens.row.action == Action::Palette)
                .filter_map(first);
            let name = &binding.row.name;
            match palette.next() {
                None => String::new(),
                Some(key) if key.chars().count() == 1 => format!("{key}{name}"),
                Some(key) => format!("{key} {name}"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn change(action: &str, keys: &[&str]) -> KeyChange {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        KeyChange { action: action.to_owned(), keys, position: "console.toml:3".to_owned() }
    }

    fn with(changes: &[KeyChange]) -> Result<Keymap, KeymapError> {
        Keymap::with(changes, Vec::new(), false)
    }

    fn refused(changes: &[KeyChange]) -> String {
        with(changes).unwrap_err().to_string()
    }

    pub(super) fn command(name: &str, key: &str, screens: &[Focus]) -> CustomCommand {
        CustomCommand {
            name: name.to_owned(),
            key: key.parse().unwrap(),
            words: vec![Word::Text("true".to_owned())],
            screens: screens.to_vec(),
            read_only: false,
            wait: true,
            description: None,
            question: None,
            position: "console.toml:9".to_owned(),
        }
    }

    #[test]
    fn no_key_has_two_actions_in_one_place() {
        assert_eq!(
            Keymap::new(false).clash().map(|(key, focus, names)| (key.to_string(), focus, names)),
            None
        );
        // Rows with one name differ in their hints only, each in other places.
        for (at, row) in TABLE.iter().enumerate() {
            for other in TABLE[..at].iter().filter(|other| other.name == row.name) {
                assert_eq!((other.action, &other.keys), (row.action, &row.keys), "{}", row.name);
                assert_eq!(other.help, row.help);
                assert!(!row.works_in.iter().any(|focus| other.works_in.contains(focus)));
            }
        }
    }

    #[test]
    fn a_change_is_for_all_rows_of_a_name() {
        let map = with(&[change("repair-all", &["F4"])]).unwrap();
        for focus in [Focus::Repos, Focus::Health] {
            assert_eq!(map.lookup(focus, "F4".parse().unwrap()), Some(Action::RepairAll));
            assert_eq!(map.lookup(focus, "A".parse().unwrap()), None);
        }
    }

    #[test]
    fn only_y_confirms() {
        let map = Keymap::new(false);
        let confirming: Vec<&Binding> =
            map.bindings.iter().filter(|binding| binding.row.action == Action::Confirm).collect();
        assert_eq!(confirming.len(), 1);
        assert_eq!(confirming[0].keys, ["y".parse().unwrap()]);
        // Enter presses the selected button, which is another one at first.
        assert_eq!(map.lookup(Focus::Confirm, "Enter".parse().unwrap()), Some(Action::Press));
        // `gg` asks about a plan, and scrolls to its top.
        assert_eq!(map.lookup(Focus::Confirm, "g".parse().unwrap()), Some(Action::First));
        assert_eq!(map.lookup(Focus::Preview, "y".parse().unwrap()), None);
    }

    #[test]
    fn every_place_shows_how_to_leave_it() {
        for focus in Focus::ALL {
            // Esc does not quit the console: it is easily pressed once too often.
            let key = if focus == Focus::Repos { "q" } else { "Esc" };
            let leaves = |binding: &Binding| {
                binding.keys.contains(&key.parse().unwrap()) && !binding.row.hint.is_empty()
            };
            assert!(Keymap::new(false).in_focus(focus).any(leaves), "{focus:?}");
            assert!(Keymap::new(true).in_focus(focus).any(leaves), "{focus:?}, read-only");
        }
    }

    #[test]
    fn read_only_has_no_key_that_changes_a_store() {
        let map = Keymap::new(true);
        for focus in Focus::ALL {
            let changing = map.in_focus(focus).find(|b| b.row.changes);
            assert!(changing.is_none(), "{focus:?}");
        }
    }

    #[test]
    fn keys_are_what_the_config_says() {
        let map = with(&[change("consolidate", &["F5", "m"]), change("log", &["L"])]).unwrap();
        assert_eq!(map.lookup(Focus::Repos, "F5".parse().unwrap()), Some(Action::Consolidate));
        assert_eq!(map.lookup(Focus::Repos, "g".parse().unwrap()), None);
        assert_eq!(map.key_of(Action::Consolidate), "F5");
        // So do configs that were written before the actions had these names.
        let former = with(&[change("stop", &["F8"])]).unwrap();
        assert_eq!(former.lookup(Focus::Run, "F8".parse().unwrap()), Some(Action::Stop));
        // Two actions may swap their keys.
        let swapped = with(&[change("runs", &["h"]), change("history", &["w"])]).unwrap();
        assert_eq!(swapped.lookup(Focus::Repos, "h".parse().unwrap()), Some(Action::Runs));
    }

    #[test]
    fn errors_name_their_line() {
        let unknown = refused(&[change("merge", &["m"])]);
        assert!(
            unknown.starts_with("console.toml:3: unknown action `merge`")
                && unknown.contains("consolidate"),
            "{unknown}"
        );
        assert!(refused(&[change("log", &["Hyper-x"])]).contains("unknown key `Hyper-x`"));
        assert!(refused(&[change("log", &[])]).contains("has no key"));
        let clash = refused(&[change("verify", &["Ctrl-c"])]);
        assert_eq!(
            clash,
            "console.toml:3: Ctrl-c is bound to both `verify` and `quit` (repos); change one of them"
        );
        assert!(refused(&[change("erase", &["x"])]).contains("a character of the text"));
        let former = refused(&[change("leave-now", &["w"])]);
        assert!(former.contains("`quit-when-done` and `quit-now`"), "{former}");
    }

    #[test]
    fn no_careless_key_confirms() {
        for keys in [&["Enter"][..], &["Space"], &["p"], &["r"], &["x"], &["y", "R"]] {
            let press = change("press-button", &["F9"]);
            let message = refused(&[press, change("confirm", keys)]);
            assert!(message.contains("can't be `confirm`"), "{keys:?}: {message}");
        }
        assert!(with(&[change("confirm", &["Ctrl-y"])]).is_ok());
    }
    #[test]
    fn commands_have_keys_of_their_own() {
        let add = |changes: &[KeyChange], commands, read_only| {
            Keymap::with(changes, commands, read_only).map_err(|error| error.to_string())
        };
        let stats = || vec![command("stats", "t", &[Focus::Repos])];
        let map = add(&[], stats(), false).unwrap();
        assert_eq!(map.lookup(Focus::Repos, "t".parse().unwrap()), Some(Action::Command(0)));
        assert_eq!(map.lookup(Focus::Jobs, "t".parse().unwrap()), None);
        // It may change the store.
        let read_only = add(&[], stats(), true).unwrap();
        assert_eq!(read_only.lookup(Focus::Repos, "t".parse().unwrap()), None);
        assert!(read_only.is_withheld(Focus::Repos, "t".parse().unwrap()));
        let taken = add(&[], vec![command("stats", "q", &[Focus::Repos])], false).unwrap_err();
        assert_eq!(
            taken,
            "console.toml:9: q is bound to both `out` and `stats` (repos); change one of them"
        );
        assert!(add(&[], vec![command("stats", "v", &[Focus::Jobs])], false).is_ok());
        // The key is free if its action has another.
        let freed = [change("verify", &["F8"])];
        assert!(add(&freed, vec![command("stats", "v", &[Focus::Repos])], false).is_ok());
        let two = vec![command("a", "t", &[Focus::Repos]), command("b", "t", &[Focus::Repos])];
        assert!(add(&[], two, false).unwrap_err().contains("both `a` and `b`"));
        let named = add(&[], vec![command("verify", "t", &[Focus::Repos])], false).unwrap_err();
        assert!(named.starts_with("console.toml:9: `verify` is the name of an action"), "{named}");
    }
}
