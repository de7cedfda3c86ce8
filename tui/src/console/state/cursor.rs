//! The cursor of a list.

use crate::console::keys::Action;

/// A position in a list whose length may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Cursor {
    at: usize,
    moved: bool,
    /// The first visible line of the text about the selected line, below the list.
    text: usize,
}

/// The text below a list, in lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct TextBelow {
    /// Visible lines.
    pub(in crate::console) height: usize,
    /// Lines for which there is no room.
    pub(in crate::console) hidden: usize,
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

    /// The first visible line of the text below the list, of which `hidden` lines have no room.
    pub(in crate::console) fn text(self, hidden: usize) -> usize {
        self.text.min(hidden)
    }

    /// Moves to a line.
    pub(in crate::console) fn set(&mut self, line: usize) {
        (self.at, self.text) = (line, 0);
    }

    /// Scrolls the text below a list of `lines` lines, of which `page` are visible: line by line at
    /// the end of the list, and page by page also if the whole list is visible. False if the action
    /// moves the cursor instead.
    pub(in crate::console) fn scroll_text(
        &mut self,
        action: Action,
        (lines, page): (usize, usize),
        below: TextBelow,
    ) -> bool {
        let (now, step) = (self.text(below.hidden), below.height.saturating_sub(1).max(1));
        let at_end = self.at(lines) + 1 >= lines;
        let turns = at_end || lines <= page;
        let next = match action {
            Action::Up => now.saturating_sub(1),
            Action::PageUp => now.saturating_sub(step),
            Action::Down if at_end => now + 1,
            Action::PageDown if turns => now + step,
            Action::Last if at_end => below.hidden,
            _ => return false,
        };
        let scrolls = next.min(below.hidden) != now;
        self.text = next.min(below.hidden);
        scrolls
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
        if self.at != now || action == Action::First {
            self.text = 0;
        }
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
    fn the_text_below_a_list_scrolls_where_the_cursor_can_not_move() {
        let below = TextBelow { height: 4, hidden: 5 };
        let press = |cursor: &mut Cursor, action, page| {
            if !cursor.scroll_text(action, (3, page), below) {
                cursor.act(action, 3, page);
            }
            (cursor.at(3), cursor.text(below.hidden))
        };
        let mut cursor = Cursor::default();
        // Two of three lines are visible.
        for (action, state) in [
            (Action::Down, (1, 0)),
            (Action::PageDown, (2, 0)),
            (Action::Down, (2, 1)),
            (Action::PageDown, (2, 4)),
            (Action::Last, (2, 5)),
            (Action::Down, (2, 5)),
            (Action::PageDown, (2, 5)),
            (Action::Up, (2, 4)),
            (Action::PageUp, (2, 1)),
            (Action::First, (0, 0)),
        ] {
            assert_eq!(press(&mut cursor, action, 2), state, "{action:?}");
        }
        // The whole list is visible.
        for (action, state) in
            [(Action::PageDown, (0, 3)), (Action::PageDown, (0, 5)), (Action::Down, (1, 0))]
        {
            assert_eq!(press(&mut cursor, action, 3), state, "{action:?}");
        }
        assert!(!cursor.scroll_text(Action::Last, (3, 3), TextBelow::default()));
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
