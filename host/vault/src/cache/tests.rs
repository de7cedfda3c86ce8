//! The cache over packs in memory: what it keeps, returns and requests.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

use super::{KnownPacks, PrefetchRequest};
use crate::memory::MemoryPacks;
use crate::objects::ObjectName;
use crate::packs::{PackStore, RemotePackStore, StoredPack};
use crate::staging::{StagedFile, Staging, StagingFolder, SweepResult};
use crate::vault::Vault;

/// A cache that holds so many bytes, over packs in memory.
struct Cached {
    vault: Vault,
    packs: Arc<MemoryPacks>,
    _spool: TempDir,
}

impl Cached {
    fn of(budget: u64) -> Cached {
        let (packs, spool) = (Arc::new(MemoryPacks::default()), tempfile::tempdir().unwrap());
        let staging = Arc::new(StagingFolder::of(spool.path()));
        Cached { vault: Vault::cached(packs.clone(), staging, budget), packs, _spool: spool }
    }

    async fn store(&self, bytes: &[u8]) -> MpackKey {
        let key = key_of(bytes);
        let mut staged = self.vault.stage(key.digest()[..16].try_into().unwrap()).unwrap();
        staged.file.write_all(bytes).unwrap();
        self.vault.store(staged, &key).await.unwrap();
        key
    }

    /// Puts a pack there without a copy.
    fn put(&self, bytes: &[u8]) -> MpackKey {
        let key = key_of(bytes);
        self.packs.put_bytes(&ObjectName::Pack(key), bytes);
        key
    }

    fn has_copy(&self, key: &MpackKey) -> bool {
        self.vault.download_estimate(&[(*key, 1)]).unwrap().to_download == 0
    }

    /// The copy of a pack was last used then.
    async fn used_at(&self, key: &MpackKey, seconds: u64) {
        let path = self.vault.open_cached(key).await.unwrap().unwrap().path;
        let copy = std::fs::File::options().write(true).open(path).unwrap();
        copy.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
}

/// A catalog that answers the same for all packs.
#[derive(Clone, Copy, Debug)]
struct Catalog {
    knows: bool,
    damaged: Option<MpackKey>,
    answers: bool,
}

const KNOWS_ALL: Catalog = Catalog { knows: true, damaged: None, answers: true };

#[async_trait]
impl KnownPacks for Catalog {
    async fn knows(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        if self.answers { Ok(vec![self.knows; keys.len()]) } else { Err(Error::Cancelled) }
    }

    async fn damaged(&self) -> Result<Vec<MpackKey>> {
        Ok(self.damaged.into_iter().collect())
    }
}

fn key_of(bytes: &[u8]) -> MpackKey {
    MpackKey::new(digest(&SHA256, bytes).as_ref().try_into().unwrap())
}

fn pack(n: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ n).collect()
}

fn read(stored: Option<StoredPack>) -> Option<Vec<u8>> {
    let stored = stored?;
    let mut bytes = vec![0; stored.bytes as usize];
    stored.file.read_exact_at(&mut bytes, 0).unwrap();
    Some(bytes)
}

fn requests(cached: &Cached) -> u64 {
    cached.packs.traffic().requests
}

/// What happens to a pack of which there is a copy.
enum Harm {
    Nothing,
    Missing,
    Written(Vec<u8>),
}

/// The table of `evict.rs`, a row each: what happened to an old copy when another needs the room.
#[tokio::test]
async fn a_copy_is_evicted_only_where_it_can_not_be_the_last_good_one() {
    let (old, new) = (pack(1, 600), pack(2, 600));
    let (key, name) = (key_of(&old), ObjectName::Pack(key_of(&old)));
    let unknown = Catalog { knows: false, ..KNOWS_ALL };
    let damaged = Catalog { damaged: Some(key), ..KNOWS_ALL };
    let silent = Catalog { answers: false, ..KNOWS_ALL };
    for (row, catalog, harm, goes) in [
        ("not known", Some(unknown), Harm::Missing, true),
        ("known as damaged", Some(damaged), Harm::Nothing, false),
        ("stored", Some(KNOWS_ALL), Harm::Nothing, true),
        ("stored again", Some(KNOWS_ALL), Harm::Written(old.clone()), true),
        ("missing", Some(KNOWS_ALL), Harm::Missing, false),
        ("another object", Some(KNOWS_ALL), Harm::Written(pack(9, 600)), false),
        ("an object of another size", Some(KNOWS_ALL), Harm::Written(pack(1, 599)), false),
        ("the catalog does not answer", Some(silent), Harm::Nothing, false),
        ("without a catalog, stored", None, Harm::Nothing, true),
        ("without a catalog, missing", None, Harm::Missing, false),
    ] {
        let on = Cached::of(1000);
        if let Some(catalog) = catalog {
            on.vault.consult(Arc::new(catalog));
        }
        on.store(&old).await;
        match harm {
            Harm::Nothing => {}
            Harm::Missing => on.packs.remove(&name).await.unwrap(),
            Harm::Written(bytes) => drop(on.packs.put_bytes(&name, &bytes)),
        }
        let newest = on.store(&new).await;
        assert_eq!((on.has_copy(&key), on.has_copy(&newest)), (!goes, true), "{row}");
    }
}

#[tokio::test]
async fn the_least_recently_used_copy_goes_first_and_open_readers_go_on() {
    let on = Cached::of(1000);
    let packs: Vec<Vec<u8>> = (1..=4).map(|n| pack(n, 400)).collect();
    let (one, two) = (on.store(&packs[0]).await, on.store(&packs[1]).await);
    on.used_at(&one, 1).await;
    on.used_at(&two, 2).await;
    let reader = on.vault.open(&two).await.unwrap();
    on.used_at(&one, 3).await;
    on.used_at(&two, 2).await;
    let three = on.store(&packs[2]).await;
    assert_eq!([&one, &two, &three].map(|key| on.has_copy(key)), [true, false, true]);
    assert_eq!(read(reader).unwrap(), packs[1]);
    assert_eq!(read(on.vault.open(&two).await.unwrap()).unwrap(), packs[1], "downloaded again");
}

#[tokio::test]
async fn a_copy_of_a_removed_pack_is_returned_to_runs_only_and_stays() {
    let on = Cached::of(1 << 20);
    let bytes = pack(1, 5000);
    let key = on.store(&bytes).await;
    on.packs.remove(&ObjectName::Pack(key)).await.unwrap();
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert!(on.vault.open_uncached(&key).await.unwrap().is_none());
    assert_eq!(on.vault.size_of(&key).await.unwrap(), None);
    assert_eq!(on.vault.hash_uncached(&key).await.unwrap(), None);
    assert!(!on.vault.forget_damaged_copy(&key).await.unwrap());
    let wanted = PrefetchRequest { key, bytes: 5000, parts: None };
    assert!(on.vault.prefetch(&[wanted]).await.unwrap().is_empty());
    assert_eq!(read(on.vault.open_cached(&key).await.unwrap()).unwrap(), bytes);
    // Removed by this vault, it is not needed any more.
    on.vault.remove(&key).await.unwrap();
    assert!(!on.has_copy(&key));
}

#[tokio::test]
async fn what_differs_from_its_key_is_returned_and_never_kept() {
    let on = Cached::of(1 << 20);
    let (bytes, other) = (pack(1, 5000), pack(2, 5000));
    let key = on.store(&bytes).await;
    on.packs.put_bytes(&ObjectName::Pack(key), &other);
    let before = requests(&on);
    assert_eq!(read(on.vault.open(&key).await.unwrap()).unwrap(), other);
    assert_eq!(requests(&on) - before, 3, "one look, and two downloads");
    assert_eq!(read(on.vault.open_cached(&key).await.unwrap()).unwrap(), bytes, "the copy stays");
    on.vault.forget_copy(&key).unwrap();
    assert_eq!(read(on.vault.open(&key).await.unwrap()).unwrap(), other);
    assert!(!on.has_copy(&key));
    assert_eq!(on.vault.sweep().unwrap(), SweepResult::default(), "nothing is left of it");
}

#[tokio::test]
async fn a_damaged_copy_is_forgotten_and_an_intact_one_is_not() {
    let on = Cached::of(1 << 20);
    let (intact, damaged) = (on.store(&pack(1, 500)).await, on.store(&pack(2, 500)).await);
    let path = on.vault.open_cached(&damaged).await.unwrap().unwrap().path;
    std::fs::write(path, b"a failing disk").unwrap();
    assert!(on.vault.forget_damaged_copy(&damaged).await.unwrap());
    assert!(!on.vault.forget_damaged_copy(&intact).await.unwrap());
    assert_eq!(read(on.vault.open_cached(&damaged).await.unwrap()).unwrap(), pack(2, 500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_is_downloaded_once_however_many_open_it() {
    let on = Cached::of(1 << 20);
    let bytes = pack(1, 50_000);
    let key = on.put(&bytes);
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let vault = on.vault.clone();
            tokio::spawn(async move { vault.open(&key).await })
        })
        .collect();
    for opened in opening {
        assert_eq!(read(opened.await.unwrap().unwrap()).unwrap(), bytes);
    }
    assert_eq!(on.packs.traffic().bytes_down, bytes.len() as u64);
}

#[tokio::test]
async fn little_of_a_large_pack_is_downloaded_in_parts_and_not_kept() {
    let on = Cached::of(1 << 30);
    let bytes = pack(1, 20 << 20);
    let key = on.put(&bytes);
    let before = on.packs.traffic();
    let parts = vec![0..1000, 2000..3000, (15 << 20)..(15 << 20) + 10];
    let wanted = PrefetchRequest { key, bytes: bytes.len() as u64, parts: Some(parts.clone()) };
    let partly = on.vault.prefetch(&[wanted]).await.unwrap();
    let after = on.packs.traffic();
    assert_eq!(
        (after.requests - before.requests, after.bytes_down - before.bytes_down),
        (3, 3010),
        "one look, and neighbours in one request"
    );
    let [(0, stored)] = &partly[..] else { panic!("{partly:?}") };
    assert_eq!(stored.file.metadata().unwrap().len(), bytes.len() as u64);
    for part in parts {
        let mut found = vec![0; (part.end - part.start) as usize];
        stored.file.read_exact_at(&mut found, part.start).unwrap();
        assert_eq!(found, bytes[part.start as usize..part.end as usize]);
    }
    assert!(!on.has_copy(&key));
}

#[tokio::test]
async fn whole_packs_are_prefetched_as_far_as_the_spool_holds_them_together() {
    let on = Cached::of(1000);
    let keys: Vec<MpackKey> = (1..=3).map(|n| on.put(&pack(n, 400))).collect();
    let wanted: Vec<_> =
        keys.iter().map(|key| PrefetchRequest { key: *key, bytes: 400, parts: None }).collect();
    assert!(on.vault.prefetch(&wanted).await.unwrap().is_empty());
    let copies: Vec<bool> = keys.iter().map(|key| on.has_copy(key)).collect();
    assert_eq!(copies, [true, true, false]);
    let before = requests(&on);
    on.vault.open_cached(&keys[0]).await.unwrap();
    assert_eq!(requests(&on), before, "a copy is opened without a request");
}

#[tokio::test]
async fn a_pack_that_is_larger_than_the_budget_is_read_and_not_kept() {
    let on = Cached::of(1000);
    let bytes = pack(1, 2000);
    let key = on.store(&bytes).await;
    assert!(!on.has_copy(&key));
    assert_eq!(read(on.vault.open(&key).await.unwrap()).unwrap(), bytes);
    let estimate = on.vault.download_estimate(&[(key, 2000)]).unwrap();
    assert_eq!((estimate.to_download, estimate.budget), (2000, 1000));
}

/// A disk on which so much is free.
#[derive(Debug)]
struct Full(StagingFolder, u64);

impl Staging for Full {
    fn folder(&self) -> &Path {
        self.0.folder()
    }
    fn stage(&self, name: [u8; 16]) -> Result<StagedFile> {
        self.0.stage(name)
    }
    fn stage_unnamed(&self) -> Result<StagedFile> {
        self.0.stage_unnamed()
    }
    fn sweep(&self) -> Result<SweepResult> {
        self.0.sweep()
    }
    fn free_bytes(&self) -> Result<u64> {
        Ok(self.1)
    }
}

#[tokio::test]
async fn nothing_is_written_to_a_disk_that_can_not_hold_it() {
    let (packs, spool) = (Arc::new(MemoryPacks::default()), tempfile::tempdir().unwrap());
    let bytes = pack(1, 20 << 20);
    let key = key_of(&bytes);
    packs.put_bytes(&ObjectName::Pack(key), &bytes);
    let staging = Arc::new(Full(StagingFolder::of(spool.path()), 1 << 20));
    let vault = Vault::cached(packs, staging, 1 << 30);
    let error = vault.open(&key).await.unwrap_err().to_string();
    let needed = format!("{} bytes needed, {} free", 20 << 20, 1 << 20);
    assert!(
        error.contains("not enough disk space for a copy") && error.contains(&needed),
        "{error}"
    );
    assert!(!spool.path().join("staging").exists() && !spool.path().join("packs").exists());
}
