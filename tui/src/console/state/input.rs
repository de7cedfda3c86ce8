//! A text input.

use crate::console::keys::Action;

/// Maximum length; a longer paste is cut.
const MAX_CHARS: usize = 256;

/// The typed text. Pasted text is untrusted: escape it before drawing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Input(String);

impl Input {
    /// The text.
    pub(in crate::console) fn text(&self) -> &str {
        &self.0
    }

    /// Applies an action; false if it does not edit.
    pub(in crate::console) fn act(&mut self, action: Action) -> bool {
        match action {
            Action::Type(c) => self.paste(c.encode_utf8(&mut [0; 4])),
            Action::Erase => drop(self.0.pop()),
            Action::EraseWord => {
                let kept = self.0.trim_end();
                let kept = kept.rfind(char::is_whitespace).map_or(0, |at| at + 1);
                self.0.truncate(kept);
            }
            Action::EraseAll => self.0.clear(),
            _ => return false,
        }
        true
    }

    /// Appends the first line of a text.
    pub(in crate::console) fn paste(&mut self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        let room = MAX_CHARS.saturating_sub(self.0.chars().count());
        self.0.extend(line.chars().filter(|c| !c.is_control()).take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_types_and_deletes() {
        let mut input = Input::default();
        input.paste("size>1G né\u{1b}xt\nrm -rf");
        assert_eq!(input.text(), "size>1G néxt");
        for (action, left) in [
            (Action::Erase, "size>1G néx"),
            (Action::EraseWord, "size>1G "),
            (Action::Type('a'), "size>1G a"),
            (Action::EraseWord, "size>1G "),
            (Action::EraseWord, ""),
            (Action::EraseWord, ""),
            (Action::Erase, ""),
        ] {
            assert!(input.act(action));
            assert_eq!(input.text(), left);
        }
        input.paste(&"x".repeat(1000));
        assert_eq!(input.text().len(), MAX_CHARS);
        assert!(input.act(Action::EraseAll) && input.text().is_empty() && !input.act(Action::Open));
    }
}
