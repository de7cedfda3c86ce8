//! The keys of the config take precedence over default keys: a new default key breaks no config.

use std::borrow::Cow;

use super::focus::Focus;
use super::key::Key;
use super::table::{Action, SCREENS};
use super::{Binding, Keymap};
use crate::text::plural;

/// A key that the config has on a screen, and the name of its action or command.
type Taken = (Focus, Key, String);

impl Keymap {
    /// Takes the keys of the config from the actions that the config does not name, where both work.
    /// What leaves a screen keeps its keys, and so do dialogs and text inputs: a conflict with those
    /// stays one.
    pub(super) fn prefer_config(&mut self) {
        let taken = self.taken();
        for binding in std::mem::take(&mut self.bindings) {
            let parts = parts(&binding, &taken);
            let lost: Vec<&Taken> =
                parts.iter().flat_map(|part| part.lost.iter().copied()).collect();
            if lost.is_empty() {
                self.bindings.push(binding);
                continue;
            }
            self.notes.extend(notes(&binding, &lost));
            self.bindings.extend(parts.into_iter().map(|part| {
                let mut row = binding.row.clone().into_owned();
                row.works_in = part.works_in.into();
                Binding { row: Cow::Owned(row), keys: part.keys, is_configured: false }
            }));
        }
    }

    /// The keys of the config on each screen.
    fn taken(&self) -> Vec<Taken> {
        let configured = self.bindings.iter().filter(|binding| binding.is_configured);
        configured
            .flat_map(|binding| {
                let screens = binding.row.works_in.iter().filter(|it| SCREENS.contains(it));
                screens.flat_map(move |focus| {
                    binding.keys.iter().map(move |key| (*focus, *key, binding.row.name.to_string()))
                })
            })
            .collect()
    }
}

/// The places where an action keeps the same keys.
struct Part<'a> {
    keys: Vec<Key>,
    works_in: Vec<Focus>,
    /// What it loses there.
    lost: Vec<&'a Taken>,
}

fn parts<'a>(binding: &Binding, taken: &'a [Taken]) -> Vec<Part<'a>> {
    let keeps = binding.is_configured || matches!(binding.row.action, Action::Back | Action::Quit);
    let mut parts: Vec<Part> = Vec::new();
    for focus in binding.row.works_in.iter().copied() {
        let loses = |(at, key, _): &&Taken| *at == focus && binding.keys.contains(key) && !keeps;
        let lost: Vec<&Taken> = taken.iter().filter(loses).collect();
        let mut keys = binding.keys.clone();
        keys.retain(|key| !lost.iter().any(|(_, other, _)| other == key));
        match parts.iter_mut().find(|part| part.keys == keys) {
            Some(part) => {
                part.works_in.push(focus);
                part.lost.extend(lost);
            }
            None => parts.push(Part { keys, works_in: vec![focus], lost }),
        }
    }
    parts
}

/// A sentence for each key that an action loses.
fn notes(binding: &Binding, lost: &[&Taken]) -> Vec<String> {
    let mut pairs: Vec<(Key, &str)> = Vec::new();
    for (_, key, name) in lost {
        if !pairs.contains(&(*key, name)) {
            pairs.push((*key, name));
        }
    }
    let note = |(key, name): (Key, &str)| {
        let on = lost.iter().filter(|(_, other, by)| (*other, by.as_str()) == (key, name)).count();
        format!(
            "The config binds {key} to `{name}`: `{}` does not have it on {}",
            binding.row.name,
            plural(on as u64, "screen")
        )
    };
    pairs.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{change, command};
    use super::*;

    fn action(map: &Keymap, focus: Focus, key: &str) -> Option<Action> {
        map.lookup(focus, key.parse().unwrap())
    }

    #[test]
    fn a_command_takes_its_key_from_the_action_on_its_screens_only() {
        let own = vec![command("archive", "A", &[Focus::Repos, Focus::Health])];
        let map = Keymap::with(&[], own, false).unwrap();
        assert_eq!(action(&map, Focus::Repos, "A"), Some(Action::Command(0)));
        assert_eq!(action(&map, Focus::Health, "A"), Some(Action::Command(0)));
        assert_eq!(action(&map, Focus::Packs, "A"), Some(Action::RepairAll));
        let note = "The config binds A to `archive`: `repair-all` does not have it on 1 screen";
        assert_eq!(map.notes, [note, note], "its row on Health is another one");
        // The palette has the action, and texts name it as it is typed there.
        assert!(map.in_focus(Focus::Repos).any(|it| it.row.action == Action::RepairAll));
        assert_eq!(map.key_in(Focus::Repos, Action::RepairAll), ":repair-all");
        assert_eq!(map.key_in(Focus::Packs, Action::RepairAll), "A");
    }

    #[test]
    fn an_action_with_a_changed_key_takes_it_and_other_keys_stay() {
        let map = Keymap::with(&[change("verify", &["g", "6"])], Vec::new(), false).unwrap();
        assert_eq!(action(&map, Focus::Repo, "g"), Some(Action::Verify));
        assert_eq!(action(&map, Focus::Jobs, "g"), Some(Action::First));
        assert_eq!(action(&map, Focus::Repo, "6"), Some(Action::Verify));
        assert_eq!(action(&map, Focus::Repo, "f"), Some(Action::Find));
        assert_eq!(map.key_in(Focus::Repo, Action::Find), "f");
        assert_eq!(action(&map, Focus::Jobs, "6"), Some(Action::Find));
        let note = "The config binds g to `verify`: `consolidate` does not have it on 5 screens";
        assert!(map.notes.contains(&note.to_owned()), "{:?}", map.notes);
        assert_eq!(Keymap::with(&[], Vec::new(), false).unwrap().notes, [""; 0]);
    }

    #[test]
    fn names_are_displayed_with_the_key_that_opens_the_palette_there() {
        let own = vec![
            command("archive", "A", &[Focus::Repos, Focus::Packs]),
            command("colon", ":", &[Focus::Repos]),
        ];
        let map = Keymap::with(&[], own, false).unwrap();
        assert_eq!(map.key_in(Focus::Repos, Action::RepairAll), "", "it can't be typed there");
        let own =
            vec![command("archive", "A", &[Focus::Repos]), command("colon", ":", &[Focus::Jobs])];
        let map = Keymap::with(&[], own.clone(), false).unwrap();
        assert_eq!(map.key_in(Focus::Repos, Action::RepairAll), ":repair-all");
        let map = Keymap::with(&[change("palette", &["F2"])], own, false).unwrap();
        assert_eq!(map.key_in(Focus::Repos, Action::RepairAll), "F2 repair-all");
    }

    #[test]
    fn what_leaves_a_screen_keeps_its_keys_and_so_do_dialogs() {
        let own = vec![command("archive", "q", &[Focus::Packs])];
        let refused = Keymap::with(&[], own, false).unwrap_err().to_string();
        assert!(refused.contains("q is bound to both `back` and `archive` (packs)"), "{refused}");
        let refused = Keymap::with(&[change("first-letter", &["y"])], Vec::new(), false);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("both `confirm` and `first-letter`"), "{refused}");
    }

    #[test]
    fn two_keys_of_the_config_are_a_conflict() {
        let own = vec![command("archive", "F5", &[Focus::Repos])];
        let refused = Keymap::with(&[change("verify", &["F5"])], own, false).unwrap_err();
        assert!(refused.to_string().contains("both `verify` and `archive`"), "{refused}");
    }
}
