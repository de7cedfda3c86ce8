//! The settings of the console: from the command line, else from the config file, else from the
//! environment.
//!
//! The file is TOML, and every setting is optional:
//!
//! ```toml
//! theme = "light"                # default, light, mono
//! ascii = true                   # false: use Unicode in any locale
//! mouse = true
//!
//! [keys]                         # names as in docs/console.md
//! consolidate = "m"
//! quit = ["Ctrl-c", "Ctrl-q"]
//!
//! [filters]                      # chosen with F, or typed as @big
//! big = "size>1G packs>50"
//!
//! [columns]                      # of the lists; the first is always displayed
//! repos = ["name", "state", "packs", "size"]
//!
//! [commands.log]                 # programs with keys
//! key = "t"
//! run = ["packhouse", "log", "$REPO"]
//! read-only = true
//! ```

mod columns;
mod commands;
mod file;

use std::path::PathBuf;

use directories::BaseDirs;
use packhouse_host::Error;

use super::args::ConsoleArgs;
use super::keys::{CustomCommand, KeyChange};
use super::state::{ChosenColumns, NamedFilter};
use super::theme::Theme;
use crate::globals::When;
use crate::style::Environment;

use file::File;

/// The settings of the console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) theme: Theme,
    /// Draw with ASCII only.
    pub(super) ascii: bool,
    /// Capture the mouse.
    pub(super) mouse: bool,
    /// Disable everything that changes the store.
    pub(super) read_only: bool,
    /// Use the demo store.
    pub(super) demo: bool,
    /// Changed keys, in the order of the file.
    pub(super) keys: Vec<KeyChange>,
    /// Filters with names, in the order of the file.
    pub(super) filters: Vec<NamedFilter>,
    /// The columns of the tables.
    pub(super) columns: ChosenColumns,
    /// Commands, in the order of the file.
    pub(super) commands: Vec<CustomCommand>,
    /// The config file, whether it exists or not; none: the platform has no folder for it.
    pub(super) config: Option<PathBuf>,
}

/// Settings from the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hints {
    /// `NO_COLOR` is set.
    no_color: bool,
    /// The locale is UTF-8, or unset.
    utf8: bool,
}

impl Hints {
    /// Reads the environment.
    pub(super) fn read() -> Hints {
        Hints::of(Environment::read(), |name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// The first variable that is set decides, as in POSIX. If none is set, as in many containers,
    /// the terminal most likely supports UTF-8.
    fn of(environment: Environment, variable: impl Fn(&str) -> Option<String>) -> Hints {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty());
        let utf8 = |locale: String| {
            ["utf-8", "utf8"].iter().any(|name| locale.to_ascii_lowercase().contains(name))
        };
        Hints { no_color: environment.no_color, utf8: locale.is_none_or(utf8) }
    }
}

impl Settings {
    /// Combines all settings.
    ///
    /// # Errors
    /// [`Error::Usage`] if the named config file does not exist, or a config can't be read or is
    /// invalid.
    pub(super) fn read(args: &ConsoleArgs, color: When, hints: Hints) -> Result<Settings, Error> {
        let file = match &args.config {
            Some(path) => File::read(path)?.ok_or_else(|| {
                Error::Usage(format!("the config file {} does not exist", path.display()))
            })?,
            None => default_file()
                .map(|path| File::read(&path))
                .transpose()?
                .flatten()
                .unwrap_or_default(),
        };
        let config = args.config.clone().or_else(default_file);
        Ok(Settings { config, ..Settings::of(args, color, hints, file) })
    }

    /// The command line overrides the file, and the file overrides the environment. Only `NO_COLOR`
    /// overrides the file: it is set for this terminal or call, and the file is for all of them.
    /// `--color never` overrides `--theme`: a theme without colours is `mono`.
    fn of(args: &ConsoleArgs, color: When, hints: Hints, file: File) -> Settings {
        let theme = match (args.theme, color) {
            (_, When::Never) => Theme::Mono,
            (Some(theme), _) => theme,
            (None, When::Auto) if hints.no_color => Theme::Mono,
            (None, _) => file.theme.unwrap_or_default(),
        };
        Settings {
            theme,
            ascii: args.ascii || file.ascii.unwrap_or(!hints.utf8),
            mouse: args.mouse || file.mouse.unwrap_or(false),
            read_only: args.read_only,
            demo: args.demo,
            keys: file.keys,
            filters: file.filters,
            columns: file.columns,
            commands: file.commands,
            config: None,
        }
    }
}

/// The config file of this user, if the platform has a folder for it.
fn default_file() -> Option<PathBuf> {
    BaseDirs::new().map(|dirs| dirs.config_dir().join("packhouse").join("console.toml"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const UTF8: Hints = Hints { no_color: false, utf8: true };

    fn settings(args: &ConsoleArgs, color: When, hints: Hints, file: &str) -> Settings {
        Settings::of(args, color, hints, File::parse(file, Path::new("f")).unwrap())
    }

    fn theme(args: Option<Theme>, color: When, no_color: bool, file: &str) -> Theme {
        let args = ConsoleArgs { theme: args, ..ConsoleArgs::default() };
        settings(&args, color, Hints { no_color, ..UTF8 }, file).theme
    }

    #[test]
    fn an_empty_config_changes_nothing() {
        assert_eq!(settings(&ConsoleArgs::default(), When::Auto, UTF8, ""), Settings::default());
    }

    #[test]
    fn the_command_line_overrides_no_color_and_no_color_the_config() {
        use Theme::{Default, Light, Mono};
        for (args, color, no_color, file, expected) in [
            (None, When::Auto, false, "", Default),
            (None, When::Auto, false, "theme = 'light'", Light),
            (None, When::Auto, true, "theme = 'light'", Mono),
            (None, When::Never, false, "theme = 'light'", Mono),
            (None, When::Always, true, "theme = 'light'", Light),
            (Some(Light), When::Auto, true, "theme = 'mono'", Light),
            (Some(Default), When::Auto, true, "theme = 'mono'", Default),
            (Some(Light), When::Never, false, "theme = 'light'", Mono),
        ] {
            assert_eq!(
                theme(args, color, no_color, file),
                expected,
                "{args:?} {color:?} {no_color} {file}"
            );
        }
    }

    #[test]
    fn the_first_locale_that_is_set_decides_on_ascii() {
        for (variables, utf8) in [
            (&[][..], true),
            (&[("LANG", "C")], false),
            (&[("LANG", "POSIX")], false),
            (&[("LANG", "en_US.UTF-8")], true),
            (&[("LANG", "C.utf8")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], false),
            (&[("LANG", "C"), ("LC_CTYPE", "en_US.UTF-8")], true),
            (&[("LC_CTYPE", "en_US.UTF-8"), ("LC_ALL", "C")], false),
            (&[("LC_ALL", ""), ("LANG", "C")], false),
        ] {
            let variable = |name: &str| {
                variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned())
            };
            let hints = Hints::of(Environment::default(), variable);
            assert_eq!(hints.utf8, utf8, "{variables:?}");
            let ascii = |args, file| settings(&args, When::Auto, hints, file).ascii;
            assert_eq!(ascii(ConsoleArgs::default(), ""), !utf8);
            assert!(!ascii(ConsoleArgs::default(), "ascii = false"));
            assert!(ascii(ConsoleArgs { ascii: true, ..ConsoleArgs::default() }, "ascii = false"));
        }
    }

    #[test]
    fn a_config_that_was_named_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        let args = ConsoleArgs { config: Some(path.clone()), ..ConsoleArgs::default() };
        let missing = Settings::read(&args, When::Auto, UTF8).unwrap_err();
        assert_eq!(missing.class(), packhouse_host::Class::Usage);
        assert!(missing.to_string().contains("mine.toml"), "{missing}");
        assert!(File::read(&path).unwrap().is_none());
        std::fs::write(&path, "mouse = true").unwrap();
        assert!(Settings::read(&args, When::Auto, UTF8).unwrap().mouse);
        std::fs::write(&path, [0xff]).unwrap();
        assert!(
            Settings::read(&args, When::Auto, UTF8).unwrap_err().to_string().contains("mine.toml")
        );
    }
}
