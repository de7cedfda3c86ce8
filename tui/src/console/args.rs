//! Arguments of `packhouse console`.

use std::path::PathBuf;

use clap::Args;

use super::theme::Theme;

/// `packhouse console …`
#[derive(Debug, Default, Args)]
pub(crate) struct ConsoleArgs {
    /// Use a generated store in memory: needs no store and keeps nothing
    #[arg(long)]
    pub(super) demo: bool,
    /// Disable everything that changes the store
    #[arg(long)]
    pub(super) read_only: bool,
    /// Colours [default: from the config file; mono with NO_COLOR or --color never]
    #[arg(long, value_name = "THEME", value_enum)]
    pub(super) theme: Option<Theme>,
    /// Draw with ASCII only [default: if the locale is not UTF-8]
    #[arg(long)]
    pub(super) ascii: bool,
    /// Enable the mouse for scrolling and selecting. Hold Shift to select text as usual
    #[arg(long)]
    pub(super) mouse: bool,
    /// Config file for colours, mouse and keys [default: console.toml in the platform's config
    /// folder + packhouse]
    #[arg(long, value_name = "FILE", env = "PACKHOUSE_CONSOLE_CONFIG", hide_env_values = true)]
    pub(super) config: Option<PathBuf>,
    /// Log to this file, at the level of -v [default: console.log in the platform's state folder +
    /// packhouse]
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
}
