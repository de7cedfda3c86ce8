//! Colours and text styles. Colours only repeat what the text says: `NO_COLOR` disables them.

use clap::ValueEnum;
use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;

/// The colour themes of the console. What a variant's first line says is in the help of `--theme`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Theme {
    /// For dark backgrounds
    #[default]
    Default,
    /// For light backgrounds
    Light,
    /// No colours, only bold, dim and reverse text
    Mono,
}

/// The styles of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Styles {
    pub(super) theme: Theme,
    /// Draw with ASCII only.
    pub(super) ascii: bool,
}

impl Styles {
    /// `before → after`. In ASCII the arrow has two characters, because `>` would be a comparison.
    pub(super) fn to(self, before: &str, after: &str) -> String {
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
    pub(super) fn bar(self) -> Style {
        Style::new()
    }

    /// Titles and keys.
    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Names of facts, headings of columns. Dim, because the terminal knows a readable grey.
    pub(super) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Success.
    pub(super) fn good(self) -> Style {
        self.style(Color::Green, Color::Green)
    }

    /// Warnings.
    pub(super) fn warn(self) -> Style {
        self.style(Color::Yellow, Color::Magenta)
    }

    /// Errors.
    pub(super) fn bad(self) -> Style {
        self.style(Color::Red, Color::Red).add_modifier(Modifier::BOLD)
    }

    /// Alarms: a whole reversed line.
    pub(super) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    /// Active runs.
    pub(super) fn busy(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }

    /// The selected line.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// Marked repos.
    pub(super) fn marked(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }
}
