//! Colours of the command line.

use std::fmt::Display;

use clap::builder::styling::{AnsiColor, Style as Ansi};

use crate::globals::When;

/// The meaning of a piece of text, which decides its colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Ordinary text.
    #[default]
    Plain,
    /// A heading, a total.
    Strong,
    /// A detail.
    Dim,
    /// A name that can be used in the next command.
    Name,
    /// All is well.
    Good,
    /// Needs attention.
    Warn,
    /// An error.
    Bad,
}

/// Whether one stream has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// No colours, no control characters.
    pub(crate) const PLAIN: Style = Style { coloured: false };

    /// Follows `--color`; `auto` colours a terminal, unless the environment disables it.
    pub(crate) fn choose(when: When, terminal: bool, environment: Environment) -> Style {
        let coloured = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => terminal && !environment.no_color && !environment.dumb,
        };
        Style { coloured }
    }

    /// Whether the stream has colours.
    pub(crate) const fn coloured(self) -> bool {
        self.coloured
    }

    /// The text in the colour of its tone.
    pub(crate) fn paint(self, tone: Tone, text: impl Display) -> String {
        let plain = Ansi::new();
        let ansi = match tone {
            _ if !self.coloured => plain,
            Tone::Plain => plain,
            Tone::Strong => plain.bold(),
            Tone::Dim => plain.dimmed(),
            Tone::Name => AnsiColor::Cyan.on_default(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warn => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
        };
        format!("{ansi}{text}{ansi:#}")
    }
}

/// Settings of the environment for terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `NO_COLOR` is set and not empty: <https://no-color.org>.
    pub(crate) no_color: bool,
    /// `TERM=dumb`: neither colours nor moving cursors.
    pub(crate) dumb: bool,
}

impl Environment {
    /// Reads the environment of this process.
    pub(crate) fn read() -> Environment {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Environment {
            no_color: set("NO_COLOR").is_some(),
            dumb: set("TERM").is_some_and(|term| term == "dumb"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_ask_the_flag_first_then_the_terminal_and_the_environment() {
        let plain = Environment::default();
        let no_color = Environment { no_color: true, ..plain };
        let dumb = Environment { dumb: true, ..plain };
        for (when, terminal, environment, coloured) in [
            (When::Auto, true, plain, true),
            (When::Auto, false, plain, false),
            (When::Auto, true, no_color, false),
            (When::Auto, true, dumb, false),
            (When::Always, false, no_color, true),
            (When::Never, true, plain, false),
        ] {
            assert_eq!(
                Style::choose(when, terminal, environment).coloured(),
                coloured,
                "{when:?} {terminal} {environment:?}"
            );
        }
    }

    #[test]
    fn plain_text_holds_no_escape() {
        assert_eq!(Style::PLAIN.paint(Tone::Bad, "x"), "x");
        assert_eq!(Style { coloured: true }.paint(Tone::Plain, "x"), "x");
        assert!(Style { coloured: true }.paint(Tone::Bad, "x").starts_with('\u{1b}'));
    }
}
