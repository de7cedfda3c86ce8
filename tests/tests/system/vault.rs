//! One conformance suite over the vault: on memory, with and without a cache, on local files and on
//! S3; and what only S3 can get wrong.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use packhouse_host::vault::memory::MemoryPacks;
use packhouse_host::vault::s3::S3Packs;
use packhouse_host::vault::{PrefetchRequest, StagingFolder, SweepResult, Vault};
use packhouse_host::{Error, S3Options};
use packhouse_tests::conformance::vault::{Subject, follow_file, pack, read};
use packhouse_tests::s3::{S3Server, get};
use packhouse_tests::vault_conformance;
use tempfile::TempDir;

async fn memory() -> (Subject, ()) {
    let packs = Arc::new(MemoryPacks::default());
    let vault = Vault::in_memory(packs.clone()).unwrap();
    (Subject::new(vault, move |url| std::future::ready(packs.follow(&url))), ())
}

async fn cached() -> (Subject, TempDir) {
    let (packs, spool) = (Arc::new(MemoryPacks::default()), tempfile::tempdir().unwrap());
    let vault = Vault::cached(packs.clone(), Arc::new(StagingFolder::of(spool.path())), 1 << 30);
    (Subject::new(vault, move |url| std::future::ready(packs.follow(&url))), spool)
}

async fn local() -> (Subject, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Subject::new(Vault::local(folder.path()).unwrap(), follow_file), folder)
}

async fn subject(options: &S3Options) -> Subject {
    let vault = S3Packs::open(options).await.unwrap().into_vault(options).unwrap();
    Subject::new(vault, |url| async move { get(&url).await })
}

async fn s3() -> (Subject, (S3Server, TempDir)) {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    (subject(&server.options("some/prefix", spool.path())).await, (server, spool))
}

vault_conformance!(in_memory, super::memory());
vault_conformance!(in_memory_behind_a_cache, super::cached());
vault_conformance!(on_local_files, super::local());
vault_conformance!(on_s3, super::s3());

/// The object of a pack under the prefix `p`.
fn object(key: &packhouse_host::MpackKey) -> String {
    let hex = key.hex();
    format!("p/packs/{}/{hex}.mpack", &hex[..2])
}

/// Changes a byte of a file, in place.
fn spoil(file: &Path) {
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 7).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 7).unwrap();
}

async fn refused(options: &S3Options, words: &[&str]) {
    let error = S3Packs::open(options).await.unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "it does not say `{word}`: {text}");
    }
    let secret = options.settings.iter().find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY");
    assert!(secret.is_none_or(|(_, secret)| !text.contains(secret)), "{text}");
}

fn set(options: &mut S3Options, name: &str, value: &str) {
    options.settings.retain(|(known, _)| known != name);
    options.settings.push((name.to_owned(), value.to_owned()));
}

#[tokio::test]
async fn a_bucket_that_can_not_be_used_is_refused_with_the_reason_and_the_way_out() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let sound = server.options("p", spool.path());
    let endpoint = sound.settings[0].1.clone();

    let mut wrong = sound.clone();
    set(&mut wrong, "AWS_SECRET_ACCESS_KEY", "another-secret");
    refused(
        &wrong,
        &[
            "opening s3://packhouse-tests/p failed",
            &endpoint,
            "SignatureDoesNotMatch",
            "AWS_SECRET_ACCESS_KEY",
        ],
    )
    .await;
    set(&mut wrong, "AWS_ACCESS_KEY_ID", "nobody");
    refused(&wrong, &["NotSignedUp", "AWS_ACCESS_KEY_ID"]).await;

    let elsewhere = S3Options { url: "s3://no-such-bucket/p".into(), ..sound.clone() };
    refused(&elsewhere, &["s3://no-such-bucket/p", "NoSuchBucket", "Create the bucket"]).await;

    let mut nobody = S3Options { retry_timeout: Duration::from_secs(1), ..sound };
    set(&mut nobody, "AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    refused(&nobody, &["http://127.0.0.1:9", "Connection refused", "AWS_ENDPOINT_URL"]).await;
}

#[tokio::test]
async fn a_url_that_was_tampered_with_is_refused() {
    let (on, _held) = s3().await;
    let (one, other) = (on.stored(&pack(1, 500)).await, on.stored(&pack(2, 500)).await);
    let url = on.vault.url_of(&one, Duration::from_secs(60)).await.unwrap();
    assert_eq!(get(&url).await.unwrap(), pack(1, 500));
    assert!(get(&url.replace(&one.hex(), &other.hex())).await.is_none(), "another object");
    assert!(get(&url.replace("Expires=60", "Expires=6000")).await.is_none(), "another time");
    assert!(get(url.split_once('?').unwrap().0).await.is_none(), "no signature");
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again() {
    let server = S3Server::with_trouble(&[
        "refuse",
        "PutObject",
        "2",
        "refuse",
        "UploadPart",
        "2",
        "refuse",
        "GetObject",
        "2",
        "refuse",
        "HeadObject",
        "1",
        "refuse",
        "CreateMultipartUpload",
        "1",
        "refuse",
        "CompleteMultipartUpload",
        "1",
    ]);
    let spool = tempfile::tempdir().unwrap();
    let on = subject(&server.options("p", spool.path())).await;
    let bytes = pack(1, 17 << 20);
    let key = on.stored(&bytes).await;
    assert!(read(&on.vault.open_uncached(&key).await.unwrap().unwrap()) == bytes);
    assert_eq!(server.unfinished(), 0);
}

#[tokio::test]
async fn a_server_that_dies_within_an_upload_leaves_nothing_half_visible() {
    let (mut server, spool) =
        (S3Server::with_trouble(&["stop", "UploadPart", "2"]), tempfile::tempdir().unwrap());
    let options =
        S3Options { retry_timeout: Duration::from_secs(2), ..server.options("p", spool.path()) };
    let on = subject(&options).await;
    let bytes = pack(1, 40 << 20);
    let key = packhouse_tests::conformance::vault::key(&bytes);
    let error = on.vault.store(on.staged(&bytes), &key).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("uploading s3://packhouse-tests/p/packs/") && text.contains(&key.hex()),
        "{text}"
    );
    assert!(text.contains("try again"), "{text}");
    server.restart();
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert_eq!(on.vault.list().await.unwrap(), []);
    assert_eq!(
        on.vault.sweep().unwrap(),
        SweepResult::default(),
        "nothing is left on the local disk"
    );
    on.stored(&bytes).await;
    assert!(read(&on.vault.open_uncached(&key).await.unwrap().unwrap()) == bytes);
}

#[tokio::test]
async fn a_server_that_comes_back_soon_enough_is_not_noticed() {
    let (mut server, spool) =
        (S3Server::with_trouble(&["stop", "UploadPart", "3"]), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    let bytes = pack(1, 40 << 20);
    let (staged, key) = (on.staged(&bytes), packhouse_tests::conformance::vault::key(&bytes));
    let vault = on.vault.clone();
    let storing = tokio::spawn(async move { vault.store(staged, &key).await });
    tokio::task::spawn_blocking(move || {
        server.wait();
        server.restart();
        server
    })
    .await
    .map(|server| async move {
        storing.await.unwrap().unwrap();
        assert_eq!(server.unfinished(), 0);
        assert!(read(&on.vault.open_uncached(&key).await.unwrap().unwrap()) == bytes);
    })
    .unwrap()
    .await;
}

#[tokio::test]
async fn an_upload_that_is_given_up_leaves_no_parts() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    let bytes = pack(1, 40 << 20);
    // What is uploaded is not what the key says: that is found before the object is made.
    let error = on
        .vault
        .store(on.staged(&bytes), &packhouse_tests::conformance::vault::key(b"another"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("its hash is not"), "{error}");
    assert_eq!((server.unfinished(), server.objects("p/packs").len()), (0, 0));
}

#[tokio::test]
async fn what_differs_from_its_key_is_given_but_never_kept() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    let bytes = pack(1, 5000);
    let key = on.stored(&bytes).await;
    spoil(&server.file(&object(&key)));
    assert_eq!(
        read(&on.vault.open_cached(&key).await.unwrap().unwrap()),
        bytes,
        "the copy is sound"
    );
    assert!(
        read(&on.vault.open_uncached(&key).await.unwrap().unwrap()) != bytes,
        "and is not what is stored"
    );
    assert_ne!(on.vault.hash_uncached(&key).await.unwrap(), Some(key));
    assert!(!on.vault.forget_damaged_copy(&key).await.unwrap(), "it may be the last that is sound");
    assert!(on.vault.forget_copy(&key).unwrap());
    assert!(read(&on.vault.open(&key).await.unwrap().unwrap()) != bytes);
    assert!(!on.vault.forget_copy(&key).unwrap(), "no copy was kept");
    // Storing it again heals it.
    on.stored(&bytes).await;
    assert_eq!(read(&on.vault.open_uncached(&key).await.unwrap().unwrap()), bytes);
}

#[tokio::test]
async fn a_pack_that_is_gone_is_none_though_there_is_a_copy() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    let key = on.stored(&pack(1, 5000)).await;
    std::fs::remove_file(server.file(&object(&key))).unwrap();
    assert!(on.vault.open_cached(&key).await.unwrap().is_some(), "a run may read the copy");
    assert!(on.vault.open(&key).await.unwrap().is_none());
    assert!(
        on.vault.size_of(&key).await.unwrap().is_none()
            && on.vault.hash_uncached(&key).await.unwrap().is_none()
    );
    assert!(!on.vault.forget_damaged_copy(&key).await.unwrap());
    assert!(
        on.vault.open_cached(&key).await.unwrap().is_some(),
        "it stays when the pack is gone: it may be the last"
    );
}

#[tokio::test]
async fn two_vaults_share_a_spool_and_a_bounded_one_evicts() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let small = S3Options { budget: 10_000, ..server.options("p", spool.path()) };
    let (one, other) = (subject(&small).await, subject(&small).await);
    let packs: Vec<Vec<u8>> = (0..4).map(|n| pack(n, 4_000)).collect();
    let mut keys = Vec::new();
    for bytes in &packs {
        keys.push(one.stored(bytes).await);
    }
    let sizes: Vec<_> = keys.iter().map(|key| (*key, 4_000)).collect();
    assert_eq!(one.vault.download_estimate(&sizes).unwrap().to_download, 8_000, "two of four fit");
    let before = other.vault.traffic().bytes_down;
    assert_eq!(read(&other.vault.open(&keys[3]).await.unwrap().unwrap()), packs[3]);
    assert_eq!(
        other.vault.traffic().bytes_down,
        before,
        "the copy that the one made serves the other"
    );
    // An open reader goes on reading what is evicted.
    let reader = one.vault.open(&keys[3]).await.unwrap().unwrap();
    for key in &keys[..3] {
        other.vault.open(key).await.unwrap();
    }
    assert_eq!(other.vault.download_estimate(&sizes[3..]).unwrap().to_download, 4_000);
    assert_eq!(read(&reader), packs[3]);
    let large = one.stored(&pack(9, 20_000)).await;
    assert_eq!(
        read(&one.vault.open(&large).await.unwrap().unwrap()),
        pack(9, 20_000),
        "too large to be kept, and read all the same"
    );
}

#[tokio::test]
async fn little_of_a_large_pack_is_got_in_parts() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    let bytes = pack(1, 20 << 20);
    let key = on.stored(&bytes).await;
    on.vault.forget_copy(&key).unwrap();
    let before = on.vault.traffic();
    let parts = vec![0..1000, 2000..3000, (15 << 20)..(15 << 20) + 10];
    let partly = on
        .vault
        .prefetch(&[PrefetchRequest { key, bytes: bytes.len() as u64, parts: Some(parts) }])
        .await
        .unwrap();
    assert_eq!(partly.len(), 1);
    let after = on.vault.traffic();
    assert_eq!(
        (after.requests - before.requests, after.bytes_down - before.bytes_down),
        (3, 3010),
        "neighbours in one request"
    );
}

#[tokio::test]
async fn a_listing_goes_on_over_pages() {
    let (server, spool) = (S3Server::start(), tempfile::tempdir().unwrap());
    let on = subject(&server.options("p", spool.path())).await;
    on.stored(&pack(1, 10)).await;
    // A page holds a thousand. Written to the server's disk: it is listing that is tested.
    for n in 0..2500_u32 {
        let hex = packhouse_tests::model::key(&n.to_be_bytes())["sha256:".len()..].to_owned();
        let file = server.file(&format!("p/packs/{}/{hex}.mpack", &hex[..2]));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, b"x").unwrap();
    }
    std::fs::write(server.file("p/packs/stranger.txt"), b"x").unwrap();
    let before = on.vault.traffic().requests;
    assert_eq!(on.vault.list().await.unwrap().len(), 2501);
    assert!(on.vault.traffic().requests - before >= 3);
}
