//! The buttons of the dialogs. One of them is selected: at first the one that changes nothing, or,
//! where a number must be typed, the one that needs the number.

use super::model::Model;
use crate::console::keys::{Action, Focus};

impl Model {
    /// The buttons of the dialog of a focus, each with its action, the safe one first. None if it has
    /// no dialog.
    pub(in crate::console) fn buttons(&self, focus: Focus) -> Vec<Action> {
        let all: &[Action] = match focus {
            Focus::Preview => &[Action::Back],
            Focus::Confirm => &[Action::Decline, Action::Confirm],
            Focus::Typing => &[Action::Cancel, Action::Accept],
            Focus::Leave => &[Action::Decline, Action::Wait, Action::Stop, Action::LeaveNow],
            _ => &[],
        };
        all.iter().copied().filter(|action| self.is_enabled_in(focus, *action)).collect()
    }

    /// The selected one of these buttons. If it is no longer there, the default one is selected.
    pub(in crate::console) fn button(&self, focus: Focus) -> Option<Action> {
        let all = self.buttons(focus);
        let selected = match focus {
            Focus::Leave => self.leave_button,
            _ => self.dialog.as_ref().and_then(|dialog| dialog.button),
        };
        let default = if focus == Focus::Typing { all.last() } else { all.first() };
        selected.filter(|action| all.contains(action)).or(default.copied())
    }

    /// Selects another button: the next one, or the one before.
    pub(in crate::console) fn step_button(&mut self, forward: bool) {
        let focus = self.focus();
        let (all, selected) = (self.buttons(focus), self.button(focus));
        let Some(at) = all.iter().position(|action| Some(*action) == selected) else { return };
        let step = if forward { 1 } else { all.len() - 1 };
        let next = all.get((at + step) % all.len()).copied();
        match &mut self.dialog {
            _ if focus == Focus::Leave => self.leave_button = next,
            Some(dialog) => dialog.select(next),
            None => {}
        }
    }
}
