//! Writes the lines of a list to a new file.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::console::state::Export;

/// Names that are tried for a file: `repos.csv`, `repos-2.csv`, and so on.
const NAMES: u32 = 1000;

/// Writes a new file: if there is one of this name, of another. Returns how many lines, and the whole
/// path.
///
/// # Errors
/// Why it was not written, in words. A file that could not be written whole is removed.
pub(super) fn write(file: &str, export: &Export) -> Result<(String, String), String> {
    let asked = std::path::absolute(Path::new(file)).map_err(|error| format!("{file}: {error}"))?;
    let mut tried = (1..=NAMES).map(|number| numbered(&asked, number));
    let (path, mut created) = loop {
        let Some(path) = tried.next() else {
            return Err(format!(
                "{} and {} more exist, and stay as they are",
                asked.display(),
                NAMES - 1
            ));
        };
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(created) => break (path, created),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    };
    let shown = path.display().to_string();
    let written = created.write_all(export.text(file).as_bytes()).and_then(|()| created.sync_all());
    written.map_err(|error| {
        // What is there is of no use.
        let _ = std::fs::remove_file(&path);
        format!("{shown}: {error}")
    })?;
    Ok((export.number(), shown))
}

/// A path with a number before its ending; the first is the path itself.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let Some(stem) = path.file_stem().filter(|_| number > 1) else { return path.to_owned() };
    let mut name = stem.to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
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
        for (name, second, expected) in
            [("r.csv", "r-2.csv", "a/b,"), ("r.json", "r-2.json", "\"repo\": \"a/b\"")]
        {
            let (file, second) = (folder.path().join(name), folder.path().join(second));
            let file = file.to_str().unwrap();
            assert_eq!(write(file, &export), Ok(("1 repo".to_owned(), file.to_owned())));
            let text = std::fs::read_to_string(file).unwrap();
            assert!(text.contains(expected), "{text}");
            std::fs::write(file, "mine").unwrap();
            let second = second.to_str().unwrap();
            assert_eq!(write(file, &export), Ok(("1 repo".to_owned(), second.to_owned())));
            assert!(std::fs::read_to_string(second).unwrap().contains(expected));
            assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
        }
        let nowhere = folder.path().join("no/r.csv");
        assert!(write(nowhere.to_str().unwrap(), &export).is_err());
    }
}
