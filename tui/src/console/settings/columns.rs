//! Reads the columns of the config file.

use std::path::Path;

use packhouse_host::Error;
use serde::Deserialize;
use toml::Spanned;

use crate::console::state::{ChosenColumns, TableColumns, TableName, column_name};
use crate::toml_file::place;

/// The columns of each table, as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenColumns {
    repos: Option<Vec<Spanned<String>>>,
    packs: Option<Vec<Spanned<String>>>,
    jobs: Option<Vec<Spanned<String>>>,
}

/// Reads the columns of all tables.
///
/// # Errors
/// [`Error::Usage`] with the position of a name that is unknown, repeated or misplaced.
pub(super) fn read(
    written: WrittenColumns,
    text: &str,
    path: &Path,
) -> Result<ChosenColumns, Error> {
    let mut chosen = ChosenColumns::default();
    let lists = [written.repos, written.packs, written.jobs];
    for (table, names) in TableName::ALL.into_iter().zip(lists) {
        let Some(names) = names else { continue };
        let heads = heads(table, &names)
            .map_err(|(at, wrong)| Error::Usage(format!("{}: {wrong}", place(path, text, at))))?;
        *chosen.of_mut(table) = TableColumns::only(table, &heads);
    }
    Ok(chosen)
}

/// The heads of columns by their names, or what is wrong, and at which byte of the file.
fn heads(
    table: TableName,
    names: &[Spanned<String>],
) -> Result<Vec<&'static str>, (usize, String)> {
    let mut heads: Vec<&'static str> = Vec::new();
    for (at, spanned) in names.iter().enumerate() {
        let (name, fail) = (spanned.get_ref(), |wrong| Err((spanned.span().start, wrong)));
        if *name == column_name(table.first()) {
            if at > 0 {
                return fail(format!("`{name}` is always the first column; put it there"));
            }
            continue;
        }
        match table.heads().iter().find(|head| column_name(head) == *name) {
            None => {
                let known: Vec<String> = std::iter::once(&table.first())
                    .chain(table.heads())
                    .map(|head| column_name(head))
                    .collect();
                let known = known.join(", ");
                return fail(format!("unknown column `{name}`; expected one of: {known}"));
            }
            Some(head) if heads.contains(head) => return fail(format!("`{name}` is listed twice")),
            Some(head) => heads.push(head),
        }
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::super::file::File;
    use super::*;

    fn parsed(text: &str) -> Result<ChosenColumns, String> {
        let file = File::parse(text, Path::new("f/console.toml"));
        file.map(|file| file.columns).map_err(|error| error.to_string())
    }

    #[test]
    fn the_config_chooses_columns_and_their_order() {
        let columns =
            parsed("[columns]\nrepos = ['name', 'size', 'to-delete']\njobs = ['status']").unwrap();
        assert_eq!(columns.of(TableName::Repos).shown(), ["SIZE", "TO DELETE"]);
        assert_eq!(columns.of(TableName::Jobs).shown(), ["STATUS"]);
        assert_eq!(columns.of(TableName::Packs).shown(), TableName::Packs.heads());
        // What the screen says keeps them.
        let setting = format!("[columns]\n{}", columns.setting(TableName::Repos));
        let again = parsed(&setting).unwrap();
        assert_eq!(again.of(TableName::Repos), columns.of(TableName::Repos));
    }

    #[test]
    fn invalid_columns_are_refused_with_their_line() {
        for (line, words) in [
            ("repos = ['sizes']", &["unknown column `sizes`", "name, state", "to-delete"][..]),
            ("packs = ['pack', 'packs']", &["unknown column `packs`", "pack, size"]),
            ("repos = ['state', 'name']", &["`name` is always the first"]),
            ("jobs = ['age', 'age']", &["`age` is listed twice"]),
            ("runs = ['state']", &["unknown field `runs`", "jobs"]),
            ("repos = 'state'", &["sequence"]),
        ] {
            let wrong = parsed(&format!("# mine\n[columns]\n{line}")).unwrap_err();
            assert!(wrong.starts_with("f/console.toml:3:"), "{line}: {wrong}");
            words.iter().for_each(|word| assert!(wrong.contains(word), "{line}: {wrong}"));
        }
    }
}
