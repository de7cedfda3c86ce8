//! Arguments of `packhouse console`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Deserialize;

/// `packhouse console …`
#[derive(Debug, Default, Args)]
pub(crate) struct ConsoleArgs {
    /// Use a generated store in memory: needs no store and keeps nothing
    #[arg(long)]
    pub(crate) demo: bool,
    /// Disable everything that changes the store
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Colours [default: from the config file; mono with NO_COLOR or --color never]
    #[arg(long, value_name = "THEME", value_enum)]
    pub(crate) theme: Option<ThemeName>,
    /// Draw with ASCII only [default: if the locale is not UTF-8]
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Enable the mouse for scrolling and selecting. Hold Shift to select text as usual
    #[arg(long)]
    pub(crate) mouse: bool,
    /// Config file for colours, mouse and keys [default: console.toml in the platform's config
    /// folder + packhouse]
    #[arg(long, value_name = "FILE", env = "PACKHOUSE_CONSOLE_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Log to this file, at the level of -v [default: console.log in the platform's state folder +
    /// packhouse]
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

/// The colour themes of the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ThemeName {
    /// For dark backgrounds
    #[default]
    Default,
    /// For light backgrounds
    Light,
    /// No colours, only bold, dim and reverse text
    Mono,
}
