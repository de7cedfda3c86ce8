//! The scroll area of a screen, and what can be clicked.

use std::ops::Range;

use super::cursor::TextBelow;
use crate::console::keys::Action;

/// The scroll area of a screen, in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Extent {
    /// All lines.
    pub(in crate::console) content: usize,
    /// Visible lines.
    pub(in crate::console) height: usize,
    /// The first visible line.
    pub(in crate::console) first: usize,
    /// The row of the terminal of that line.
    pub(in crate::console) row: u16,
    /// If not every line can be selected: the item of each visible line.
    pub(in crate::console) items: Vec<Option<usize>>,
    /// The text below a list.
    pub(in crate::console) below: TextBelow,
    /// Whether there is too little room to read what a dialog asks.
    pub(in crate::console) cramped: bool,
    /// The buttons of a dialog.
    pub(in crate::console) buttons: Vec<Target>,
}

/// A button on the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Target {
    pub(in crate::console) row: u16,
    pub(in crate::console) columns: Range<u16>,
    /// What a click does.
    pub(in crate::console) action: Action,
}
