//! A key, and its name in the footer, the help and the config.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// A key with its modifiers Ctrl and Alt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::console) struct Key {
    pub(in crate::console) code: KeyCode,
    ctrl: bool,
    alt: bool,
}

/// Keys with a name; the first name of each key is displayed.
const NAMED: [(&str, KeyCode); 22] = [
    ("↑", KeyCode::Up),
    ("↓", KeyCode::Down),
    ("←", KeyCode::Left),
    ("→", KeyCode::Right),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
    ("PageUp", KeyCode::PageUp),
    ("PageDown", KeyCode::PageDown),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Backtab", KeyCode::BackTab),
    ("Space", KeyCode::Char(' ')),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
];

impl Key {
    /// The pressed key; `None` for the release of a key.
    pub(in crate::console) fn of(event: &KeyEvent) -> Option<Key> {
        let held = |modifier| event.modifiers.contains(modifier);
        let key = Key {
            code: event.code,
            ctrl: held(KeyModifiers::CONTROL),
            alt: held(KeyModifiers::ALT),
        };
        (event.kind != KeyEventKind::Release).then_some(key)
    }

    pub(super) const fn plain(code: KeyCode) -> Key {
        Key { code, ctrl: false, alt: false }
    }

    pub(super) const fn char(c: char) -> Key {
        Key::plain(KeyCode::Char(c))
    }

    pub(super) const fn ctrl(c: char) -> Key {
        Key { code: KeyCode::Char(c), ctrl: true, alt: false }
    }

    /// The character that the key types, if any.
    pub(super) fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        if self.alt {
            f.write_str("Alt-")?;
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(c)) => write!(f, "{c}"),
            (None, KeyCode::F(n)) => write!(f, "F{n}"),
            (None, other) => write!(f, "{other:?}"),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let (mut rest, mut ctrl, mut alt) = (text, false, false);
        loop {
            // "Ctrl--" is Ctrl with minus.
            if let Some(after) =
                rest.strip_prefix("Ctrl-").filter(|after| !after.is_empty() && !ctrl)
            {
                (rest, ctrl) = (after, true);
            } else if let Some(after) =
                rest.strip_prefix("Alt-").filter(|after| !after.is_empty() && !alt)
            {
                (rest, alt) = (after, true);
            } else {
                break;
            }
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => {
                match NAMED.iter().find(|(name, _)| *name == rest) {
                    Some((_, code)) => Some(*code),
                    None => Some(KeyCode::Char(c)),
                }
            }
            _ => {
                let named = NAMED
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(rest))
                    .map(|(_, code)| *code);
                let function = rest
                    .strip_prefix(['F', 'f'])
                    .and_then(|n| n.parse().ok())
                    .filter(|n| (1..=24).contains(n));
                named.or(function.map(KeyCode::F))
            }
        };
        // A terminal sends the same for Ctrl with a letter, with and without Shift.
        let code = match code {
            Some(KeyCode::Char(c)) if ctrl => Some(KeyCode::Char(c.to_ascii_lowercase())),
            code => code,
        };
        code.map(|code| Key { code, ctrl, alt }).ok_or_else(|| {
            format!("unknown key `{text}`; expected a character, Enter, Esc, Tab, Space, Backspace, Up, PgDn, Home, F5 or the like, optionally after Ctrl- or Alt-")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in [
            "g",
            "G",
            "?",
            "-",
            "Ctrl-c",
            "Alt-x",
            "Ctrl-Alt-x",
            "Ctrl--",
            "F5",
            "Enter",
            "Space",
            "PgDn",
            "↑",
            "Ctrl-←",
        ] {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), text);
        }
        assert_eq!("up".parse(), "↑".parse::<Key>());
        assert_eq!("Ctrl-C".parse(), "Ctrl-c".parse::<Key>());
        for bad in ["", "gg", "Ctrl-", "F0", "F99", "Hyper-x", "\u{1b}"] {
            assert!(
                bad.parse::<Key>().is_err_and(|error| error.contains("unknown key")),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn the_release_of_a_key_is_ignored() {
        let mut event = KeyEvent::new(KeyCode::Char('g'), KeyModifiers::SHIFT);
        assert_eq!(Key::of(&event), Some(Key::char('g')));
        event.kind = KeyEventKind::Release;
        assert_eq!(Key::of(&event), None);
    }
}
