//! The vault in a bucket: S3, or a compatible server.
//!
//! ```text
//! PREFIX/packs/ab/abcd….mpack     a pack, by its key            SPOOL/packs/ab/abcd….ETAG   a copy of it
//! PREFIX/packs/ab/abcd….dir       its directory                 SPOOL/staging/…             being made or downloaded
//! PREFIX/answers/REPO/abcd….mpack an assembled answer
//! PREFIX/catalogs/abcd…           where a catalog is that has packs here
//! PREFIX/storage-id               which vault it is, for catalogs to know it by
//! ```
//!
//! A pack is written and verified in staging, on the local disk, and uploaded when its key is
//! known: in one request, or in parts that become an object when all are there. Packs are read from
//! copies (the spool), which are downloaded in parts and whose hash is compared with their key. See
//! `docs/decisions/0010-s3.md`.

mod client;
mod download;
mod evict;
mod failed;
mod parts;
mod prefetch;
mod probe;
mod spool;
mod upload;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectMeta;
use object_store::aws::AmazonS3;
use object_store::path::Path as Key;
use object_store::signer::{Method, Signer};
use object_store::{ObjectStore, ObjectStoreExt};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId};
use packhouse_vault::{
    DownloadEstimate, KnownPacks, ListedPack, PrefetchRequest, StagedFile, StorageContents,
    StoredPack, SweepResult, Traffic, Vault,
};
use tokio::sync::Semaphore;

use self::client::{BucketPath, RequestMeter, connect};
use self::failed::{failed, is_gone};
use self::parts::{PART, PERMIT, disk};
use self::spool::Spool;
use self::upload::Body;
use crate::objects::{IDENTITY, answer_key, identity_of, is_note, listed, note_key, pack_key};
use crate::staging::{Staging, free_bytes};

pub use self::client::{S3Checksum, S3Options};
pub use self::probe::StorageProbe;

/// The longest that S3 lets a URL be good.
const LONGEST_URL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Parts that are downloaded at once, of all packs together: that is what it takes of memory.
const AT_ONCE: u64 = 8;

/// A vault in a bucket.
#[derive(Debug)]
pub struct S3Vault {
    place: BucketPath,
    store: Arc<AmazonS3>,
    meter: Arc<RequestMeter>,
    spool: Spool,
    staging: Staging,
    folder: PathBuf,
    /// One for each [`PERMIT`] bytes that may be on their way.
    permits: Semaphore,
    /// Packs that are being downloaded: each by one task at a time.
    gates: Mutex<BTreeMap<MpackKey, Weak<tokio::sync::Mutex<()>>>>,
    /// What the catalog knows of packs.
    known_packs: OnceLock<Arc<dyn KnownPacks>>,
    /// Whether it was said that the spool is larger than its budget.
    exceeded: Once,
}

impl S3Vault {
    /// Opens a vault, and checks that the bucket exists and can be listed. The spool is created
    /// with its first file.
    ///
    /// # Errors
    /// [`Error::Usage`] for a malformed URL; [`Error::Storage`] when the bucket does not answer.
    pub async fn open(options: &S3Options) -> Result<S3Vault> {
        let (place, store, meter) = connect(options)?;
        answers(&place, &store).await?;
        let folder =
            std::path::absolute(&options.spool).map_err(Error::io("finding", &options.spool))?;
        let vault = S3Vault {
            place,
            store: Arc::new(store),
            meter,
            spool: Spool::of(&folder, options.budget),
            staging: Staging::of(&folder),
            folder,
            permits: Semaphore::new((AT_ONCE * PART / PERMIT) as usize),
            gates: Mutex::default(),
            known_packs: OnceLock::new(),
            exceeded: Once::new(),
        };
        Ok(vault)
    }

    /// Checks that the bucket exists and can be listed, and creates nothing; returns its location.
    ///
    /// # Errors
    /// As for [`S3Vault::open`].
    pub async fn ask(options: &S3Options) -> Result<String> {
        let (place, store, _) = connect(options)?;
        answers(&place, &store).await?;
        Ok(format!("{} ({})", place.all(), place.server()))
    }

    /// What is in the bucket, for a catalog that may not exist. Creates nothing.
    pub(crate) async fn inspect(options: &S3Options, catalog: &str) -> Result<StorageContents> {
        let (place, store, _) = connect(options)?;
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

    fn object(&self, key: &MpackKey, ending: &str) -> Key {
        self.place.within(&pack_key(key, ending))
    }

    fn answer(&self, repo: &RepoId, key: &MpackKey) -> Key {
        self.place.within(&answer_key(repo, key))
    }

    /// Translates an error about an object.
    fn failed(&self, doing: &'static str, object: &Key, error: object_store::Error) -> Error {
        failed(doing, self.place.object(object), &self.place, error)
    }

    /// Fails before something is downloaded that the disk can't hold.
    fn need_space(&self, bytes: u64) -> Result<()> {
        let free = free_bytes(&self.folder)?;
        if free >= bytes {
            return Ok(());
        }
        let source = std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            format!(
                "not enough disk space for a copy of a pack: {bytes} bytes needed, {free} free"
            ),
        );
        Err(Error::Io { doing: "writing to", path: self.folder.clone(), source })
    }

    /// What an object is, without its bytes; `None` when it is not there.
    async fn head(&self, object: &Key) -> Result<Option<ObjectMeta>> {
        match self.store.head(object).await {
            Ok(found) => Ok(Some(found)),
            Err(e) if is_gone(&e) => Ok(None),
            Err(e) => Err(self.failed("looking for", object, e)),
        }
    }

    /// The mutex of a pack that is being downloaded.
    fn gate(&self, key: &MpackKey) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gate) = gates.get(key).and_then(Weak::upgrade) {
            return gate;
        }
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = Arc::<tokio::sync::Mutex<()>>::default();
        gates.insert(*key, Arc::downgrade(&gate));
        gate
    }

    /// Opens an object that is a pack: a copy of its present version, or a new one. The copy of a
    /// deleted or rewritten object is not returned, and stays: it may be the last intact one.
    async fn open_object(&self, object: &Key, key: &MpackKey) -> Result<Option<StoredPack>> {
        if !self.spool.has(key)? {
            return self.cached(object, key, None).await;
        }
        let Some(now) = self.head(object).await? else { return Ok(None) };
        let copied = || self.spool.of_object(key, now.e_tag.as_deref(), now.size);
        if let Some(copy) = copied()? {
            return Ok(Some(copy));
        }
        let gate = self.gate(key);
        let _alone = gate.lock().await;
        match copied()? {
            Some(copy) => Ok(Some(copy)),
            None => self.download_again(object, key, None).await,
        }
    }

    /// Downloads a pack and keeps the copy, unless another task does so. A pack that does not match
    /// its key is returned and not kept.
    async fn cached(
        &self,
        object: &Key,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<StoredPack>> {
        let gate = self.gate(key);
        let _alone = gate.lock().await;
        match self.spool.any(key)? {
            Some(copy) => Ok(Some(copy)),
            None => self.download_again(object, key, expected).await,
        }
    }

    /// The same, whatever copies there are of what the object was before.
    async fn download_again(
        &self,
        object: &Key,
        key: &MpackKey,
        expected: Option<u64>,
    ) -> Result<Option<StoredPack>> {
        let Some((got, sound)) = self.download_pack(object, key, expected).await? else {
            return Ok(None);
        };
        if !sound {
            return got.unnamed(self.place.object(object).into()).map(Some);
        }
        let (bytes, path) = (got.bytes, got.staged.path().to_owned());
        let file = got.staged.file.try_clone().map_err(Error::io("opening", &path))?;
        let path = match self.spool.take(got.staged, key, got.etag.as_deref())? {
            None => path,
            Some(path) => {
                self.spool.forget_others(key, &path)?;
                self.evict(&path).await?;
                path
            }
        };
        Ok(Some(StoredPack { file, path, bytes }))
    }

    /// Uploads a staged pack and keeps it as a copy: it is what is read next.
    async fn put(&self, staged: StagedFile, object: &Key, key: &MpackKey) -> Result<()> {
        let etag = self.upload(object, Body::staged(&staged, key)?).await?;
        match self.spool.take(staged, key, etag.as_deref())? {
            Some(copy) => self.evict(&copy).await,
            None => Ok(()),
        }
    }

    async fn delete(&self, object: &Key) -> Result<()> {
        match self.store.delete(object).await {
            Ok(()) => Ok(()),
            Err(e) if is_gone(&e) => Ok(()),
            Err(e) => Err(self.failed("removing", object, e)),
        }
    }

    /// The notes of catalogs that have packs here. Other objects beside them are not ours.
    async fn notes(&self) -> Result<Vec<Key>> {
        let folder = self.place.within(&Key::from("catalogs"));
        let found =
            self.store.list(Some(&folder)).map_ok(|note| note.location).try_collect::<Vec<Key>>();
        let mut found = found.await.map_err(|e| self.failed("listing", &folder, e))?;
        found.retain(|note| {
            note.prefix_match(&folder).is_some_and(|mut rest| {
                rest.next().is_some_and(|name| is_note(name.as_ref())) && rest.next().is_none()
            })
        });
        Ok(found)
    }

    /// What the note of a catalog says, and after it what those of others do.
    async fn with_others(&self, mine: String, here: &Key, notes: &[Key]) -> Result<Vec<String>> {
        let mut places = vec![mine];
        for note in notes.iter().filter(|note| *note != here) {
            if let Some(text) = self.download_bytes(note).await? {
                places.push(String::from_utf8_lossy(&text).into_owned());
            }
        }
        Ok(places)
    }

    async fn sign(&self, object: &Key, ttl: Duration) -> Result<String> {
        let ttl = ttl.clamp(Duration::from_secs(1), LONGEST_URL);
        let url = self
            .store
            .signed_url(Method::GET, object, ttl)
            .await
            .map_err(|e| self.failed("signing a URL of", object, e))?;
        Ok(url.into())
    }
}

#[async_trait]
impl Vault for S3Vault {
    fn place(&self) -> String {
        self.place.all()
    }

    fn place_of(&self, key: &MpackKey) -> String {
        self.place.object(&self.object(key, "mpack"))
    }

    async fn url_of(&self, key: &MpackKey, ttl: Duration) -> Result<String> {
        self.sign(&self.object(key, "mpack"), ttl).await
    }

    fn longest_url(&self) -> Option<Duration> {
        Some(LONGEST_URL)
    }

    fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        self.staging.make(&hex::encode(name))
    }

    async fn store(&self, staged: StagedFile, key: &MpackKey) -> Result<()> {
        self.put(staged, &self.object(key, "mpack"), key).await
    }

    async fn open(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open_object(&self.object(key, "mpack"), key).await
    }

    async fn open_uncached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        let object = self.object(key, "mpack");
        let got = self.download_pack(&object, key, None).await?;
        got.map(|(got, _)| got.unnamed(self.place.object(&object).into())).transpose()
    }

    async fn size_of(&self, key: &MpackKey) -> Result<Option<u64>> {
        Ok(self.head(&self.object(key, "mpack")).await?.map(|found| found.size))
    }

    async fn hash_uncached(&self, key: &MpackKey) -> Result<Option<MpackKey>> {
        self.hash_object(&self.object(key, "mpack")).await
    }

    async fn open_cached(&self, key: &MpackKey) -> Result<Option<StoredPack>> {
        match self.spool.any(key)? {
            Some(copy) => Ok(Some(copy)),
            None => self.cached(&self.object(key, "mpack"), key, None).await,
        }
    }

    fn consult(&self, known: Arc<dyn KnownPacks>) {
        // Of two catalogs the first counts: each has a vault of its own.
        let _ = self.known_packs.set(known);
    }

    async fn forget_copy(&self, key: &MpackKey) -> Result<bool> {
        self.spool.forget(key)
    }

    async fn forget_damaged_copy(&self, key: &MpackKey) -> Result<bool> {
        let (spool, key) = (self.spool.clone(), *key);
        disk(move || Ok(spool.forget_unsound(&key)))
            .await
            .map_err(Error::io("reading", &self.folder))?
    }

    async fn prefetch(&self, wanted: &[PrefetchRequest]) -> Result<Vec<(usize, StoredPack)>> {
        self.prefetch_all(wanted).await
    }

    fn download_estimate(&self, packs: &[(MpackKey, u64)]) -> Result<DownloadEstimate> {
        let mut to_download = 0;
        for (key, bytes) in packs {
            to_download += if self.spool.has(key)? { 0 } else { *bytes };
        }
        Ok(DownloadEstimate { to_download, budget: self.spool.budget() })
    }

    fn traffic(&self) -> Traffic {
        self.meter.read()
    }

    async fn put_directory(&self, key: &MpackKey, bytes: &[u8], _name: [u8; 16]) -> Result<()> {
        self.upload(&self.object(key, "dir"), Body::Bytes(bytes.into())).await.map(|_| ())
    }

    async fn directory(&self, key: &MpackKey) -> Result<Option<Vec<u8>>> {
        self.download_bytes(&self.object(key, "dir")).await
    }

    async fn store_answer(
        &self,
        staged: StagedFile,
        repo: &RepoId,
        key: &MpackKey,
        ttl: Duration,
    ) -> Result<String> {
        let object = self.answer(repo, key);
        self.put(staged, &object, key).await?;
        self.sign(&object, ttl).await
    }

    async fn url_of_answer(&self, repo: &RepoId, key: &MpackKey, ttl: Duration) -> Result<String> {
        self.sign(&self.answer(repo, key), ttl).await
    }

    async fn open_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<Option<StoredPack>> {
        self.open_object(&self.answer(repo, key), key).await
    }

    async fn remove_answer(&self, repo: &RepoId, key: &MpackKey) -> Result<()> {
        self.delete(&self.answer(repo, key)).await
    }

    async fn remove(&self, key: &MpackKey) -> Result<()> {
        // The directory first: a pack without one is whole, one without a pack is nothing.
        self.delete(&self.object(key, "dir")).await?;
        self.delete(&self.object(key, "mpack")).await?;
        self.spool.forget(key).map(|_| ())
    }

    async fn list(&self) -> Result<Vec<ListedPack>> {
        let packs = self.place.within(&Key::from("packs"));
        let objects = self.store.list(Some(&packs));
        let found =
            objects.try_filter_map(|object| std::future::ready(Ok(listed(&object)))).try_collect();
        found.await.map_err(|e| self.failed("listing", &packs, e))
    }

    async fn register(&self, catalog: &str) -> Result<Vec<String>> {
        let mine = note_of(catalog);
        let here = self.place.within(&note_key(&mine));
        let notes = self.notes().await?;
        if !notes.contains(&here) {
            self.upload(&here, Body::Bytes(mine.clone().into_bytes().into())).await?;
        }
        self.with_others(mine, &here, &notes).await
    }

    async fn catalogs(&self, catalog: &str) -> Result<Vec<String>> {
        let mine = note_of(catalog);
        let here = self.place.within(&note_key(&mine));
        self.with_others(mine, &here, &self.notes().await?).await
    }

    async fn identity(&self) -> Result<Option<[u8; 32]>> {
        let found = self.download_bytes(&self.place.within(&Key::from(IDENTITY))).await?;
        Ok(found.and_then(|text| identity_of(&text)))
    }

    async fn identify(&self, fresh: [u8; 32]) -> Result<[u8; 32]> {
        if let Some(there) = self.identity().await? {
            return Ok(there);
        }
        // Not every store knows how to write only what is not there: of two who are the first, who
        // is last wins.
        self.upload(
            &self.place.within(&Key::from(IDENTITY)),
            Body::Bytes(hex::encode(fresh).into_bytes().into()),
        )
        .await?;
        Ok(self.identity().await?.unwrap_or(fresh))
    }

    async fn sweep(&self) -> Result<SweepResult> {
        self.staging.sweep()
    }

    fn free_bytes(&self) -> Result<u64> {
        free_bytes(&self.folder)
    }
}

/// Whether the bucket answers, and may be listed.
async fn answers(place: &BucketPath, store: &AmazonS3) -> Result<()> {
    let answer = store.list(Some(&place.within(&Key::from("catalogs")))).next().await.transpose();
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
