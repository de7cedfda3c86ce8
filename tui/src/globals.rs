//! The options of every verb: which store to use, and how to print results.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use crate::config::Config;

/// Which store to use, and how to print results.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Folder of the store, with its catalog and packs; `repo create` and `serve` create it
    /// [default: packhouse in the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "PACKHOUSE_DATA", hide_env_values = true)]
    pub(crate) data: Option<PathBuf>,

    /// Use this catalog: sqlite:///FILE, or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_DATABASE_URL",
        hide_env_values = true
    )]
    pub(crate) database: Option<String>,

    /// Use this pack storage: file:///DIR, or s3://BUCKET/PREFIX with the usual AWS_… variables
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_STORAGE_URL",
        hide_env_values = true
    )]
    pub(crate) storage: Option<String>,

    /// Use a `packhouse serve` instead of a local store, with the token in PACKHOUSE_TOKEN.
    /// Overrides the variables that name a store; flags that name one override PACKHOUSE_REMOTE
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PACKHOUSE_REMOTE",
        hide_env_values = true
    )]
    pub(crate) remote: Option<String>,

    /// Read the token for --remote from this file instead of PACKHOUSE_TOKEN
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// The file of the token for the source of an import: what --token-file means there.
    #[arg(skip)]
    pub(crate) source_token_file: Option<PathBuf>,

    /// Plan with this component instead of the built-in one
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PACKHOUSE_COMPONENT",
        hide_env_values = true
    )]
    pub(crate) component: Option<PathBuf>,

    /// Send traces to this OpenTelemetry collector, by OTLP over HTTP, such as http://127.0.0.1:4318
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide_env_values = true
    )]
    pub(crate) otlp_endpoint: Option<String>,

    /// Print results as JSON, one document per line
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Print only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Log more to stderr; repeat for more detail
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Where the values of options come from.
    #[arg(skip)]
    pub(crate) config: Config,

    /// When to use colours; `auto` checks the terminal and NO_COLOR
    #[arg(long, global = true, value_name = "WHEN", default_value_t, value_enum)]
    pub(crate) color: When,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    #[default]
    Auto,
    Always,
    Never,
}
