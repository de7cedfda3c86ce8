//! What may be the last good copy of something is not deleted, also where nobody knows yet that the
//! pack itself is missing or damaged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::{
    FetchRequest, MpackKey, PruneOptions, PushOptions, RepoName, S3Options, Storage, Store,
    StoreOptions, Visibility,
};
use packhouse_tests::store::{PREFIX, TestStore, options};

use super::damage::{
    HARMS, Harm, NOW, consolidated, file, key_of, known, packs, prune, repair, silent, verify,
};

/// A consolidated repo whose sources are deleted; with the one pack.
async fn pruned() -> (TestStore, MpackKey) {
    let (on, key) = consolidated().await;
    assert_eq!(prune(&on.store, NOW).await.packs_deleted, 3);
    (on, key)
}

/// The same store, when all URLs have expired and all files are old.
async fn years_later(on: &TestStore) -> Store {
    let clock = Arc::new(FixedClock::starting_at("2099-01-01T00:00:00Z".parse().unwrap()));
    StoreOptions { clock, ..options(&on.data()) }.open().await.unwrap()
}

/// An answer that is in no stored pack, with a URL that expires soon.
async fn answer(on: &TestStore) -> (MpackKey, PathBuf) {
    let head = on.heads().await.into_values().next().unwrap();
    let ttl = Duration::from_secs(1);
    let request = FetchRequest { want: vec![head], ttl, ..FetchRequest::default() };
    let answer = on.store.fetch(&on.repo, &request, &silent()).await.unwrap();
    assert!(!answer.reused);
    (answer.mpack_key.unwrap(), answer.mpack_url.strip_prefix("file://").unwrap().into())
}

#[tokio::test]
async fn prune_reads_what_a_repo_needs_before_it_deletes_an_expired_answer() {
    for harm in HARMS {
        let (on, key) = pruned().await;
        let (answer, path) = answer(&on).await;
        let (pack, later) = (file(&on.data(), &key), years_later(&on).await);
        let sound = std::fs::read(&pack).unwrap();
        harm.does(&pack);
        for dry_run in [true, false] {
            let report = prune(&later, PruneOptions { dry_run, ..NOW }).await;
            let kept: Vec<_> = report.kept.iter().map(|kept| kept.pack).collect();
            assert_eq!((report.answers_deleted, kept), (0, vec![answer]), "{harm:?}: {report:?}");
            let detail = &report.kept[0].detail;
            assert!(
                detail.contains(&key.to_string()) && detail.contains("--repair a/b"),
                "{harm:?}: {detail}"
            );
        }
        assert!(path.exists(), "{harm:?}");
        assert_eq!(known(&on).await, [(Some(key), "prune".to_owned())], "{harm:?}");
        std::fs::write(&pack, sound).unwrap();
        let report = prune(&later, NOW).await;
        assert_eq!((report.answers_deleted, report.packs_kept), (1, 0), "{harm:?}: {report:?}");
        assert!(!path.exists(), "{harm:?}");
        on.sound().await;
    }
}

/// Servers, workers and fetches look often: what they see without reading packs is enough for them.
#[tokio::test]
async fn an_expired_answer_stays_while_a_pack_is_missing_whoever_looks() {
    for harm in [Harm::Missing, Harm::Empty] {
        for by in ["expiry", "fetch"] {
            let (on, key) = pruned().await;
            let (_, path) = answer(&on).await;
            let later = years_later(&on).await;
            harm.does(&file(&on.data(), &key));
            match by {
                "fetch" => {
                    let fetched = later.fetch(&on.repo, &FetchRequest::default(), &silent()).await;
                    fetched.unwrap_err();
                }
                _ => assert_eq!(later.expire_all_answers().await.unwrap(), 0, "{harm:?}"),
            }
            assert!(path.exists(), "{harm:?} {by}");
            assert_eq!(known(&on).await, [(Some(key), by.to_owned())], "{harm:?}");
            assert_eq!(later.expire_all_answers().await.unwrap(), 0, "{harm:?} {by}");
            // Pushed again, it is no longer the last copy.
            on.push_each(&packs()).await;
            on.sound().await;
            assert_eq!(later.expire_all_answers().await.unwrap(), 1, "{harm:?} {by}");
            assert!(!path.exists(), "{harm:?} {by}");
        }
    }
}

#[tokio::test]
async fn prune_reads_what_repos_need_before_it_deletes_orphans() {
    for harm in HARMS {
        let (on, key) = pruned().await;
        // A pack that the catalog knows: else it would look like the wrong catalog.
        let other: RepoName = "c/d".parse().unwrap();
        on.store.create_repo(&other, Visibility::Public).await.unwrap();
        let file_of_other = on.file(&history(&HistoryOptions { seed: 9, ..Default::default() })[0]);
        let options = PushOptions::default();
        on.store.push(&other, &[file_of_other], options, &silent()).await.unwrap();
        let orphans: Vec<_> = packs().iter().map(|pack| file(&on.data(), &key_of(pack))).collect();
        for (orphan, pack) in orphans.iter().zip(packs()) {
            std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
            std::fs::write(orphan, pack).unwrap();
        }
        let (pack, later) = (file(&on.data(), &key), years_later(&on).await);
        let sound = std::fs::read(&pack).unwrap();
        harm.does(&pack);
        let all = PruneOptions { orphans: true, newer: true, ..NOW };
        for dry_run in [true, false] {
            let report = prune(&later, PruneOptions { dry_run, ..all }).await;
            assert_eq!(
                (report.orphans, report.orphans_deleted, report.packs_kept),
                (3, 0, 3),
                "{harm:?}: {report:?}"
            );
            assert!(report.kept[0].detail.contains(&key.to_string()), "{harm:?}: {report:?}");
        }
        assert!(orphans.iter().all(|orphan| orphan.exists()), "{harm:?}");
        assert_eq!(known(&on).await, [(Some(key), "prune".to_owned())], "{harm:?}");
        std::fs::write(&pack, sound).unwrap();
        assert_eq!(prune(&later, all).await.orphans_deleted, 3, "{harm:?}");
        on.sound().await;
    }
}

/// The copies in a spool, by the digits of their keys.
fn copies(spool: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(spool.join("packs")).unwrap();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().file_name().to_str().unwrap()[..64].to_owned()).collect()
}

#[tokio::test]
async fn on_s3_no_copy_is_evicted_whose_pack_is_missing_or_damaged_in_the_bucket() {
    for harm in HARMS {
        let on = TestStore::on_s3().await;
        on.push_each(&packs()).await;
        let key = on.gc().await.unwrap().consolidated_key.unwrap();
        assert_eq!(prune(&on.store, NOW).await.packs_deleted, 3);
        let server = on.server.as_ref().unwrap();
        harm.does(&file(&server.file(PREFIX), &key));
        // What keeps its size is found by reading it: then it is known.
        if harm == Harm::Flipped {
            assert!(!verify(&on).await.ok);
        }
        let spool = on.data().join("spool");
        assert_eq!(copies(&spool), [key.hex()]);
        // Another process deleted that pack, or it was an answer: the catalog knows nothing of it.
        let unknown = MpackKey::new([7; 32]);
        std::fs::create_dir_all(spool.join("packs/07")).unwrap();
        std::fs::write(spool.join(format!("packs/07/{}.{:016}", unknown.hex(), 0)), b"x").unwrap();

        let other: RepoName = "c/d".parse().unwrap();
        on.store.create_repo(&other, Visibility::Public).await.unwrap();
        let theirs = history(&HistoryOptions {
            seed: 99,
            pushes: 2,
            heads: HeadStyle::OwnBranch,
            ..HistoryOptions::default()
        });
        let budget = theirs.iter().map(Vec::len).max().unwrap() as u64;
        let bucket = S3Options { budget, ..server.options(PREFIX, &spool) };
        let bounded = StoreOptions { packs: Storage::S3(bucket), ..options(&on.data()) };
        let bounded = bounded.open().await.unwrap();
        for pack in &theirs {
            let files = [on.file(pack)];
            bounded.push(&other, &files, PushOptions::default(), &silent()).await.unwrap();
        }
        let mut left = copies(&spool);
        left.sort();
        let mut expected = vec![key.hex(), key_of(&theirs[1]).hex()];
        expected.sort();
        assert_eq!(left, expected, "{harm:?}: those that the bucket has made room");
        let report = repair(&on).await;
        assert!(report.ok, "{harm:?}: {:?}", report.problems);
        assert_eq!(report.repaired.unwrap()[0].pack, Some(key));
        // Now that the bucket has it, it makes room as well: in a spool for one small pack.
        let small = packs().remove(0);
        let bucket = S3Options { budget: small.len() as u64, ..server.options(PREFIX, &spool) };
        let tight = StoreOptions { packs: Storage::S3(bucket), ..options(&on.data()) };
        let tight = tight.open().await.unwrap();
        let files = [on.file(&small)];
        tight.push(&on.repo, &files, PushOptions::default(), &silent()).await.unwrap();
        assert_eq!(copies(&spool), [key_of(&small).hex()], "{harm:?}");
        on.sound().await;
    }
}
