//! Where the store is: reads `--data`, `--database` and `--storage`.

use std::path::{Path, PathBuf};

use directories::BaseDirs;
use packhouse_host::{CatalogPlace, Error, RepoName, S3Options, Storage, StoreOptions};
use url::Url;

use crate::globals::Globals;

/// The locations of the store that the global options name.
pub(crate) fn options(globals: &Globals) -> anyhow::Result<StoreOptions> {
    let database = globals.database.as_deref().map(catalog).transpose()?;
    let storage = globals.storage.as_deref().map(|url| storage(globals, url)).transpose()?;
    let data = match (&globals.data, &database, &storage) {
        // Neither is in the platform's folder.
        (None, Some(_), Some(Storage::Folder(packs))) => packs.clone(),
        _ => data_folder(globals)?,
    };
    let mut options = StoreOptions::embedded(data);
    options.component.clone_from(&globals.component);
    if let Some(catalog) = database {
        options.catalog = catalog;
    }
    if let Some(packs) = storage {
        options.packs = packs;
    }
    Ok(options)
}

/// The token for a server, from a file or `PACKHOUSE_TOKEN`. There is no flag for it: every user of
/// a machine can see the arguments of a process.
pub(crate) fn token(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let token = match file {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            Some(read.map_err(|source| Error::Io {
                doing: "reading the token in",
                path: file.to_owned(),
                source,
            })?)
        }
        None => std::env::var("PACKHOUSE_TOKEN").ok(),
    };
    Ok(token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()))
}

/// The URL of the server, if that of one of its repos is given.
pub(crate) fn server_of(url: &str) -> Option<String> {
    let mut url = Url::parse(url).ok()?;
    let path = url.path().trim_matches('/').to_owned();
    let (before, slug) = path.rsplit_once('/')?;
    let (base, owner) = before.rsplit_once('/').unwrap_or(("", before));
    let _: RepoName = format!("{owner}/{slug}").parse().ok()?;
    url.set_path(base);
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// The token for the source of an import.
pub(crate) fn source_token(globals: &Globals) -> anyhow::Result<Option<String>> {
    match &globals.source_token_file {
        Some(file) => token(Some(file)),
        None => Ok(std::env::var("PACKHOUSE_SOURCE_TOKEN").ok().filter(|token| !token.is_empty())),
    }
}

/// The folder that `--data` names, or the platform's.
pub(crate) fn data_folder(globals: &Globals) -> anyhow::Result<PathBuf> {
    match &globals.data {
        Some(data) => Ok(data.clone()),
        None => BaseDirs::new().map(|dirs| dirs.data_dir().join("packhouse")).ok_or_else(|| {
            usage("there is no home folder for the store; name a folder with --data DIR".into())
        }),
    }
}

/// `postgres://…` or `sqlite:///FILE`.
fn catalog(url: &str) -> anyhow::Result<CatalogPlace> {
    match scheme(url) {
        Some("postgres" | "postgresql") => Ok(CatalogPlace::Postgres(url.to_owned())),
        Some("sqlite") => Ok(CatalogPlace::Sqlite(sqlite_file(url)?)),
        // The URL may hold a password: it is not repeated.
        _ => Err(usage(
            "--database: expected sqlite:///FILE or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
                .into(),
        )),
    }
}

/// `sqlite:///FILE`, or `sqlite://FILE` relative to the current folder.
fn sqlite_file(url: &str) -> anyhow::Result<PathBuf> {
    let usage = || usage(format!("--database {url}: expected sqlite:///FILE"));
    let file = url.strip_prefix("sqlite://").ok_or_else(usage)?;
    if file.is_empty() || file.ends_with('/') || file.contains(['?', '#', ':']) {
        return Err(usage());
    }
    let here = std::path::absolute(".").ok().and_then(|here| Url::from_directory_path(here).ok());
    let path = here.and_then(|here| here.join(file).ok()).and_then(|url| url.to_file_path().ok());
    path.ok_or_else(usage)
}

/// `file:///DIR`, or `s3://BUCKET/PREFIX` with copies of packs in the data folder.
fn storage(globals: &Globals, url: &str) -> anyhow::Result<Storage> {
    if scheme(url) == Some("s3") {
        return Ok(Storage::S3(S3Options::from_env(url, data_folder(globals)?.join("spool"))?));
    }
    file_folder(url).map(Storage::Folder)
}

/// `file:///DIR`.
fn file_folder(url: &str) -> anyhow::Result<PathBuf> {
    let usage = || usage(format!("--storage {url}: expected file:///DIR or s3://BUCKET/PREFIX"));
    match scheme(url) {
        Some("file") => {}
        _ => return Err(usage()),
    }
    let parsed = Url::parse(url).map_err(|_| usage())?;
    if !url.starts_with("file:///") || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(usage());
    }
    let path = parsed.to_file_path().map_err(|()| usage())?;
    if path == Path::new("/") { Err(usage()) } else { Ok(path) }
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once(':').map(|(scheme, _)| scheme)
}

fn usage(message: String) -> anyhow::Error {
    Error::Usage(message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_as_usage(outcome: anyhow::Result<PathBuf>) -> bool {
        outcome.is_err_and(|error| matches!(error.downcast_ref(), Some(Error::Usage(_))))
    }

    #[test]
    fn the_url_of_a_repo_names_its_server() {
        for (url, server) in [
            ("http://h:7070/zoe/loops", Some("http://h:7070")),
            ("http://h:7070/zoe/loops/", Some("http://h:7070")),
            ("https://h/packs/zoe/loops", Some("https://h/packs")),
            ("http://h:7070", None),
            ("http://h:7070/packs", None),
            ("http://h:7070/packs/", None),
            ("zoe/loops", None),
        ] {
            assert_eq!(server_of(url).as_deref(), server, "{url}");
        }
    }

    #[test]
    fn sqlite_urls_are_files() {
        assert_eq!(sqlite_file("sqlite:///srv/a%20b.db").unwrap(), Path::new("/srv/a b.db"));
        assert_eq!(
            sqlite_file("sqlite://sub/c.db").unwrap(),
            std::env::current_dir().unwrap().join("sub/c.db")
        );
        assert!(
            catalog("mysql://h/secret").is_err_and(|error| !error.to_string().contains("secret"))
        );
        for bad in [
            "sqlite://",
            "sqlite:x.db",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite:///x.db?mode=ro",
            "mysql://h/d",
            "x.db",
            "sqlite:///d/",
        ] {
            assert!(refused_as_usage(sqlite_file(bad)), "{bad}");
        }
    }

    #[test]
    fn storage_urls_are_folders() {
        assert_eq!(file_folder("file:///srv/packs/").unwrap(), Path::new("/srv/packs/"));
        for bad in
            ["file://host/packs", "file:packs", "/srv/packs", "file:///", "file:///p?x", "gs://b/p"]
        {
            assert!(refused_as_usage(file_folder(bad)), "{bad}");
        }
    }

    #[test]
    fn a_url_overrides_the_data_folder() {
        let text = |text: &str| Some(text.to_owned());
        let sqlite = |file: &str| CatalogPlace::Sqlite(file.into());
        let named = |data: Option<&str>, database, storage| {
            let globals =
                Globals { data: data.map(PathBuf::from), database, storage, ..Globals::default() };
            options(&globals).unwrap()
        };
        let all = named(Some("/d"), text("sqlite:///c/x.db"), text("file:///p"));
        let folder = |options: &StoreOptions| options.packs.folder().to_owned();
        assert_eq!(
            (folder(&all), all.catalog, all.cache),
            ("/p".into(), sqlite("/c/x.db"), Some("/d/cache".into()))
        );
        let both = named(None, text("sqlite:///c/x.db"), text("file:///p"));
        assert_eq!(
            (folder(&both), both.catalog, both.cache),
            ("/p".into(), sqlite("/c/x.db"), Some("/p/cache".into()))
        );
        let data = named(Some("/d"), None, None);
        assert_eq!((folder(&data), data.catalog), ("/d".into(), sqlite("/d/catalog.db")));
        let bucket = named(Some("/d"), None, text("s3://bucket/prefix"));
        assert!(
            matches!(&bucket.packs, Storage::S3(options) if options.url == "s3://bucket/prefix")
        );
        assert_eq!((folder(&bucket), bucket.catalog), ("/d/spool".into(), sqlite("/d/catalog.db")));
    }
}
