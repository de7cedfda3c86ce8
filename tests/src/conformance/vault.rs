//! The laws of the vault port.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "these are tests")]

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use packhouse_host::vault::{PrefetchRequest, StagedFile, StoredPack, SweepResult, Vault};
use packhouse_host::{Error, MpackKey, RepoId};

const HOUR: Duration = Duration::from_secs(3600);

/// Follows a URL; `None` when it leads nowhere.
type Follow = Box<dyn Fn(String) -> Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>>;

/// A vault under test, which is empty.
pub struct Subject {
    /// The vault.
    pub vault: Vault,
    /// Follows its URLs.
    pub follow: Follow,
    names: AtomicU64,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.vault.fmt(f)
    }
}

impl Subject {
    /// A vault, and how its URLs are followed.
    pub fn new<F>(vault: Vault, follow: impl Fn(String) -> F + 'static) -> Subject
    where
        F: Future<Output = Option<Vec<u8>>> + 'static,
    {
        Subject {
            vault,
            follow: Box::new(move |url| Box::pin(follow(url))),
            names: AtomicU64::new(1),
        }
    }

    fn name(&self) -> [u8; 16] {
        u128::from(self.names.fetch_add(1, Ordering::SeqCst)).to_be_bytes()
    }

    /// A staged file with some bytes.
    pub fn staged(&self, bytes: &[u8]) -> StagedFile {
        let mut staged = self.vault.stage(self.name()).unwrap();
        staged.file.write_all(bytes).unwrap();
        staged
    }

    /// Stores a pack with its directory.
    pub async fn stored(&self, bytes: &[u8]) -> MpackKey {
        let key = key(bytes);
        self.vault.store(self.staged(bytes), &key).await.unwrap();
        self.vault.put_directory(&key, "directory").await.unwrap();
        key
    }
}

/// The key of some bytes.
pub fn key(bytes: &[u8]) -> MpackKey {
    crate::model::key(bytes).parse().unwrap()
}

/// Bytes that no other pack of a test has.
pub fn pack(n: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as u8).wrapping_mul(31) ^ (at >> 8) as u8 ^ n).collect()
}

/// The bytes of an open pack, which are as many as it says.
pub fn read(stored: &StoredPack) -> Vec<u8> {
    let mut bytes = vec![0; stored.bytes as usize];
    stored.file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(stored.file.read_at(&mut [0], stored.bytes).unwrap(), 0, "it ends where it says");
    bytes
}

fn file_of(url: &str) -> Option<Vec<u8>> {
    std::fs::read(Path::new(url.strip_prefix("file://")?)).ok()
}

/// What a URL of a local vault leads to.
pub async fn follow_file(url: String) -> Option<Vec<u8>> {
    file_of(&url)
}

/// While it is written it is invisible, and when it is dropped nothing is left.
pub async fn a_pack_is_visible_whole_or_not_at_all(on: &Subject) {
    let bytes = pack(1, 1000);
    let key = key(&bytes);
    let mut staged = on.staged(&bytes[..500]);
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert_eq!(on.vault.list().await.unwrap(), []);
    drop(on.staged(&bytes[..100]));
    assert_eq!(on.vault.sweep().unwrap(), SweepResult { removed: 0, in_use: 1 });
    staged.file.write_all(&bytes[500..]).unwrap();
    on.vault.store(staged, &key).await.unwrap();
    assert_eq!(read(&on.vault.open(&key).await.unwrap().unwrap()), bytes);
    assert_eq!(on.vault.sweep().unwrap(), SweepResult::default());
}

/// Also for the empty one, and for one of many parts.
pub async fn a_pack_of_any_size_comes_back_as_it_was(on: &Subject) {
    for (n, length) in [(1, 0), (2, 1), (3, (8 << 20) + 1), (4, (17 << 20) + 5)] {
        let bytes = pack(n, length);
        let key = on.stored(&bytes).await;
        assert!(
            read(&on.vault.open_uncached(&key).await.unwrap().unwrap()) == bytes,
            "{length} bytes, anew"
        );
        assert!(read(&on.vault.open(&key).await.unwrap().unwrap()) == bytes, "{length} bytes");
        on.vault.forget_copy(&key).unwrap();
        assert!(
            read(&on.vault.open(&key).await.unwrap().unwrap()) == bytes,
            "{length} bytes, without a copy"
        );
        assert!(
            read(&on.vault.open_cached(&key).await.unwrap().unwrap()) == bytes,
            "{length} bytes, near"
        );
    }
}

/// A push of the same bytes.
pub async fn storing_a_pack_again_changes_nothing(on: &Subject) {
    let bytes = pack(1, 3000);
    let key = on.stored(&bytes).await;
    let reader = on.vault.open(&key).await.unwrap().unwrap();
    assert_eq!(on.stored(&bytes).await, key);
    assert_eq!(read(&reader), bytes);
    assert_eq!(read(&on.vault.open(&key).await.unwrap().unwrap()), bytes);
    assert_eq!(on.vault.list().await.unwrap().len(), 1);
}

/// `None`, not an error; and removing it is no error either.
pub async fn what_is_missing_is_none(on: &Subject) {
    let (key, repo) = (key(b"nothing"), RepoId("r".into()));
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert!(on.vault.open_uncached(&key).await.unwrap().is_none());
    assert!(on.vault.open_cached(&key).await.unwrap().is_none());
    assert!(on.vault.directory(&key).await.unwrap().is_none());
    let one_byte = std::slice::from_ref(&(0..1));
    assert!(on.vault.read_spans(&key, one_byte).await.unwrap().is_none());
    assert!(on.vault.read_directory(&key, one_byte).await.unwrap().is_none());
    assert!(on.vault.open_answer(&repo, &key).await.unwrap().is_none());
    assert!(!on.vault.forget_copy(&key).unwrap());
    let wanted = PrefetchRequest { key, bytes: 100 << 20, parts: Some(vec![0..1, 50..60]) };
    let whole = PrefetchRequest { parts: None, ..wanted.clone() };
    assert!(on.vault.prefetch(&[wanted, whole]).await.unwrap().is_empty());
    on.vault.remove(&key).await.unwrap();
    on.vault.remove_answer(&repo, &key).await.unwrap();
}

/// The one that was written last, until the pack is removed.
pub async fn a_directory_lies_beside_its_pack(on: &Subject) {
    let bytes = pack(1, 100);
    let key = key(&bytes);
    on.vault.store(on.staged(&bytes), &key).await.unwrap();
    assert!(on.vault.directory(&key).await.unwrap().is_none());
    for directory in [pack(2, 50), pack(3, 9 << 20)] {
        on.vault.put_directory(&key, directory.clone()).await.unwrap();
        assert!(on.vault.directory(&key).await.unwrap().unwrap() == directory);
    }
    on.vault.remove(&key).await.unwrap();
    assert!(on.vault.directory(&key).await.unwrap().is_none());
}

/// An answer to one repo is none to another (law 10), and not a pack.
pub async fn answers_are_kept_for_one_repo(on: &Subject) {
    let (bytes, ours, theirs) = (pack(1, 2000), RepoId("ours".into()), RepoId("theirs".into()));
    let key = key(&bytes);
    let url = on.vault.store_answer(on.staged(&bytes), &ours, &key, HOUR).await.unwrap();
    assert_eq!((on.follow)(url.clone()).await.unwrap(), bytes);
    assert_eq!(read(&on.vault.open_answer(&ours, &key).await.unwrap().unwrap()), bytes);
    assert!(on.vault.open_answer(&theirs, &key).await.unwrap().is_none());
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert_eq!(on.vault.list().await.unwrap(), []);
    on.vault.remove_answer(&theirs, &key).await.unwrap();
    assert!(on.vault.open_answer(&ours, &key).await.unwrap().is_some());
    on.vault.remove_answer(&ours, &key).await.unwrap();
    assert!(on.vault.open_answer(&ours, &key).await.unwrap().is_none());
    assert!((on.follow)(url).await.is_none());
}

/// And it can't be opened any more.
pub async fn whoever_reads_a_pack_that_is_removed_goes_on_reading(on: &Subject) {
    let bytes = pack(1, 100_000);
    let key = on.stored(&bytes).await;
    let reader = on.vault.open(&key).await.unwrap().unwrap();
    on.vault.remove(&key).await.unwrap();
    assert_eq!(read(&reader), bytes);
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert!(on.vault.open_uncached(&key).await.unwrap().is_none());
    assert_eq!(on.vault.list().await.unwrap(), []);
}

/// Each once, without directories and answers.
pub async fn a_listing_names_every_pack_with_its_size(on: &Subject) {
    let mut expected = Vec::new();
    for n in 0..5 {
        expected.push((on.stored(&pack(n, 100 + usize::from(n))).await, 100 + u64::from(n)));
    }
    on.vault
        .store_answer(on.staged(b"answer"), &RepoId("r".into()), &key(b"answer"), HOUR)
        .await
        .unwrap();
    let mut listed: Vec<_> =
        on.vault.list().await.unwrap().into_iter().map(|pack| (pack.key, pack.bytes)).collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

/// However often it comes.
pub async fn a_catalog_is_noted_once(on: &Subject) {
    assert_eq!(on.vault.register("postgres://h/one").await.unwrap().len(), 1);
    assert_eq!(on.vault.register("postgres://h/one").await.unwrap().len(), 1);
    let mut both = on.vault.register("postgres://h/two").await.unwrap();
    both.sort();
    assert_eq!(both, ["postgres://h/one", "postgres://h/two"]);
    assert_eq!(on.vault.register("postgres://h/one").await.unwrap().len(), 2);
}

/// And is among them whether it has been noted or not, first.
pub async fn asking_which_catalogs_there_are_notes_nothing(on: &Subject) {
    for _ in 0..2 {
        assert_eq!(on.vault.catalogs("postgres://h/one").await.unwrap(), ["postgres://h/one"]);
        assert_eq!(on.vault.catalogs("postgres://h/two").await.unwrap(), ["postgres://h/two"]);
    }
    on.vault.register("postgres://h/one").await.unwrap();
    assert_eq!(
        on.vault.catalogs("postgres://h/two").await.unwrap(),
        ["postgres://h/two", "postgres://h/one"]
    );
    assert_eq!(on.vault.catalogs("postgres://h/one").await.unwrap(), ["postgres://h/one"]);
}

/// The first one stays.
pub async fn a_vault_has_one_identity(on: &Subject) {
    assert_eq!(on.vault.identity().await.unwrap(), None);
    assert_eq!(on.vault.identify([7; 32]).await.unwrap(), [7; 32]);
    assert_eq!(on.vault.identify([8; 32]).await.unwrap(), [7; 32]);
    assert_eq!(on.vault.identity().await.unwrap(), Some([7; 32]));
    assert_eq!(
        (on.vault.list().await.unwrap(), on.vault.catalogs("c").await.unwrap()),
        (vec![], vec!["c".to_owned()])
    );
    assert_eq!(
        on.vault.sweep().unwrap(),
        SweepResult::default(),
        "and nothing is left of the making"
    );
}

/// And removes abandoned files.
pub async fn a_sweep_keeps_what_somebody_makes(on: &Subject) {
    let making = on.staged(b"half");
    let left = making.path().with_file_name("0123456789abcdef0123456789abcdef");
    std::fs::write(&left, b"left behind").unwrap();
    assert_eq!(on.vault.sweep().unwrap(), SweepResult { removed: 1, in_use: 1 });
    assert!(making.path().exists() && !left.exists());
    on.vault.store(making, &key(b"half")).await.unwrap();
    assert!(on.vault.open(&key(b"half")).await.unwrap().is_some());
}

/// With the URL alone.
pub async fn a_pack_can_be_got_by_its_url(on: &Subject) {
    let bytes = pack(7, 300_000);
    let key = on.stored(&bytes).await;
    let url = on.vault.url_of(&key, HOUR).await.unwrap();
    assert!((on.follow)(url).await.unwrap() == bytes);
}

/// Of what is really stored, of any size; nothing where nothing is.
pub async fn what_is_stored_is_measured_and_hashed(on: &Subject) {
    for (n, length) in [(1, 0), (2, 1), (3, (8 << 20) + 1), (4, (17 << 20) + 5)] {
        let key = on.stored(&pack(n, length)).await;
        assert_eq!(on.vault.size_of(&key).await.unwrap(), Some(length as u64));
        assert_eq!(on.vault.hash_uncached(&key).await.unwrap(), Some(key), "{length} bytes");
    }
    let missing = key(b"nothing");
    assert_eq!(
        (
            on.vault.size_of(&missing).await.unwrap(),
            on.vault.hash_uncached(&missing).await.unwrap()
        ),
        (None, None)
    );
    // A name is not trusted.
    let (bytes, other) = (pack(5, 3000), key(b"another"));
    if on.vault.store(on.staged(&bytes), &other).await.is_ok() {
        assert_eq!(on.vault.hash_uncached(&other).await.unwrap(), Some(key(&bytes)));
    }
}

/// In any order, near and far, repeated and empty; with a copy and without one; also a directory's.
pub async fn ranges_of_a_pack_are_what_the_pack_holds(on: &Subject) {
    let bytes = pack(3, (9 << 20) + 77);
    let end = bytes.len() as u64;
    let key = on.stored(&bytes).await;
    on.vault.put_directory(&key, bytes.clone()).await.unwrap();
    let mut many: Vec<_> = (0..3000).map(|n| (n * 2999 % end)..(n * 2999 % end + n % 50)).collect();
    many.extend([end - 1..end, 0..1, 5..5, 100..90_000, 200..300, 200..300, 0..end, end..end]);
    for has_copy in [true, false] {
        if !has_copy {
            on.vault.forget_copy(&key).unwrap();
        }
        for ranges in [&many[..], &many[7..8], &[]] {
            for read in [
                on.vault.read_spans(&key, ranges).await.unwrap().unwrap(),
                on.vault.read_directory(&key, ranges).await.unwrap().unwrap(),
            ] {
                assert_eq!(read.len(), ranges.len());
                for (range, read) in ranges.iter().zip(&read) {
                    let expected = &bytes[range.start as usize..range.end as usize];
                    assert!(read == expected, "{range:?}");
                }
            }
        }
    }
}

/// Whose kind says so; also where the range starts there.
pub async fn a_range_beyond_the_end_is_an_error(on: &Subject) {
    let key = on.stored(&pack(1, 1000)).await;
    on.vault.put_directory(&key, pack(2, 1000)).await.unwrap();
    for has_copy in [true, false] {
        if !has_copy {
            on.vault.forget_copy(&key).unwrap();
        }
        for beyond in [990..1001, 1000..1001, 5000..5001, 0..10 << 20, 7..1 << 60] {
            for error in [
                on.vault.read_spans(&key, &[3..4, beyond.clone()]).await.unwrap_err(),
                on.vault.read_directory(&key, &[3..4, beyond.clone()]).await.unwrap_err(),
            ] {
                let Error::Io { source, .. } = &error else { panic!("{beyond:?}: {error}") };
                assert_eq!(source.kind(), std::io::ErrorKind::UnexpectedEof, "{beyond:?}: {error}");
            }
        }
    }
}

/// A few small reads cost a few small requests.
pub async fn parts_are_read_without_the_rest(on: &Subject) {
    let bytes = pack(1, 9 << 20);
    let key = on.stored(&bytes).await;
    on.vault.put_directory(&key, bytes.clone()).await.unwrap();
    on.vault.forget_copy(&key).unwrap();
    let before = on.vault.traffic();
    let spans = [0..10, 20..30, 5 << 20..(5 << 20) + 100];
    on.vault.read_spans(&key, &spans).await.unwrap().unwrap();
    on.vault.read_directory(&key, &spans).await.unwrap().unwrap();
    let after = on.vault.traffic();
    let (requests, bytes) =
        (after.requests - before.requests, after.bytes_down - before.bytes_down);
    assert!(requests <= 4 && bytes <= 260, "{requests} requests, {bytes} bytes");
}

/// Many at once, whole and in parts; what is given as parts has those parts, and is as long as the
/// pack.
pub async fn packs_that_were_brought_near_read_the_same(on: &Subject) {
    let packs: Vec<Vec<u8>> =
        (0..20).map(|n| pack(n, if n == 3 { 6 << 20 } else { 40_000 })).collect();
    let mut wanted = Vec::new();
    for bytes in &packs {
        let key = on.stored(bytes).await;
        on.vault.forget_copy(&key).unwrap();
        let parts =
            (bytes.len() > 1 << 20).then(|| vec![10..500, 600..700, (5 << 20)..(5 << 20) + 9]);
        wanted.push(PrefetchRequest { key, bytes: bytes.len() as u64, parts });
    }
    for (n, stored) in on.vault.prefetch(&wanted).await.unwrap() {
        assert_eq!(stored.file.metadata().unwrap().len(), packs[n].len() as u64);
        for part in wanted[n].parts.as_ref().expect("only what may be got in parts is") {
            let mut found = vec![0; (part.end - part.start) as usize];
            stored.file.read_exact_at(&mut found, part.start).unwrap();
            assert_eq!(found, packs[n][part.start as usize..part.end as usize]);
        }
    }
    let sizes: Vec<_> =
        wanted.iter().filter(|w| w.parts.is_none()).map(|w| (w.key, w.bytes)).collect();
    assert_eq!(on.vault.download_estimate(&sizes).unwrap().to_download, 0, "they are near now");
    for (wanted, bytes) in wanted.iter().zip(&packs) {
        assert!(read(&on.vault.open_cached(&wanted.key).await.unwrap().unwrap()) == *bytes);
    }
}

/// A copy is made by one of them.
pub async fn many_open_one_pack_at_once(on: &Subject) {
    let bytes = pack(1, 2 << 20);
    let key = on.stored(&bytes).await;
    on.vault.forget_copy(&key).unwrap();
    let before = on.vault.traffic().bytes_down;
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let vault = on.vault.clone();
            tokio::spawn(async move { vault.open(&key).await })
        })
        .collect();
    for opened in opening {
        assert!(read(&opened.await.unwrap().unwrap().unwrap()) == bytes);
    }
    assert!(on.vault.traffic().bytes_down - before <= bytes.len() as u64, "it was downloaded once");
}

/// Runs every law on the vaults that an expression makes, each on a new one: in a module of that
/// name.
#[macro_export]
macro_rules! vault_conformance {
    ($name:ident, $make:expr) => {
        mod $name {
            $crate::vault_conformance! { @laws $make;
                a_pack_is_visible_whole_or_not_at_all
                a_pack_of_any_size_comes_back_as_it_was
                storing_a_pack_again_changes_nothing
                what_is_missing_is_none
                a_directory_lies_beside_its_pack
                answers_are_kept_for_one_repo
                whoever_reads_a_pack_that_is_removed_goes_on_reading
                a_listing_names_every_pack_with_its_size
                a_catalog_is_noted_once
                asking_which_catalogs_there_are_notes_nothing
                a_vault_has_one_identity
                a_sweep_keeps_what_somebody_makes
                a_pack_can_be_got_by_its_url
                what_is_stored_is_measured_and_hashed
                ranges_of_a_pack_are_what_the_pack_holds
                a_range_beyond_the_end_is_an_error
                parts_are_read_without_the_rest
                packs_that_were_brought_near_read_the_same
                many_open_one_pack_at_once
            }
        }
    };
    (@laws $make:expr; $($law:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $law() {
            // What else it takes lives as long as the test.
            let (subject, _held) = $make.await;
            $crate::conformance::vault::$law(&subject).await;
        })*
    };
}
