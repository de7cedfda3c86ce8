//! The words of `packhouse console`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde::Deserialize;

/// `packhouse console …`
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ConsoleArgs {
    /// Look around in a store that is made up: needs none, and makes none
    #[arg(long)]
    pub(crate) demo: bool,
    /// Nothing can be changed
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Colours [default: what the config says; mono where NO_COLOR or --color never asks for none]
    #[arg(long, value_name = "THEME", value_enum)]
    pub(crate) theme: Option<ThemeName>,
    /// Draw with ASCII only [default: where the locale is not UTF-8]
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Let the mouse scroll and point. It can't select text for the terminal meanwhile, except with
    /// Shift
    #[arg(long)]
    pub(crate) mouse: bool,
    /// Colours, mouse and keys [default: console.toml in the platform's config folder + packhouse]
    #[arg(long, value_name = "FILE", env = "PACKHOUSE_CONSOLE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Log to a file, as much as -v says [default: console.log in the platform's state folder +
    /// packhouse]
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// Which colours the console has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ThemeName {
    /// For a dark ground
    #[default]
    Default,
    /// For a white ground
    Light,
    /// No colours, weights only
    Mono,
}
