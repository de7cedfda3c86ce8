//! push → clone → consolidate → clone → pull, byte for byte.

use bytes::Bytes;
use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::history::{files, long, rich};

pub(crate) async fn journey(store: &Packhouse, large: usize, ways: &[Fetching]) {
    let served = Served::trusting(store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut local = rich(large);

    let pushed = local.push(&remote, "feature/x", false).await.unwrap();
    assert!(pushed.answer.ok && pushed.presigned == 0, "{pushed:?}");
    let pushed = local.push(&remote, "main", false).await.unwrap();
    assert_eq!(pushed.answer.remote_head.as_ref(), Some(local.head("main").unwrap()));
    let show = store.show();
    assert!(show["packs"].as_u64().unwrap() >= 4, "each chunk and each push is a pack: {show}");
    assert_eq!(show["default_branch"], "feature/x", "the first branch ever pushed");
    assert_eq!((&show["commits"], &show["tags"]), (&4.into(), &2.into()));

    for how in ways {
        let clone = Local::clone_from(&remote, *how).await.unwrap();
        clone.same_history(&local).unwrap();
        assert_eq!(clone.checkout("main").unwrap(), local.checkout("main").unwrap());
    }
    let mut early = Local::clone_from(&remote, ways[0]).await.unwrap();

    let report = store.gc();
    assert_eq!((&report["packs_after"], &report["skipped"]), (&1.into(), &false.into()));
    for how in ways {
        Local::clone_from(&remote, *how).await.unwrap().same_history(&local).unwrap();
    }

    // Another client goes on; the one that cloned before the consolidation pulls the changes.
    let more = Bytes::from_static(b"more");
    local.commit("main", files(&[("more", &more)]), "more").unwrap();
    local.push(&remote, "main", false).await.unwrap();
    let pulled = early.pull(&remote, ways[0]).await.unwrap();
    assert_eq!((pulled.updated, pulled.diverged), (vec!["main".to_owned()], vec![]));
    early.same_history(&local).unwrap();

    // Once more, with nothing new.
    let again = local.push(&remote, "main", false).await.unwrap();
    assert!(again.answer.ok && again.missing == 0);
    let verified = store.run(["verify", "a/b"]).ok().json();
    assert_eq!(verified["ok"], true, "{verified}");
    // Law 9, whatever went through: bodies and answers are never whole in memory.
    let peak = served.peak_memory();
    assert!(peak < 160 << 20, "the server held {peak} bytes");
    let (code, log) = served.stop();
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_there_and_back_before_and_after_consolidation() {
    journey(&Packhouse::with_repo(), 300_000, &[Fetching::Direct, Fetching::Mpack]).await;
}

/// The client reads at most 64 MiB of an answer: what is larger comes by URL.
#[tokio::test(flavor = "multi_thread")]
async fn so_does_one_with_files_of_100_mb() {
    journey(&Packhouse::with_repo(), 100_000_000, &[Fetching::Mpack]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_off_goes_on_where_it_was() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let url = served.remote("a/b");
    let local = rich(3_000_000);
    local.push(&Remote::new(&url, None).unwrap(), "main", false).await.unwrap();
    let breaking = Remote::new(&url, None).unwrap().hanging_up_every(700_000);
    let clone = Local::clone_from(&breaking, Fetching::Mpack).await.unwrap();
    assert_eq!(clone.checkout("main").unwrap(), local.checkout("main").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_wire_brings_consolidates_to_the_same_key_as_the_same_records_in_files() {
    let (over_wire, by_file) = (Packhouse::with_repo(), Packhouse::with_repo());
    let served = Served::trusting(&over_wire, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = long("ann", 12, 40);
    let pushed = local.push(&remote, "main", false).await.unwrap();
    assert_eq!((pushed.missing, pushed.chunks), (480, 2), "{pushed:?}");
    let pack = remote.fetch_bytes(&[local.head("main").unwrap().clone()], &[]).await.unwrap();
    by_file.push([by_file.file("all.mpack", &pack)]).ok();
    by_file.push([by_file.file("again.mpack", &pack)]).ok();
    let keys: Vec<_> =
        [&over_wire, &by_file].iter().map(|store| store.gc()["consolidated_key"].clone()).collect();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_consolidate_after_pushes_without_anybody_asking() {
    let store = Packhouse::with_repo();
    store.run(["policy", "set", "--max-packs", "3"]).ok();
    let served = Served::trusting(&store, &["--policies", "1s"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut local = long("ann", 1, 3);
    for n in 0..4 {
        let content = Bytes::from(format!("{n}"));
        local.commit("main", files(&[("n", &content)]), "on").unwrap();
        local.push(&remote, "main", false).await.unwrap();
    }
    for _ in 0..300 {
        if store.show()["packs"] == 1 {
            let clone = Local::clone_from(&remote, Fetching::Direct).await.unwrap();
            return clone.same_history(&local).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing was consolidated: {}", store.show());
}
