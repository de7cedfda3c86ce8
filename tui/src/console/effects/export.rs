//! Writes the lines of a list to a new file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::console::state::Export;

/// Writes a file that does not exist yet. Returns how many lines, and the whole path.
///
/// # Errors
/// Why it was not written, in words. A file that could not be written whole is removed.
pub(super) fn write(file: &str, export: &Export) -> Result<(String, String), String> {
    let path = std::path::absolute(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
    let shown = path.display().to_string();
    let mut created =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error
            .kind()
        {
            ErrorKind::AlreadyExists => format!("{shown} exists, and stays as it is"),
            _ => format!("{shown}: {error}"),
        })?;
    let written = created.write_all(export.text(file).as_bytes()).and_then(|()| created.sync_all());
    written.map_err(|error| {
        // What is there is of no use.
        let _ = std::fs::remove_file(&path);
        format!("{shown}: {error}")
    })?;
    Ok((export.number(), shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::view::tests::model;

    #[test]
    fn a_file_is_written_once_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model();
        let ticket = model.ticket();
        let now = crate::console::tests::fake::now();
        model.repos.begin(ticket, now);
        model.repos.take(Ok(vec![crate::console::tests::fake::summary("a/b", 3)]), now);
        let export = model.export().unwrap();
        for (name, expected) in [("r.csv", "a/b,"), ("r.json", "\"repo\": \"a/b\"")] {
            let file = folder.path().join(name);
            let file = file.to_str().unwrap();
            assert_eq!(write(file, &export), Ok(("1 repo".to_owned(), file.to_owned())));
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(expected), "{text}");
            std::fs::write(file, "mine").unwrap();
            assert!(write(file, &export).unwrap_err().contains("exists, and stays as it is"));
            assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
        }
        let nowhere = folder.path().join("no/r.csv");
        assert!(write(nowhere.to_str().unwrap(), &export).is_err());
    }
}
