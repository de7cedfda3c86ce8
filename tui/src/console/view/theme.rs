//! Colours. With `NO_COLOR` there are none, only weights: nothing is said by a colour alone.

use ratatui::style::{Color, Modifier, Style};

/// Which styles to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Theme {
    /// The terminal's own sixteen colours.
    Colour,
    /// Weights only.
    Mono,
}

impl Theme {
    /// What the environment asks for (<https://no-color.org>: set, and not empty).
    pub(in crate::console) fn from_env() -> Self {
        let asked = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if asked { Theme::Mono } else { Theme::Colour }
    }

    fn style(self, colour: Color, weight: Modifier) -> Style {
        let style = Style::new().add_modifier(weight);
        if self == Theme::Colour { style.fg(colour) } else { style }
    }

    /// Header and footer.
    pub(super) fn bar(self) -> Style {
        Style::new()
    }

    /// Titles and keys.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Names of facts, headings of columns.
    pub(super) fn quiet(self) -> Style {
        self.style(Color::DarkGray, Modifier::empty())
    }

    /// What is in order, what was proven.
    pub(super) fn good(self) -> Style {
        self.style(Color::Green, Modifier::empty())
    }

    /// What could be better.
    pub(super) fn warn(self) -> Style {
        self.style(Color::Yellow, Modifier::empty())
    }

    /// What went wrong.
    pub(super) fn bad(self) -> Style {
        self.style(Color::Red, Modifier::BOLD)
    }

    /// What goes on.
    pub(super) fn busy(self) -> Style {
        self.style(Color::Cyan, Modifier::BOLD)
    }

    /// What is pointed to.
    pub(super) fn pointed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
