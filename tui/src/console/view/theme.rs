//! Colours and weights. Nothing is said by a colour alone: with `NO_COLOR` there are none.

use ratatui::style::{Color, Modifier, Style};

/// Which colours to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Theme {
    /// The terminal's own sixteen colours, as they read on a dark ground.
    Default,
    /// Those of them that read on a white ground.
    Light,
    /// Weights only.
    Mono,
}

/// How the console looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) struct Styles {
    pub(in crate::console) theme: Theme,
    /// For terminals and fonts that know no other signs.
    pub(in crate::console) ascii: bool,
}

impl Styles {
    /// From one thing to another. A sign of one cell, as ASCII has them, would compare the two.
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

    /// Names of facts, headings of columns. The terminal knows which grey can be read on its
    /// ground.
    pub(in crate::console) fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is in order, what was proven.
    pub(in crate::console) fn good(self) -> Style {
        self.style(Color::Green, Color::Green)
    }

    /// What could be better.
    pub(in crate::console) fn warn(self) -> Style {
        self.style(Color::Yellow, Color::Magenta)
    }

    /// What went wrong.
    pub(in crate::console) fn bad(self) -> Style {
        self.style(Color::Red, Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What nobody may overlook: a whole line, turned around.
    pub(in crate::console) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    /// What goes on.
    pub(in crate::console) fn busy(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }

    /// What is pointed to.
    pub(in crate::console) fn pointed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What is marked.
    pub(in crate::console) fn marked(self) -> Style {
        self.style(Color::Cyan, Color::Blue).add_modifier(Modifier::BOLD)
    }
}
