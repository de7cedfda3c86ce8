//! The bytes of objects: in the folder or the bucket of a MuseHub.
//!
//! ```text
//! REPO/ID                   a folder, with `:` and `/` in the ID as `_`; older versions: `:` as `-`
//! objects/REPO/ID           a bucket
//! ```

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use futures::{StreamExt, TryStreamExt};
use packhouse_core::EntityId;
use packhouse_model::digest::{EMPTY, finish};
use packhouse_model::error::{Error, Result};
use packhouse_storage::s3::{ReadObject, S3Objects, S3Options};
use ring::digest::{Context, SHA256};
use tokio_util::io::ReaderStream;

use crate::rows::ObjectRow;

/// Size of a chunk that is read from a file, in bytes.
const READ: usize = 256 << 10;

/// Whether an object is the empty one. A MuseHub drops it on a push: no row says what it is.
pub(crate) fn is_empty(id: EntityId) -> bool {
    *id.digest() == EMPTY
}

/// Where the bytes of a MuseHub's objects are.
#[derive(Debug)]
pub(crate) enum HubObjects {
    /// In a folder: its `MUSEHUB_OBJECTS_DIR`.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(S3Objects),
}

/// Where the bytes of an object may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file.
    File(PathBuf),
    /// A key of the bucket.
    Key(String),
}

/// What was found of an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its bytes: at which of the places, and how many.
    Bytes { place: usize, bytes: u64 },
    /// Other bytes.
    Others { place: String, hash: String },
    /// Nothing.
    Nothing,
}

impl HubObjects {
    /// Opens a folder, or the client of a bucket.
    pub(crate) fn open(url: &str) -> Result<HubObjects> {
        if url.starts_with("s3://") {
            // Nothing is written: there is no spool.
            let options = S3Options::from_env(url, PathBuf::new())?;
            return Ok(HubObjects::Bucket(S3Objects::connect(&options)?));
        }
        let folder = PathBuf::from(url.strip_prefix("file://").unwrap_or(url));
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "--hub-objects {}: expected a folder, or s3://BUCKET/PREFIX",
                folder.display()
            )));
        }
        Ok(HubObjects::Folder(folder))
    }

    /// Where the bytes of an object may be, the likeliest place first.
    pub(crate) fn places(&self, row: &ObjectRow) -> Vec<Place> {
        let mut places = Vec::new();
        let mut add = |place: Option<Place>| {
            places.extend(place.filter(|place| !places.contains(place)));
        };
        for name in names(row) {
            match self {
                HubObjects::Folder(folder) => add(within(folder, &name.path)),
                HubObjects::Bucket(bucket) => {
                    // A copy of a bucket, or a part of one, keeps the keys below a prefix.
                    if name.bucket.is_some_and(|written| written == bucket.bucket()) {
                        add(Some(Place::Key(name.path.clone())));
                    }
                    for folder in [bucket.prefix(), &joined(bucket.prefix(), "objects")] {
                        add(Some(Place::Key(joined(folder, &name.path))));
                    }
                }
            }
        }
        if let HubObjects::Folder(_) = self
            && Path::new(&row.disk_path).is_absolute()
        {
            add(Some(Place::File(PathBuf::from(&row.disk_path))));
        }
        places
    }

    /// Looks for the bytes of an object, and hashes what it finds.
    ///
    /// # Errors
    /// If something can't be read.
    pub(crate) async fn find(&self, id: EntityId, row: &ObjectRow) -> Result<Found> {
        let mut others = Found::Nothing;
        for (place, at) in self.places(row).iter().enumerate() {
            let Some(mut object) = self.read(at).await? else { continue };
            let (mut sum, mut bytes) = (Context::new(&SHA256), 0);
            while let Some(chunk) = object.stream.try_next().await? {
                sum.update(&chunk);
                bytes += chunk.len() as u64;
            }
            let hash = finish(sum);
            if hash == *id.digest() {
                return Ok(Found::Bytes { place, bytes });
            }
            if others == Found::Nothing {
                let hash = EntityId::new(packhouse_core::Form::Bare, hash).to_string();
                others = Found::Others { place: self.shown(at), hash };
            }
        }
        Ok(others)
    }

    /// The bytes at a place; none if there are none.
    ///
    /// # Errors
    /// If they can't be read.
    pub(crate) async fn read(&self, place: &Place) -> Result<Option<ReadObject>> {
        match (self, place) {
            (_, Place::File(path)) => read_file(path).await,
            (HubObjects::Bucket(bucket), Place::Key(key)) => bucket.read(key).await,
            (HubObjects::Folder(_), Place::Key(_)) => Ok(None),
        }
    }

    /// A place, for messages.
    pub(crate) fn shown(&self, place: &Place) -> String {
        match (self, place) {
            (_, Place::File(path)) => path.display().to_string(),
            (HubObjects::Bucket(bucket), Place::Key(key)) => {
                format!("s3://{}/{key}", bucket.bucket())
            }
            (HubObjects::Folder(_), Place::Key(key)) => key.clone(),
        }
    }
}

/// A name of an object, below a folder or a prefix.
struct Name<'a> {
    path: String,
    /// The bucket in which it was written, if it was one.
    bucket: Option<&'a str>,
}

/// The names under which versions of the server stored an object.
fn names(row: &ObjectRow) -> Vec<Name<'_>> {
    let local = |path: String| Name { path, bucket: None };
    let (id, repo) = (&row.object_id, &row.repo_id);
    let mut names = Vec::new();
    match row.storage_uri.as_deref().and_then(|uri| uri.split_once("://")) {
        Some(("local", rest)) => {
            let (repo, id) = rest.split_once('/').unwrap_or((repo, rest));
            names.push(local(format!("{repo}/{}", id.replace([':', '/'], "_"))));
        }
        Some(("s3", rest)) => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            names.push(Name { path: key.to_owned(), bucket: Some(bucket) });
        }
        _ => {}
    }
    names.push(local(format!("{repo}/{}", id.replace([':', '/'], "_"))));
    names.push(local(format!("{repo}/{}", id.replace(':', "-"))));
    if !row.disk_path.is_empty() && !row.disk_path.starts_with('/') {
        names.push(local(row.disk_path.clone()));
    }
    names
}

fn joined(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A file below a folder. A row must not lead out of it.
fn within(folder: &Path, path: &str) -> Option<Place> {
    let path = Path::new(path);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    is_below.then(|| Place::File(folder.join(path)))
}

async fn read_file(path: &Path) -> Result<Option<ReadObject>> {
    let is_gone = |error: &std::io::Error| {
        matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename
        )
    };
    // First what it is: to open a pipe would wait for its writer.
    let bytes = match tokio::fs::metadata(path).await {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Ok(None),
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(Error::io("reading", path)(error)),
    };
    let file = tokio::fs::File::open(path).await.map_err(Error::io("opening", path))?;
    let path = path.to_owned();
    let stream = ReaderStream::with_capacity(file, READ)
        .map_err(move |error| Error::io("reading", &path)(error));
    Ok(Some(ReadObject { bytes, stream: stream.boxed() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, disk_path: &str, storage_uri: Option<&str>) -> ObjectRow {
        ObjectRow {
            object_id: id.into(),
            repo_id: "r".into(),
            size_bytes: 1,
            disk_path: disk_path.into(),
            storage_uri: storage_uri.map(str::to_owned),
        }
    }

    fn below(row: &ObjectRow) -> Vec<String> {
        let places = HubObjects::Folder("/hub".into()).places(row);
        places
            .into_iter()
            .map(|place| match place {
                Place::File(path) => path.display().to_string(),
                Place::Key(key) => key,
            })
            .collect()
    }

    #[test]
    fn every_spelling_is_tried_the_recorded_one_first() {
        let forked = row("sha256:ab", "other/sha256:ab", Some("local://other/sha256:ab"));
        let tried = [
            "/hub/other/sha256_ab",
            "/hub/r/sha256_ab",
            "/hub/r/sha256-ab",
            "/hub/other/sha256:ab",
        ];
        assert_eq!(below(&forked), tried);
        let old = row("sha256:ab", "/old/r/sha256-ab", None);
        assert_eq!(below(&old), ["/hub/r/sha256_ab", "/hub/r/sha256-ab", "/old/r/sha256-ab"]);
    }

    #[test]
    fn a_row_does_not_lead_out_of_the_folder() {
        let forged = row("ab", "../../etc/passwd", Some("local://../passwd"));
        assert_eq!(below(&forged), ["/hub/r/ab"]);
        assert_eq!(below(&row("../../x", "", None)), ["/hub/r/.._.._x"]);
    }

    #[test]
    fn a_copied_bucket_is_searched_below_its_prefix() {
        let options = S3Options {
            settings: ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"]
                .map(|name| (name.to_owned(), "x".to_owned()))
                .into(),
            ..S3Options::from_env("s3://copy/old", PathBuf::new()).unwrap()
        };
        let bucket = HubObjects::Bucket(S3Objects::connect(&options).unwrap());
        let shown = |uri: &str| -> Vec<String> {
            let places = bucket.places(&row("ab", "", Some(uri)));
            places.iter().take(2).map(|place| bucket.shown(place)).collect()
        };
        let elsewhere = shown("s3://assets/objects/r/ab");
        assert_eq!(elsewhere[0], "s3://copy/old/objects/r/ab");
        assert_eq!(shown("s3://copy/objects/r/ab")[0], "s3://copy/objects/r/ab");
    }
}
