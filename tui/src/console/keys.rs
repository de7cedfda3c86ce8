//! The one table of keys. Handling, the footer and the help all read it, so they can't disagree.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Consolidate,
    Verify,
    Refresh,
    Filter,
    Help,
    /// To where one came from; from the first screen: out.
    Back,
    /// Out, from anywhere.
    Quit,
    /// Yes to what the gate asks. Bound to `y` alone.
    Confirm,
    /// The default of every question: nothing happens.
    Decline,
    /// Ask running work to stop.
    Stop,
    /// Leave when the work has ended.
    Wait,
    KeepFilter,
    ClearFilter,
    Erase,
    /// A character of a filter; not in the table.
    Type(char),
}

/// Where the operator is, as far as keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Repos,
    Filter,
    Repo,
    Gate,
    /// Work that is going on.
    Run,
    /// What work ended with.
    Done,
    Leave,
    Help,
}

impl Place {
    /// All of them, in the order of the help.
    pub(super) const ALL: [Place; 8] =
        [Place::Repos, Place::Filter, Place::Repo, Place::Gate, Place::Run, Place::Done, Place::Leave, Place::Help];

    /// As a heading of the help.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Place::Repos => "List of repos",
            Place::Filter => "While filtering",
            Place::Repo => "A repo",
            Place::Gate => "Asked whether to consolidate",
            Place::Run => "Work going on",
            Place::Done => "A result",
            Place::Leave => "Asked how to leave",
            Place::Help => "This help",
        }
    }
}

/// A key, with what is held down with it as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    code: KeyCode,
    ctrl: bool,
}

impl Key {
    /// What was pressed; none for a key that is let go.
    pub(super) fn of(event: &KeyEvent) -> Option<Key> {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        (event.kind != KeyEventKind::Release).then_some(Key { code: event.code, ctrl })
    }

    const fn plain(code: KeyCode) -> Key {
        Key { code, ctrl: false }
    }

    const fn char(c: char) -> Key {
        Key::plain(KeyCode::Char(c))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("Ctrl-")?;
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// A line of the table.
pub(super) struct Binding {
    pub(super) keys: &'static [Key],
    pub(super) action: Action,
    /// Where it works.
    pub(super) places: &'static [Place],
    /// A word for the footer; empty: not shown there.
    pub(super) hint: &'static str,
    /// A sentence for the help.
    pub(super) help: &'static str,
}

const UP: Key = Key::plain(KeyCode::Up);
const DOWN: Key = Key::plain(KeyCode::Down);
const ENTER: Key = Key::plain(KeyCode::Enter);
const ESC: Key = Key::plain(KeyCode::Esc);
const CTRL_C: Key = Key { code: KeyCode::Char('c'), ctrl: true };

const SCROLLED: &[Place] = &[Place::Repos, Place::Filter, Place::Repo, Place::Done, Place::Help];
const LETTERS: &[Place] = &[Place::Repos, Place::Repo, Place::Done, Place::Help];

/// Every key there is. The footer shows hints in this order, as many as fit, so what matters most comes first.
#[rustfmt::skip]
pub(super) const BINDINGS: &[Binding] = &[
    Binding { keys: &[Key::char('y')], action: Action::Confirm, places: &[Place::Gate], hint: "consolidate", help: "run the plan that is shown" },
    Binding { keys: &[ESC, ENTER, Key::char('n'), Key::char('q')], action: Action::Decline, places: &[Place::Gate], hint: "cancel", help: "close the question; nothing happens" },
    Binding { keys: &[Key::char('w')], action: Action::Wait, places: &[Place::Leave], hint: "wait", help: "leave when the work has ended" },
    Binding { keys: &[Key::char('c')], action: Action::Stop, places: &[Place::Leave], hint: "cancel the work", help: "stop the work at a safe point, then leave" },
    Binding { keys: &[ESC, ENTER, Key::char('n'), Key::char('q')], action: Action::Decline, places: &[Place::Leave], hint: "stay", help: "stay in the console" },
    Binding { keys: &[ENTER], action: Action::Open, places: &[Place::Repos], hint: "open", help: "open the repo" },
    Binding { keys: &[Key::char('g')], action: Action::Consolidate, places: &[Place::Repos, Place::Repo, Place::Done], hint: "consolidate", help: "plan to merge the packs into one, and ask" },
    Binding { keys: &[Key::char('v')], action: Action::Verify, places: &[Place::Repos, Place::Repo, Place::Done], hint: "verify", help: "read and hash every pack of the repo" },
    Binding { keys: &[Key::char('c')], action: Action::Stop, places: &[Place::Run], hint: "cancel", help: "stop the work at its next safe point" },
    Binding { keys: &[ESC, Key::char('q')], action: Action::Back, places: &[Place::Run], hint: "leave it running", help: "go back; the work goes on" },
    Binding { keys: &[ESC, Key::char('q')], action: Action::Back, places: &[Place::Repo, Place::Done, Place::Help], hint: "back", help: "go back" },
    Binding { keys: &[Key::char('q'), ESC], action: Action::Back, places: &[Place::Repos], hint: "quit", help: "leave the console; Esc drops the filter first" },
    Binding { keys: &[Key::char('?')], action: Action::Help, places: &[Place::Repos, Place::Repo, Place::Run, Place::Done], hint: "help", help: "show this help" },
    Binding { keys: &[Key::char('/')], action: Action::Filter, places: &[Place::Repos], hint: "filter", help: "show only repos with a text in their name" },
    Binding { keys: &[Key::char('r')], action: Action::Refresh, places: &[Place::Repos, Place::Repo], hint: "refresh", help: "read the store again" },
    Binding { keys: &[ENTER], action: Action::KeepFilter, places: &[Place::Filter], hint: "keep", help: "go on with the filtered list" },
    Binding { keys: &[ESC], action: Action::ClearFilter, places: &[Place::Filter], hint: "clear", help: "show all repos again" },
    Binding { keys: &[Key::plain(KeyCode::Backspace)], action: Action::Erase, places: &[Place::Filter], hint: "", help: "take the last character back" },
    Binding { keys: &[UP], action: Action::Up, places: SCROLLED, hint: "", help: "up" },
    Binding { keys: &[DOWN], action: Action::Down, places: SCROLLED, hint: "", help: "down" },
    Binding { keys: &[Key::char('k')], action: Action::Up, places: LETTERS, hint: "", help: "up" },
    Binding { keys: &[Key::char('j')], action: Action::Down, places: LETTERS, hint: "", help: "down" },
    Binding { keys: &[Key::plain(KeyCode::PageUp)], action: Action::PageUp, places: SCROLLED, hint: "", help: "a page up" },
    Binding { keys: &[Key::plain(KeyCode::PageDown)], action: Action::PageDown, places: SCROLLED, hint: "", help: "a page down" },
    Binding { keys: &[Key::plain(KeyCode::Home)], action: Action::First, places: SCROLLED, hint: "", help: "to the top" },
    Binding { keys: &[Key::plain(KeyCode::End)], action: Action::Last, places: SCROLLED, hint: "", help: "to the end" },
    Binding { keys: &[CTRL_C], action: Action::Quit, places: &Place::ALL, hint: "", help: "leave the console" },
];

/// What a key means in a place.
pub(super) fn lookup(place: Place, key: Key) -> Option<Action> {
    let bound = BINDINGS.iter().find(|binding| binding.places.contains(&place) && binding.keys.contains(&key));
    match (bound, key.code) {
        (Some(binding), _) => Some(binding.action),
        (None, KeyCode::Char(c)) if place == Place::Filter && !key.ctrl => Some(Action::Type(c)),
        (None, _) => None,
    }
}

/// The bindings of a place, in the order of the table.
pub(super) fn of_place(place: Place) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.places.contains(&place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in Place::ALL {
            let keys: Vec<Key> = of_place(place).flat_map(|binding| binding.keys).copied().collect();
            for (n, key) in keys.iter().enumerate() {
                assert!(!keys[..n].contains(key), "{key} is bound twice in {place:?}");
            }
        }
    }

    #[test]
    fn only_y_confirms() {
        let confirming: Vec<&Binding> = BINDINGS.iter().filter(|binding| binding.action == Action::Confirm).collect();
        assert_eq!(confirming.len(), 1);
        assert_eq!(confirming[0].keys, &[Key::char('y')]);
        assert_eq!(lookup(Place::Gate, ENTER), Some(Action::Decline));
        assert_eq!(lookup(Place::Gate, Key::char('g')), None);
    }

    #[test]
    fn every_place_says_how_to_leave_it() {
        for place in Place::ALL {
            assert!(of_place(place).any(|binding| binding.keys.contains(&ESC) && !binding.hint.is_empty()), "{place:?}");
        }
    }
}
