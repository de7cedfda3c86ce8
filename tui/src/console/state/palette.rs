//! The command palette: all actions of the current focus, found by name.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use super::cursor::Cursor;
use super::input::Input;
use crate::console::keys::{Action, Binding, Focus, Keymap, Row};

/// The open palette.
#[derive(Debug)]
pub(in crate::console) struct Palette {
    pub(in crate::console) input: Input,
    pub(in crate::console) cursor: Cursor,
    /// The focus for which it was opened.
    focus: Focus,
    /// Actions that are disabled there.
    idle: Vec<Action>,
}

impl Palette {
    /// The actions of a focus, except for those that are disabled there.
    pub(super) fn new(focus: Focus, idle: Vec<Action>) -> Palette {
        Palette { input: Input::default(), cursor: Cursor::default(), focus, idle }
    }

    /// Actions that match the input, the best first.
    pub(in crate::console) fn fitting<'a>(&self, keymap: &'a Keymap) -> Vec<&'a Binding> {
        let pattern = Pattern::parse(self.input.text(), CaseMatching::Ignore, Normalization::Smart);
        let query = self.input.text().trim().to_lowercase();
        let (mut matcher, mut letters) = (Matcher::new(Config::DEFAULT), Vec::new());
        // Without the palette itself, and movements.
        let enabled = |binding: &&Binding| {
            let Row { action, help, .. } = binding.row.as_ref();
            !matches!(action, Action::Palette | Action::Up | Action::Down)
                && !help.is_empty()
                && !self.idle.contains(action)
        };
        let mut found: Vec<(Option<u32>, &Binding)> = keymap
            .in_focus(self.focus)
            .filter(enabled)
            .filter_map(|binding| {
                let name =
                    pattern.score(Utf32Str::new(&binding.row.name, &mut letters), &mut matcher);
                // Help sentences must contain the input; letters in order match nearly all of them.
                // Quit is only found by its name.
                let in_help = || {
                    binding.row.action != Action::Quit
                        && binding.row.help.to_lowercase().contains(&query)
                };
                (name.is_some() || in_help()).then_some((name, binding))
            })
            .collect();
        // Matches of names come before matches of help sentences.
        found.sort_by_key(|(name, _)| std::cmp::Reverse(*name));
        found.into_iter().map(|(_, binding)| binding).collect()
    }

    /// The selected action.
    pub(in crate::console) fn chosen(&self, keymap: &Keymap) -> Option<Action> {
        let fitting = self.fitting(keymap);
        fitting.get(self.cursor.at(fitting.len())).map(|binding| binding.row.action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::state::{Model, Screen};
    use crate::console::tests::update::model;

    #[test]
    fn actions_are_found_by_name_and_by_what_they_do() {
        let model = model();
        let keymap = &model.keymap;
        let mut palette = model.new_palette();
        let chosen = |palette: &mut Palette, text: &str| {
            palette.input.act(Action::EraseAll);
            palette.input.paste(text);
            palette.chosen(keymap)
        };
        assert_eq!(chosen(&mut palette, "cons"), Some(Action::Consolidate));
        assert_eq!(chosen(&mut palette, "hash every"), Some(Action::Verify));
        assert_eq!(chosen(&mut palette, "zzz"), None);
        assert!(palette.fitting(keymap).is_empty());
        // Its letters occur in order in many sentences.
        assert_eq!(chosen(&mut palette, "ver"), Some(Action::Verify));
        assert_eq!(chosen(&mut palette, "quit"), Some(Action::Quit));
        for text in ["leave", "anywhere", "console", "vry", "the"] {
            chosen(&mut palette, text);
            let found: Vec<Action> =
                palette.fitting(keymap).iter().map(|binding| binding.row.action).collect();
            assert!(!found.contains(&Action::Quit), "{text}: {found:?}");
        }
        let changing = model
            .new_palette()
            .fitting(&Keymap::new(true))
            .iter()
            .find(|b| b.row.changes)
            .map(|b| b.row.name.to_string());
        assert_eq!(changing, None);
    }

    #[test]
    fn disabled_actions_are_left_out() {
        fn names(model: &Model) -> Vec<&str> {
            let fitting = model.new_palette().fitting(&model.keymap);
            fitting.into_iter().map(|binding| binding.row.name.as_ref()).collect()
        }
        let mut model = model();
        assert!(names(&model).contains(&"consolidate") && !names(&model).contains(&"clear"));
        model.screens.push(Screen::Runs);
        assert!(!names(&model).contains(&"runs") && !names(&model).contains(&"cancel-queued"));
    }
}
