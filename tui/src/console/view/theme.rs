//! Colours and text styles. Colours only repeat what the text says: `NO_COLOR` disables them.

use ratatui::style::{Color, Modifier, Style};

/// Which colours to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Theme {
    /// The sixteen colours of the terminal, for dark backgrounds.
    Default,
    /// The sixteen colours, for light backgrounds.
    Light,
    /// No colours, only bold, dim and reverse text.
    Mono,
}

/// The styles of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) struct Styles {
    pub(in crate::console) theme: Theme,
    /// Draw with ASCII only.
    pub(in crate::console) ascii: bool,
}

impl Styles {
    /// `before → after`. In ASCII the arrow has two characters, because `>` would be a comparison.
    pub(in crate::console) fn to(self, before: &str, after: &str) -> String {
        format!("{before} {} {after}", if self.ascii { "->" } else { "→" })
    }

    fn style(self, dark: Color, light: Color) -> Style {
        match self.theme {
            Theme::Default => Style::new().fg(dark),
            Theme::Light => Style::new().fg(light),
            Theme::Mono => Style::new(),
        }
    }

    /// Header and footer.
    pub(in crate::console) fn bar(self) -> Style {
        Style::new()
    }

    /// Titles and keys.
    pub(in crate::console) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Names of facts, headings of columns. Dim, because the terminal knows a readable grey.
    pub(in crate::console) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Success.
    pub(in crate::console) fn good(self) -> Style {
        self.style(Color::Green, Color::Green)
    }

    /// Warnings.
    pub(in crate::console) fn warn(self) -> Style {
        self.style(Color::Yellow, Color::Magenta)
    }

    /// Errors.
    pub(in crate::console) fn bad(self) -> Style {
        self.style(Color::Red, Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Alarms: a whole reversed line.
    pub(in crate::console) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    /// Active runs.
    pub(in crate::console) fn busy(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }

    /// The selected line.
    pub(in crate::console) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Marked repos.
    pub(in crate::console) fn marked(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }
}
