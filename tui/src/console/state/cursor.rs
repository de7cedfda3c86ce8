//! The cursor of a list.

use crate::console::keys::Action;

/// A position in a list whose length may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Cursor {
    at: usize,
    moved: bool,
}

impl Cursor {
    /// The position in a list of `lines` lines.
    pub(in crate::console) fn at(self, lines: usize) -> usize {
        self.at.min(lines.saturating_sub(1))
    }

    /// Whether less than half a page of `page` lines follows, so that it is time to load the next.
    pub(in crate::console) fn is_near_end(self, lines: usize, page: u32) -> bool {
        self.at(lines) + page as usize / 2 > lines
    }

    /// Whether a key has moved it.
    pub(in crate::console) fn is_moved(self) -> bool {
        self.moved
    }

    /// Moves to a line.
    pub(in crate::console) fn set(&mut self, line: usize) {
        self.at = line;
    }

    /// Applies an action, with pages of `page` lines; false if the action does not move the cursor.
    pub(in crate::console) fn act(&mut self, action: Action, lines: usize, page: usize) -> bool {
        let (now, last, page) = (self.at(lines), lines.saturating_sub(1), page.max(1));
        self.at = match action {
            Action::Up => now.saturating_sub(1),
            Action::Down => now + 1,
            Action::PageUp => now.saturating_sub(page),
            Action::PageDown => now + page,
            Action::First => 0,
            Action::Last => last,
            _ => return false,
        }
        .min(last);
        self.moved = true;
        true
    }

    /// The first visible line, so that the cursor stays in the middle except at both ends.
    pub(in crate::console) fn first(self, lines: usize, height: usize) -> usize {
        self.at(lines).saturating_sub(height / 2).min(lines.saturating_sub(height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_line(at: usize) -> Cursor {
        Cursor { at, ..Cursor::default() }
    }

    #[test]
    fn it_stays_in_the_list() {
        let mut cursor = Cursor::default();
        for (action, at) in [
            (Action::Up, 0),
            (Action::Last, 9),
            (Action::Down, 9),
            (Action::PageUp, 5),
            (Action::First, 0),
            (Action::PageDown, 4),
        ] {
            assert!(cursor.act(action, 10, 4));
            assert_eq!(cursor.at(10), at, "{action:?}");
        }
        assert!(!cursor.act(Action::Open, 10, 4));
        // The list has become shorter.
        assert_eq!([cursor.at(3), cursor.at(0)], [2, 0]);
        cursor.act(Action::Up, 3, 4);
        assert_eq!(cursor.at(3), 1);
    }

    #[test]
    fn the_cursor_is_visible() {
        for lines in 0..12 {
            for height in 1..7 {
                for at in 0..lines {
                    let (cursor, first) = (at_line(at), at_line(at).first(lines, height));
                    assert!(
                        (first..first + height).contains(&cursor.at(lines))
                            && first + height.min(lines) <= lines
                    );
                }
            }
        }
    }
}
