//! Answers that are assembled and kept: how much of the disk they take, and for how long.

use packhouse_muse_client::{Id, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::history::long;

fn remote(served: &Served, token: Option<&str>) -> Remote {
    Remote::new(&served.remote("a/b"), token.map(str::to_owned)).unwrap()
}

fn token(store: &Packhouse) -> String {
    let made = store.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    made["token"].as_str().unwrap().to_owned()
}

/// Bytes of the files that are kept as answers, and how many there are.
fn kept(store: &Packhouse) -> (u64, usize) {
    // It is made with the first.
    let repos = std::fs::read_dir(store.data().join("answers")).into_iter().flatten();
    let files = repos.flat_map(|repo| std::fs::read_dir(repo.unwrap().path()).unwrap());
    let sizes: Vec<u64> = files.map(|file| file.unwrap().metadata().unwrap().len()).collect();
    (sizes.iter().sum(), sizes.len())
}

/// A history, and the ids of its commits, without the last.
async fn pushed(served: &Served, store: &Packhouse) -> (Local, Vec<Id>) {
    let local = long("ann", 12, 10);
    local.push(&remote(served, Some(&token(store))), "main", false).await.unwrap();
    let head = local.head("main").unwrap();
    let commits = local.commits().keys().filter(|commit| *commit != head).cloned().collect();
    (local, commits)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_for_strangers_are_bounded_and_those_with_tokens_have_more() {
    let store = Packhouse::with_repo();
    let served = Served::start(
        &store,
        "127.0.0.1:0",
        &["--workers", "0", "--answers", "2000000", "--answers-of-one", "1000000"],
    );
    let (_, commits) = pushed(&served, &store).await;
    let (stranger, bearer) = (remote(&served, None), token(&store));
    let bearer = remote(&served, Some(&bearer));
    let mut refused = None;
    for commit in &commits {
        match stranger.fetch_mpack(std::slice::from_ref(commit), &[], Some(600)).await {
            Ok(_) => {}
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.expect("at some point it is enough");
    assert_eq!(refused.status(), Some(429), "{refused}");
    assert!(refused.detail().unwrap().contains("fill your quota"), "{refused}");
    let (bytes, _) = kept(&store);
    assert!(bytes > 0 && bytes <= 250_000, "{bytes}");
    bearer.fetch_mpack(&commits[1..2], &[], Some(600)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_answer_is_kept_once_however_often_it_is_asked_for() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let (_, commits) = pushed(&served, &store).await;
    let stranger = remote(&served, None);
    let mut keys = Vec::new();
    for ttl in [600, 10, 1200, 600] {
        let answer = stranger.fetch_mpack(&commits[1..2], &[], Some(ttl)).await.unwrap();
        stranger.download_mpack(&answer).await.unwrap();
        keys.push(answer.key());
    }
    assert!(keys.windows(2).all(|pair| pair[0] == pair[1]), "{keys:?}");
    assert_eq!(kept(&store).1, 1);
    // A damaged one is assembled again.
    let file = store.data().join("answers");
    let file = std::fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    let file = std::fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let answer = stranger.fetch_mpack(&commits[1..2], &[], Some(600)).await.unwrap();
    stranger.download_mpack(&answer).await.unwrap();
}

/// Their URLs promise that they stay; a pull asks for no URL.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_is_answered_also_where_answers_with_urls_fill_the_quota() {
    let store = Packhouse::with_repo();
    // One answer there may be at once.
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--answers-of-one", "4"]);
    let (_, commits) = pushed(&served, &store).await;
    let clients = [remote(&served, None), remote(&served, Some(&token(&store)))];
    for (n, client) in clients.iter().enumerate() {
        let promised = client.fetch_mpack(&commits[n..=n], &[], Some(600)).await.unwrap();
        let (_, files) = kept(&store);
        // More than such packs may be sent at once.
        for commit in &commits {
            let pack = client.fetch(std::slice::from_ref(commit), &[]).await.unwrap();
            assert!(pack.commits.iter().any(|one| one.id == *commit), "{commit:?}");
        }
        assert_eq!(kept(&store).1, files, "none of them stays");
        let refused = client.fetch_mpack(&commits[5..6], &[], Some(600)).await.unwrap_err();
        assert_eq!(refused.status(), Some(429), "{refused}");
        client.download_mpack(&promised).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn room_on_the_disk_is_kept_for_pushes() {
    let store = Packhouse::with_repo();
    let all = (u64::MAX / 2).to_string();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--keep-free", &all]);
    let (_, commits) = pushed(&served, &store).await;
    let refused =
        remote(&served, None).fetch_mpack(&commits[1..2], &[], Some(600)).await.unwrap_err();
    assert_eq!(refused.status(), Some(503), "{refused}");
    assert!(refused.detail().unwrap().contains("--keep-free"), "{refused}");
    assert_eq!(kept(&store), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_there_takes_no_room() {
    let store = Packhouse::with_repo();
    // One answer there may be at once.
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--answers-of-one", "4"]);
    let (_, commits) = pushed(&served, &store).await;
    let stranger = remote(&served, None);
    let answers = store.data().join("answers");
    // It is made, and can't be stored.
    std::fs::write(&answers, "").unwrap();
    stranger.fetch_mpack(&commits[1..2], &[], Some(600)).await.unwrap_err();
    std::fs::remove_file(&answers).unwrap();
    stranger.fetch_mpack(&commits[2..3], &[], Some(600)).await.unwrap();
    let refused = stranger.fetch_mpack(&commits[3..4], &[], Some(600)).await.unwrap_err();
    assert_eq!(refused.status(), Some(429), "{refused}");
    // It was stored, and is lost: it is assembled again in its own space.
    let repo = std::fs::read_dir(&answers).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(repo).unwrap();
    let again = stranger.fetch_mpack(&commits[2..3], &[], Some(600)).await.unwrap();
    stranger.download_mpack(&again).await.unwrap();
    let refused = stranger.fetch_mpack(&commits[3..4], &[], Some(600)).await.unwrap_err();
    assert_eq!(refused.status(), Some(429), "{refused}");
}
