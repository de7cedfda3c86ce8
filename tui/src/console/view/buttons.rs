//! The buttons of a dialog: the selected one is in brackets, and its key stands after each.
//!
//! ```text
//! [ Cancel ]  Esc    Consolidate    y
//! ```

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::console::cells::width;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Model, Target};

/// Cells between two buttons.
const BETWEEN: &str = "  ";

/// Lines of buttons, and where each button is in them.
#[derive(Default)]
pub(super) struct Buttons {
    pub(super) lines: Vec<Line<'static>>,
    places: Vec<Target>,
}

impl Buttons {
    /// The buttons of a focus side by side as far as they fit, then below. `label` says what each does.
    pub(super) fn of(
        model: &Model,
        focus: Focus,
        room: usize,
        label: impl Fn(Action) -> String,
    ) -> Buttons {
        let (styles, selected) = (model.styles, model.button(focus));
        let mut buttons = Buttons::default();
        let mut taken = 0;
        for action in model.buttons(focus) {
            let (label, key) = (label(action), model.keymap.key_in(focus, action));
            let button = match selected == Some(action) {
                true => Span::styled(format!("[ {label} ]"), styles.selected()),
                false => Span::raw(format!("  {label}  ")),
            };
            let key = Span::styled(format!("  {key}"), styles.strong());
            let (pressed, whole) = (button.width(), button.width() + key.width());
            match buttons.lines.last_mut() {
                Some(line) if taken + width(BETWEEN) + whole <= room => {
                    taken += width(BETWEEN);
                    line.spans.extend([Span::raw(BETWEEN), button, key]);
                }
                _ => {
                    taken = 0;
                    buttons.lines.push(Line::from(vec![button, key]));
                }
            }
            buttons.places.push(Target {
                row: cells(buttons.lines.len() - 1),
                columns: cells(taken)..cells(taken + pressed),
                action,
            });
            taken += whole;
        }
        buttons
    }

    /// Where they are on the terminal, if their lines are drawn into `area`. Those below it are not.
    pub(super) fn placed(self, area: Rect) -> Vec<Target> {
        let inside = self.places.into_iter().filter(|place| place.row < area.height);
        let placed = inside.map(|place| Target {
            row: place.row.saturating_add(area.y),
            columns: place.columns.start.saturating_add(area.x)
                ..place.columns.end.saturating_add(area.x).min(area.right()),
            action: place.action,
        });
        placed.collect()
    }
}

fn cells(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}
