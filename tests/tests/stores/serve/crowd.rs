//! Many clients on many repos, while all is consolidated again and again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::cases::line_of_commits;
use packhouse_tests::server::Served;
use ring::digest::{Context, SHA256};

use super::history::files;

/// A client that clones, commits and pushes, and starts again when another was faster. Returns how
/// often another was.
async fn pushes(url: String, name: String, commits: usize) -> usize {
    let remote = Remote::new(&url, None).unwrap();
    let mut lost = 0;
    for n in 0..commits {
        let content = Bytes::from(format!("{name} {n}").repeat(50));
        loop {
            let mut local =
                Local::clone_from(&remote, Fetching::Direct).await.unwrap().used_by(&name);
            let mut tree = if local.branches().contains_key("main") {
                local.checkout("main").unwrap()
            } else {
                files(&[])
            };
            tree.insert(format!("{name}/{n}"), content.clone());
            local.commit("main", tree, &format!("{name} {n}")).unwrap();
            match local.push(&remote, "main", false).await {
                Ok(_) => break,
                Err(error) => {
                    assert!(matches!(error.status(), Some(409 | 503)), "{error}");
                    lost += 1;
                }
            }
        }
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_push_to_sixteen_repos_while_all_is_consolidated_and_nothing_is_lost() {
    const CLIENTS: usize = 64;
    const REPOS: usize = 16;
    const COMMITS: usize = 2;
    let store = Arc::new(Packhouse::new());
    for repo in 0..REPOS {
        store.run(["repo", "create", &format!("a/r{repo}")]).ok();
    }
    store.run(["policy", "set", "--max-packs", "2"]).ok();
    // Two servers of one store: clients of one repo meet at both.
    let served = [0, 1]
        .map(|_| Served::trusting(&store, &["--workers", "1", "--policies", "1s", "--rate", "0"]));
    let clients = (0..CLIENTS).map(|n| {
        let url = served[n / REPOS % 2].remote(&format!("a/r{}", n % REPOS));
        tokio::spawn(pushes(url, format!("client{n}"), COMMITS))
    });
    let clients: Vec<_> = clients.collect();
    let ended = Arc::new(AtomicBool::new(false));
    let consolidating = {
        let (store, ended) = (store.clone(), ended.clone());
        std::thread::spawn(move || {
            let mut merged = 0;
            while !ended.load(Ordering::SeqCst) {
                // Another process, besides the server's own worker.
                for report in store.run(["gc", "--all"]).documents() {
                    merged += u64::from(report["skipped"] == false);
                }
            }
            merged
        })
    };
    let mut lost = 0;
    for client in clients {
        lost += client.await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    let merged = consolidating.join().unwrap();
    assert!(merged > 0, "nothing was consolidated meanwhile");
    for repo in 0..REPOS {
        let remote = Remote::new(&served[repo % 2].remote(&format!("a/r{repo}")), None).unwrap();
        let clone = Local::clone_from(&remote, Fetching::Mpack).await.unwrap();
        let tree = clone.checkout("main").unwrap();
        for client in (0..CLIENTS).filter(|n| n % REPOS == repo) {
            for n in 0..COMMITS {
                let content = Bytes::from(format!("client{client} {n}").repeat(50));
                assert_eq!(
                    tree.get(&format!("client{client}/{n}")),
                    Some(&content),
                    "of a/r{repo}"
                );
            }
        }
        assert_eq!(clone.commits().len(), CLIENTS / REPOS * COMMITS, "each commit is there once");
    }
    let verified = store.run(["verify"]).ok().documents();
    assert!(verified.len() == REPOS && verified.iter().all(|report| report["ok"] == true));
    println!(
        "{} pushes, {lost} begun anew, {merged} consolidations by another process",
        CLIENTS * COMMITS
    );
}

/// What a clone reads may be consolidated away under it, and the packs that it was to read deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_go_on_during_pushes_consolidations_and_deletions() {
    const PUSHES: usize = 24;
    let store = Arc::new(Packhouse::with_repo());
    let served = Served::trusting(&store, &["--workers", "0", "--rate", "0"]);
    let url = served.remote("a/b");
    let ended = Arc::new(AtomicBool::new(false));
    pushes(url.clone(), "first".into(), 1).await;
    let tidying = {
        let (store, ended) = (store.clone(), ended.clone());
        std::thread::spawn(move || {
            let (mut consolidated, mut deleted) = (0, 0);
            while !ended.load(Ordering::SeqCst) {
                consolidated += u64::from(store.run(["gc", "a/b"]).ok().json()["skipped"] == false);
                deleted += store.run(["prune", "--grace", "0s"]).ok().json()["packs_deleted"]
                    .as_u64()
                    .unwrap();
            }
            (consolidated, deleted)
        })
    };
    let cloning = [Fetching::Direct, Fetching::Mpack].map(|how| {
        let (url, ended) = (url.clone(), ended.clone());
        tokio::spawn(async move {
            let remote = Remote::new(&url, None).unwrap();
            let (mut clones, mut lost, mut commits) = (0, 0, 0);
            while !ended.load(Ordering::SeqCst) {
                match Local::clone_from(&remote, how).await {
                    Ok(clone) => {
                        // All of a commit or none of it, and never less than before.
                        clone.checkout("main").unwrap();
                        assert!(clone.commits().len() >= commits, "a clone lost commits");
                        (clones, commits) = (clones + 1, clone.commits().len());
                    }
                    // The URL of a pack that was deleted since, or of an answer whose packs were,
                    // and which is another one since a push: `--grace 0s` allows that, and the client
                    // asks again.
                    Err(error) => {
                        let is_other = error.to_string().contains("the bytes have the key");
                        assert!(
                            how == Fetching::Mpack && (is_other || error.status() == Some(404)),
                            "{how:?}: {error}"
                        );
                        lost += 1;
                    }
                }
            }
            (clones, lost)
        })
    });
    pushes(url.clone(), "second".into(), PUSHES).await;
    ended.store(true, Ordering::SeqCst);
    let (consolidated, deleted) = tidying.join().unwrap();
    for cloned in cloning {
        let (clones, lost) = cloned.await.unwrap();
        println!("{clones} clones, {lost} of URLs that were gone");
        assert!(clones > 0);
    }
    assert!(
        consolidated > 0 && deleted > 0,
        "{consolidated} consolidations, {deleted} packs deleted"
    );
    let whole =
        Local::clone_from(&Remote::new(&url, None).unwrap(), Fetching::Direct).await.unwrap();
    assert_eq!(whole.commits().len(), PUSHES + 1);
    store.run(["verify", "a/b"]).ok();
}

/// A clone of a repo with several packs is planned: once for all who clone it at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_clones_share_one_plan() {
    const CLONES: usize = 50;
    let store = Packhouse::with_repo().with_env("PACKHOUSE_LOG", "packhouse_store=debug");
    let (packs, commits) = line_of_commits(5_000, 3, |_, _| {});
    let files = packs.iter().enumerate().map(|(n, pack)| store.file(&n.to_string(), pack));
    let words: Vec<String> = ["push".into(), "a/b".into()].into_iter().chain(files).collect();
    store.run(words).ok();
    let served = Served::trusting(&store, &["--workers", "0", "--rate", "0"]);
    let head = packhouse_muse_client::Id::from(commits.last().unwrap().clone());
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let clones = (0..CLONES).map(|_| {
        let (remote, head) = (remote.clone(), head.clone());
        tokio::spawn(async move {
            let answer = remote.fetch_mpack(&[head], &[], Some(600)).await.unwrap();
            assert_eq!(answer.key(), None, "it is too large to be hashed before");
            let mut response = reqwest::get(answer.mpack_url.unwrap()).await.unwrap();
            let (mut sum, mut bytes) = (Context::new(&SHA256), 0);
            while let Some(chunk) = response.chunk().await.unwrap() {
                sum.update(&chunk);
                bytes += chunk.len();
            }
            (bytes, sum.finish().as_ref().to_vec())
        })
    });
    let clones: Vec<_> = clones.collect();
    let mut all = BTreeSet::new();
    for clone in clones {
        all.insert(clone.await.unwrap());
    }
    assert_eq!(all.len(), 1, "all get the same");
    let memory = served.peak_memory();
    assert!(memory < 300 << 20, "{} MiB", memory >> 20);
    let (_, log) = served.stop();
    let plans = log.lines().filter(|line| line.contains("the answer is proven")).count();
    assert_eq!(plans, 1, "{log}");
    assert!(all.first().unwrap().0 > 4 << 20, "it is a clone");
}
