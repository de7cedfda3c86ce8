//! Packs in a bucket, as the ports want them.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use object_store::path::Path as Key;
use object_store::signer::{Method, Signer};
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_vault::objects::{ObjectName, pack_of};
use packhouse_vault::{
    ListedPack, ObjectInfo, ObjectPart, PackStore, RemotePackStore, StagedFile, StagingFolder,
    StorageContents, Traffic, Vault,
};

use super::client::{Bucket, connect};
use super::failed::{failed, is_gone, is_out_of_range};
use super::options::S3Options;
use super::upload::Body;

/// The longest that S3 lets a URL be good.
const LONGEST_URL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Packs in a bucket.
#[derive(Debug)]
pub struct S3Packs(Bucket);

impl S3Packs {
    /// Opens a bucket, and checks that it exists and can be listed.
    ///
    /// # Errors
    /// [`Error::Usage`] for a malformed URL; [`Error::Storage`] when the bucket does not answer.
    pub async fn open(options: &S3Options) -> Result<S3Packs> {
        let bucket = connect(options)?;
        answers(&bucket).await?;
        Ok(S3Packs(bucket))
    }

    /// A vault of these packs, with its cache in the spool, which is created with its first file.
    ///
    /// # Errors
    /// When the spool's folder is relative, and the current one can't be found.
    pub fn into_vault(self, options: &S3Options) -> Result<Vault> {
        let staging = Arc::new(spool(options)?);
        Ok(Vault::cached(Arc::new(self), staging, options.budget))
    }

    fn object(&self, name: &ObjectName) -> Key {
        self.0.place.within(&Key::from(name.to_string()))
    }

    fn folder(&self, name: &str) -> Key {
        self.0.place.within(&Key::from(name))
    }

    async fn upload(&self, to: &ObjectName, bytes: Bytes) -> Result<()> {
        self.0.upload(&self.object(to), Body::Bytes(bytes)).await.map(|_| ())
    }
}

/// The folder of the spool, for staging and copies.
///
/// # Errors
/// When it is relative, and the current folder can't be found.
pub fn spool(options: &S3Options) -> Result<StagingFolder> {
    let folder =
        std::path::absolute(&options.spool).map_err(Error::io("finding", &options.spool))?;
    Ok(StagingFolder::of(&folder))
}

/// Checks that a bucket exists and can be listed, and creates nothing; returns its location.
///
/// # Errors
/// As for [`S3Packs::open`].
pub async fn ask(options: &S3Options) -> Result<String> {
    let bucket = connect(options)?;
    answers(&bucket).await?;
    Ok(format!("{} ({})", bucket.place.all(), bucket.place.server()))
}

/// What is in a bucket, for a catalog that may not exist. Creates nothing.
///
/// # Errors
/// [`Error::Storage`] when it can't be listed or read.
pub async fn inspect(options: &S3Options, catalog: &str) -> Result<StorageContents> {
    let Bucket { place, store, .. } = connect(options)?;
    let listing = |e| failed("listing", place.all(), &place, e);
    let packs = place.within(&Key::from("packs"));
    let mut found = store
        .list(Some(&packs))
        .try_filter_map(|object| std::future::ready(Ok(listed(&object))))
        .boxed();
    let has_packs = found.next().await.transpose().map_err(listing)?.is_some();
    let folder = place.within(&Key::from("catalogs"));
    let mut notes = Vec::new();
    for note in store.list(Some(&folder)).try_collect::<Vec<_>>().await.map_err(listing)? {
        let read = async { store.get(&note.location).await?.bytes().await };
        notes.push(String::from_utf8_lossy(&read.await.map_err(listing)?).into_owned());
    }
    Ok(StorageContents { place: place.all(), has_packs, notes, note: note_of(catalog) })
}

/// Whether the bucket answers, and may be listed.
async fn answers(bucket: &Bucket) -> Result<()> {
    let place = &bucket.place;
    let folder = place.within(&Key::from("catalogs"));
    let answer = bucket.store.list(Some(&folder)).next().await.transpose();
    answer.map(|_| ()).map_err(|e| failed("opening", place.all(), place, e))
}

/// What the note of a catalog says. A file of the same name on another machine is another catalog.
fn note_of(catalog: &str) -> String {
    if Path::new(catalog).is_absolute() {
        format!("{}:{catalog}", rustix::system::uname().nodename().to_string_lossy())
    } else {
        catalog.to_owned()
    }
}

/// An object under `packs/` as a pack; none for directories, and for other names: those are not
/// ours.
fn listed(object: &ObjectMeta) -> Option<ListedPack> {
    let folder = object.location.parts().rev().nth(1)?;
    let key = pack_of(folder.as_ref(), object.location.filename()?)?;
    let modified = Timestamp::from_millisecond(object.last_modified.timestamp_millis())
        .unwrap_or(Timestamp::MAX);
    Some(ListedPack { key, bytes: object.size, modified })
}

fn info_of(found: ObjectMeta) -> ObjectInfo {
    ObjectInfo { bytes: found.size, version: found.e_tag }
}

async fn part_of(found: GetResult) -> object_store::Result<ObjectPart> {
    let object = info_of(found.meta.clone());
    Ok(ObjectPart { bytes: found.bytes().await?.into(), object })
}

#[async_trait]
impl PackStore for S3Packs {
    fn place(&self) -> String {
        self.0.place.all()
    }

    fn place_of(&self, name: &ObjectName) -> String {
        self.0.place.object(&self.object(name))
    }

    async fn url_of(&self, name: &ObjectName, ttl: Duration) -> Result<String> {
        let object = self.object(name);
        let ttl = ttl.clamp(Duration::from_secs(1), LONGEST_URL);
        let url = self.0.store.signed_url(Method::GET, &object, ttl).await;
        url.map(String::from).map_err(|e| self.0.failed("signing a URL of", &object, e))
    }

    fn longest_url(&self) -> Option<Duration> {
        Some(LONGEST_URL)
    }

    async fn info(&self, name: &ObjectName) -> Result<Option<ObjectInfo>> {
        let object = self.object(name);
        match self.0.store.head(&object).await {
            Ok(found) => Ok(Some(info_of(found))),
            Err(e) if is_gone(&e) => Ok(None),
            Err(e) => Err(self.0.failed("looking for", &object, e)),
        }
    }

    async fn write(&self, name: &ObjectName, bytes: Bytes) -> Result<()> {
        self.upload(name, bytes).await
    }

    async fn write_new(&self, name: &ObjectName, bytes: &[u8]) -> Result<()> {
        // Not every server knows how to write only what is not there: of two who are the first, who
        // is last wins.
        self.upload(name, Bytes::copy_from_slice(bytes)).await
    }

    async fn remove(&self, name: &ObjectName) -> Result<()> {
        let object = self.object(name);
        match self.0.store.delete(&object).await {
            Ok(()) => Ok(()),
            Err(e) if is_gone(&e) => Ok(()),
            Err(e) => Err(self.0.failed("removing", &object, e)),
        }
    }

    async fn list(&self) -> Result<Vec<ListedPack>> {
        let packs = self.folder("packs");
        let objects = self.0.store.list(Some(&packs));
        let found =
            objects.try_filter_map(|object| std::future::ready(Ok(listed(&object)))).try_collect();
        found.await.map_err(|e| self.0.failed("listing", &packs, e))
    }

    async fn notes(&self) -> Result<Vec<ObjectName>> {
        let folder = self.folder("catalogs");
        let found = self.0.store.list(Some(&folder)).map_ok(|note| note.location);
        let found: Vec<Key> =
            found.try_collect().await.map_err(|e| self.0.failed("listing", &folder, e))?;
        let ours = |note: &Key| {
            let mut rest = note.prefix_match(&folder)?;
            let name = rest.next()?;
            rest.next().is_none().then(|| ObjectName::note_of(name.as_ref()))?
        };
        Ok(found.iter().filter_map(ours).collect())
    }

    fn note_of(&self, catalog: &str) -> String {
        note_of(catalog)
    }
}

#[async_trait]
impl RemotePackStore for S3Packs {
    async fn get(
        &self,
        name: &ObjectName,
        range: Range<u64>,
        version: Option<&str>,
    ) -> Result<Option<ObjectPart>> {
        let object = self.object(name);
        let start = range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: version.map(str::to_owned),
            ..GetOptions::default()
        };
        let got = async { part_of(self.0.store.get_opts(&object, options).await?).await };
        match got.await {
            Ok(part) => Ok(Some(part)),
            Err(e) if version.is_none() && is_gone(&e) => Ok(None),
            // Beyond the end there are no bytes.
            Err(e) if is_out_of_range(&e) => match self.0.store.head(&object).await {
                Ok(found) if found.size <= start => {
                    Ok(Some(ObjectPart { bytes: Vec::new(), object: info_of(found) }))
                }
                _ => Err(self.0.failed("downloading", &object, e)),
            },
            Err(e) => Err(self.0.failed("downloading", &object, e)),
        }
    }

    async fn put(
        &self,
        staged: &StagedFile,
        name: &ObjectName,
        key: &MpackKey,
    ) -> Result<Option<String>> {
        self.0.upload(&self.object(name), Body::staged(staged, key)?).await
    }

    fn traffic(&self) -> Traffic {
        self.0.meter.read()
    }
}
