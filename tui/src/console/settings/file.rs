//! Parses the config file. Errors name file, line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use packhouse_host::Error;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

use super::columns::{self, WrittenColumns};
use super::commands::{self, WrittenCommand};
use crate::console::keys::{CustomCommand, KeyChange};
use crate::console::state::{ChosenColumns, Filter, NamedFilter};
use crate::console::theme::Theme;
use crate::toml_file::{self, place, position};

/// A parsed config file.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) theme: Option<Theme>,
    pub(super) ascii: Option<bool>,
    pub(super) mouse: Option<bool>,
    pub(super) keys: Vec<KeyChange>,
    pub(super) filters: Vec<NamedFilter>,
    pub(super) columns: ChosenColumns,
    pub(super) commands: Vec<CustomCommand>,
}

/// A config file as it is written.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    theme: Option<Theme>,
    ascii: Option<bool>,
    mouse: Option<bool>,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, OneOrMore>,
    #[serde(default)]
    filters: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    columns: WrittenColumns,
    #[serde(default)]
    commands: BTreeMap<Spanned<String>, WrittenCommand>,
}

impl File {
    /// `None` if the file does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<File>, Error> {
        let text = toml_file::read(path).map_err(|error| {
            Error::Usage(format!("reading the config file {} failed: {error}", path.display()))
        })?;
        text.map(|text| File::parse(&text, path)).transpose()
    }

    pub(super) fn parse(text: &str, path: &Path) -> Result<File, Error> {
        let written: Written = toml::from_str(text).map_err(|error| {
            let (line, column) = error.span().map_or((1, 1), |span| position(text, span.start));
            Error::Usage(format!("{}:{line}:{column}: {}", path.display(), error.message()))
        })?;
        let mut keys: Vec<_> = written.keys.into_iter().collect();
        keys.sort_by_key(|(action, _)| action.span().start);
        let change = |(action, OneOrMore(keys)): (Spanned<String>, OneOrMore)| {
            let position = place(path, text, action.span().start);
            KeyChange { action: action.into_inner(), keys, position }
        };
        let keys = keys.into_iter().map(change).collect();
        let mut filters: Vec<_> = written.filters.into_iter().collect();
        filters.sort_by_key(|(name, _)| name.span().start);
        let filters = filters.into_iter().map(|(name, filter)| {
            let place = place(path, text, name.span().start);
            named(name.into_inner(), filter.into_inner())
                .map_err(|wrong| Error::Usage(format!("{place}: {wrong}")))
        });
        let filters = filters.collect::<Result<_, _>>()?;
        let columns = columns::read(written.columns, text, path)?;
        let commands = commands::read(written.commands, text, path)?;
        let Written { theme, ascii, mouse, .. } = written;
        Ok(File { theme, ascii, mouse, keys, filters, columns, commands })
    }
}

/// Refuses names of a `kind` of thing that are more than a word.
pub(super) fn check_name(kind: &str, name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(format!("the name of a {kind} has letters, digits, - and _, not `{name}`"))
}

/// A filter with its name, or what is wrong with it.
fn named(name: String, text: String) -> Result<NamedFilter, String> {
    check_name("filter", &name)?;
    if text.split_whitespace().any(|word| word.starts_with('@')) {
        return Err(format!("the filter `{name}` can't use other filters"));
    }
    match Filter::read(&text).1 {
        Some(bad) => Err(format!("the filter `{name}` is invalid: {bad}")),
        None if text.trim().is_empty() => Err(format!("the filter `{name}` is empty")),
        None => Ok(NamedFilter { name, text: text.trim().to_owned() }),
    }
}

/// `"q"` or `["q", "Ctrl-q"]`. An untagged enum would give worse error messages.
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;

        impl<'de> Visitor<'de> for Keys {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key such as \"Ctrl-q\", or a list of keys")
            }

            fn visit_str<E>(self, key: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![key.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = list.next_element()? {
                    keys.push(key);
                }
                Ok(OneOrMore(keys))
            }
        }

        deserializer.deserialize_any(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<File, String> {
        File::parse(text, Path::new("f/console.toml")).map_err(|error| error.to_string())
    }

    fn refused(text: &str) -> String {
        parsed(text).unwrap_err()
    }

    #[test]
    fn a_config_has_looks_and_keys() {
        let file = parsed(
            "theme = \"light\"\nascii = true\nmouse = true\n[keys]\nquit = [\"q\", \"Ctrl-q\"]\nconsolidate = \"m\"\n",
        );
        let file = file.unwrap();
        assert_eq!(
            (file.theme, file.ascii, file.mouse),
            (Some(Theme::Light), Some(true), Some(true))
        );
        let change = |action: &str, keys: &[&str], line| KeyChange {
            action: action.into(),
            keys: keys.iter().map(|key| (*key).into()).collect(),
            position: format!("f/console.toml:{line}"),
        };
        assert_eq!(
            file.keys,
            [change("quit", &["q", "Ctrl-q"], 5), change("consolidate", &["m"], 6)]
        );
    }

    #[test]
    fn filters_have_names_and_invalid_ones_are_refused_with_their_line() {
        let file = parsed("[filters]\nworn = \" gc>30d packs>50 \"\nbig = 'size>1G'").unwrap();
        let filter = |name: &str, text: &str| NamedFilter { name: name.into(), text: text.into() };
        assert_eq!(file.filters, [filter("worn", "gc>30d packs>50"), filter("big", "size>1G")]);
        for (line, word) in [
            ("big = 'size>lots'", "size>lots"),
            ("\"a b\" = 'x'", "letters"),
            ("big = '@worn'", "other filters"),
            ("big = ' '", "empty"),
            ("big = 3", "string"),
        ] {
            let wrong = refused(&format!("# filters\n[filters]\n{line}"));
            assert!(wrong.starts_with("f/console.toml:3:") && wrong.contains(word), "{wrong}");
        }
    }

    #[test]
    fn invalid_settings_are_refused_with_their_position() {
        let unknown = refused("mouse = true\ntheme = \"dark\"");
        assert!(unknown.starts_with("f/console.toml:2:9: "), "{unknown}");
        assert!(
            ["dark", "default", "light", "mono"].iter().all(|word| unknown.contains(word)),
            "{unknown}"
        );
        let field = refused("colour = 1");
        assert!(field.starts_with("f/console.toml:1:1: "), "{field}");
        assert!(
            ["colour", "theme", "ascii", "mouse", "keys"].iter().all(|word| field.contains(word)),
            "{field}"
        );
        let kind = refused("# ü\nascii = \"yes\"");
        assert!(kind.starts_with("f/console.toml:2:9: ") && kind.contains("boolean"), "{kind}");
        let keys = refused("[keys]\nquit = 3");
        assert!(
            keys.starts_with("f/console.toml:2:8: ") && keys.contains("a list of keys"),
            "{keys}"
        );
        let deep = refused("[keys]\nquit = [\"q\", 3]");
        assert!(deep.starts_with("f/console.toml:2:14: ") && deep.contains("string"), "{deep}");
        assert!(refused("theme = ").starts_with("f/console.toml:1:"));
        assert!(refused("[keys]\nquit = 'q'\nquit = 'x'").starts_with("f/console.toml:3:1: "));
    }
}
