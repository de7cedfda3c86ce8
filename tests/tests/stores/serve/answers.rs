//! Answers that are assembled while they are sent: nothing of them is kept on disk.

use std::collections::BTreeSet;

use packhouse_muse_client::{Files, Id, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use reqwest::header::{ACCEPT_RANGES, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use serde_json::{Value, json};

use super::history::{long, noise};

fn remote(served: &Served, token: Option<&str>) -> Remote {
    Remote::new(&served.remote("a/b"), token.map(str::to_owned)).unwrap()
}

fn token(store: &Packhouse) -> String {
    let made = store.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    made["token"].as_str().unwrap().to_owned()
}

/// A history, and the ids of its commits, without the last.
async fn pushed(served: &Served, store: &Packhouse) -> (Local, Vec<Id>) {
    let local = long("ann", 12, 10);
    local.push(&remote(served, Some(&token(store))), "main", false).await.unwrap();
    let head = local.head("main").unwrap();
    let commits = local.commits().keys().filter(|commit| *commit != head).cloned().collect();
    (local, commits)
}

/// What came: the status, the ETag, `Content-Range`, and the body.
type Came = (u16, String, Option<String>, Vec<u8>);

async fn get(url: &str, headers: &[(reqwest::header::HeaderName, &str)]) -> Came {
    let request = reqwest::Client::new().get(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(name, *value));
    let response = request.send().await.unwrap();
    let header = |name| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (status, etag) = (response.status().as_u16(), header(ETAG).unwrap_or_default());
    assert!(!response.status().is_success() || header(ACCEPT_RANGES).unwrap() == "bytes");
    let range = header(CONTENT_RANGE);
    (status, etag, range, response.bytes().await.unwrap().to_vec())
}

/// Files of the store, with their hashes: neither the catalog nor caches.
fn files(store: &Packhouse) -> Value {
    json!(store.picture().files)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_after_a_push_leaves_no_file() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let (mut local, _) = pushed(&served, &store).await;
    store.gc();
    let mut tree = local.checkout("main").unwrap();
    tree.insert("new".into(), noise(7, 5_000));
    local.commit("main", tree, "on top").unwrap();
    local.push(&remote(&served, Some(&token(&store))), "main", false).await.unwrap();
    let before = files(&store);
    let stranger = remote(&served, None);
    let heads = [local.head("main").unwrap().clone()];
    let pack = stranger.fetch(&heads, &[]).await.unwrap();
    assert_eq!(pack.commits.len(), 13);
    let answer = stranger.fetch_mpack(&heads, &[], Some(600)).await.unwrap();
    let url = answer.mpack_url.clone().unwrap();
    assert!(url.starts_with(&served.remote("a/b/fetch/")), "{url}");
    assert_eq!(stranger.download_mpack(&answer).await.unwrap().commits.len(), 13);
    assert_eq!(answer.key().map(|key| key.as_str().len()), Some(64), "a small one is hashed");
    assert_eq!(files(&store), before);
    // The same bytes, in both ways and in the store's own file.
    let bytes = stranger.fetch_bytes(&heads, &[]).await.unwrap();
    assert_eq!(stranger.download(&url).await.unwrap(), bytes);
    let (_, own) = store.fetch(&["--want", heads[0].as_str()]);
    assert_eq!(own, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_and_resume_are_those_of_a_stored_pack() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let (local, _) = pushed(&served, &store).await;
    let heads = [local.head("main").unwrap().clone()];
    let mut keys = BTreeSet::new();
    for assembled in [true, false] {
        if !assembled {
            store.gc();
        }
        let answer = remote(&served, None).fetch_mpack(&heads, &[], Some(600)).await.unwrap();
        keys.insert(answer.key().unwrap().as_str().to_owned());
        let url = answer.mpack_url.unwrap();
        assert_eq!(url.contains("/fetch/"), assembled, "{url}");
        let (status, etag, range, whole) = get(&url, &[]).await;
        assert_eq!((status, range), (200, None));
        let total = whole.len();
        for (asked, first, last) in [
            ("bytes=0-0".to_owned(), 0, 0),
            (format!("bytes={}-", total / 2), total / 2, total - 1),
            ("bytes=-10".to_owned(), total - 10, total - 1),
        ] {
            for resumes in [false, true] {
                let mut headers = vec![(RANGE, asked.as_str())];
                headers.extend(resumes.then_some((IF_RANGE, etag.as_str())));
                let (status, same, range, part) = get(&url, &headers).await;
                assert_eq!((status, &same), (206, &etag), "{asked}");
                assert_eq!(range.unwrap(), format!("bytes {first}-{last}/{total}"));
                assert!(part == whole[first..=last], "{asked}");
            }
        }
        let other = get(&url, &[(RANGE, "bytes=5-"), (IF_RANGE, "\"other\"")]).await;
        assert_eq!((other.0, &other.1), (200, &etag));
        assert!(other.3 == whole, "a range of other bytes is no range of these");
        let (status, _, range, _) = get(&url, &[(RANGE, &format!("bytes={total}-"))]).await;
        assert_eq!((status, range), (416, Some(format!("bytes */{total}"))));
    }
    assert_eq!(keys.len(), 1, "the same answer before and after: {keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_goes_on_after_a_push_and_after_gc() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let (mut local, commits) = pushed(&served, &store).await;
    let answer = remote(&served, None).fetch_mpack(&commits[3..4], &[], Some(600)).await.unwrap();
    let url = answer.mpack_url.unwrap();
    let (_, etag, _, whole) = get(&url, &[]).await;
    let rest = (RANGE, "bytes=100-");
    let goes_on = async |etag: &str, whole: &[u8], when: &str| {
        for headers in [vec![rest.clone(), (IF_RANGE, etag)], vec![rest.clone()]] {
            let (status, same, _, body) = get(&url, &headers).await;
            assert_eq!((status, same.as_str()), (206, etag), "{when}");
            assert!(body == whole[100..], "{when}");
        }
    };
    local.commit("main", Files::new(), "another head").unwrap();
    local.push(&remote(&served, Some(&token(&store))), "main", false).await.unwrap();
    goes_on(&etag, &whole, "after the push").await;
    store.gc();
    goes_on(&etag, &whole, "after gc").await;
    // It is planned again. A pack contains the branch heads, so the push has changed the answer: it
    // comes whole.
    store.run(["prune", "--grace", "0s"]).ok();
    assert_eq!(store.pack_files().len(), 1);
    for headers in [vec![rest.clone()], vec![rest.clone(), (IF_RANGE, etag.as_str())]] {
        let (status, other, range, body) = get(&url, &headers).await;
        assert_eq!((status, range), (200, None));
        assert!(other != etag && body != whole);
    }
    let (_, etag, _, whole) = get(&url, &[]).await;
    let resume = [rest.clone(), (IF_RANGE, etag.as_str())];
    // All servers plan the same.
    let (address, _) = (served.address(), served.kill());
    let _served = Served::start(&store, &address, &["--workers", "0"]);
    let (status, same, _, body) = get(&url, &resume).await;
    assert_eq!((status, &same), (206, &etag));
    assert!(body == whole[100..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_breaks_the_answer_and_is_remembered() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let mut local = Local::new("ann");
    let (small, large) = (noise(1, 1_000), noise(2, 3_000_000));
    let tree: Files = [("a".to_owned(), small), ("b".to_owned(), large.clone())].into();
    local.commit("main", tree.clone(), "one").unwrap();
    let pushing = remote(&served, Some(&token(&store)));
    local.push(&pushing, "main", false).await.unwrap();
    local.commit("main", Files::new(), "two").unwrap();
    local.push(&pushing, "main", false).await.unwrap();
    let stranger = remote(&served, None);
    let heads = [local.head("main").unwrap().clone()];
    let answer = stranger.fetch_mpack(&heads, &[], Some(600)).await.unwrap();
    let url = answer.mpack_url.unwrap();
    let whole = stranger.download(&url).await.unwrap();
    assert_eq!(store.show()["damaged"], json!([]));
    // The last byte of the large object.
    let found =
        |bytes: &[u8]| bytes.windows(64).position(|part| part == &large[large.len() - 64..]);
    let (file, at) = store
        .pack_files()
        .into_iter()
        .find_map(|file| Some((file.clone(), found(&std::fs::read(file).unwrap())? + 63)))
        .unwrap();
    let flip = || {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    };
    flip();
    let end = found(&whole).unwrap() + 63;
    let client = reqwest::Client::new();
    let mut response = client.get(&url).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200, "its beginning is sound");
    let mut came = Vec::new();
    let broke = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => came.extend_from_slice(&chunk),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke, "the client sees that {} of {} bytes came", came.len(), whole.len());
    assert!(came.len() <= end, "the end of the wrong record is never sent");
    assert!(came == whole[..came.len()], "what comes is right");
    let damaged = store.show()["damaged"].clone();
    assert_eq!(damaged.as_array().unwrap().len(), 1, "{damaged}");
    let object = packhouse_muse_client::object_id(&large);
    let detail = damaged[0]["detail"].as_str().unwrap();
    assert!(detail.contains(object.as_str()), "it names the object: {detail}");
    // Healed, it is sent again.
    flip();
    store.run(["verify", "a/b"]).ok();
    assert_eq!(store.show()["damaged"], json!([]));
    assert_eq!(stranger.download(&url).await.unwrap(), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_40_pulls_takes_no_disk() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let local = long("ann", 40, 3);
    local.push(&remote(&served, Some(&token(&store))), "main", false).await.unwrap();
    let before = files(&store);
    let stranger = remote(&served, None);
    let commits: Vec<Id> = local.commits().keys().cloned().collect();
    assert_eq!(commits.len(), 40);
    for commit in &commits {
        let want = std::slice::from_ref(commit);
        let answer = stranger.fetch_mpack(want, &[], Some(3600)).await.unwrap();
        let pack = stranger.download_mpack(&answer).await.unwrap();
        assert!(pack.commits.iter().any(|one| one.id == *commit));
        stranger.fetch(want, &[]).await.unwrap();
    }
    assert_eq!(files(&store), before);
}

/// Ids of commits that nobody has, too many for a URL.
fn many(seed: u64) -> Vec<Id> {
    (0..100).map(|n| packhouse_muse_client::object_id(&noise(seed * 1000 + n, 8))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_too_long_for_a_url_is_kept_and_good_at_every_server() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let other = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let (local, commits) = pushed(&served, &store).await;
    let want = [local.head("main").unwrap().clone()];
    let stranger = remote(&served, None);
    let mut have = many(1);
    have.push(commits[2].clone());
    let answer = stranger.fetch_mpack(&want, &have, Some(600)).await.unwrap();
    let url = answer.mpack_url.clone().unwrap();
    assert!(url.contains("?request=") && url.len() < 600, "{url}");
    let pack = stranger.download_mpack(&answer).await.unwrap();
    assert_eq!(pack, stranger.fetch(&want, &have).await.unwrap());
    let there = url.replace(served.url(), other.url());
    assert_eq!(get(&there, &[]).await.3, get(&url, &[]).await.3);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_strangers_are_bounded_and_those_with_tokens_have_more() {
    let store = Packhouse::with_repo();
    // A request of 100 ids takes 3 305 bytes; an address has a quarter of what a token has.
    let limits = ["--workers", "0", "--answers", "64000", "--answers-per-token", "16000"];
    let served = Served::start(&store, "127.0.0.1:0", &limits);
    let (_, commits) = pushed(&served, &store).await;
    let (stranger, token) = (remote(&served, None), token(&store));
    let bearer = remote(&served, Some(&token));
    let want = &commits[1..2];
    for (client, first, taken) in [(&stranger, 100, 1), (&bearer, 200, 4)] {
        for seed in first..first + taken {
            client.fetch_mpack(want, &many(seed), Some(600)).await.unwrap();
        }
        let another = many(first + 50);
        let refused = client.fetch_mpack(want, &another, Some(600)).await.unwrap_err();
        assert_eq!(refused.status(), Some(429), "{refused}");
        assert!(refused.detail().unwrap().contains("fill your quota"), "{refused}");
        // The same again takes no more, and neither does one that fits into a URL.
        client.fetch_mpack(want, &many(first), Some(600)).await.unwrap();
        client.fetch_mpack(want, &another[..20], Some(600)).await.unwrap();
        // A pull needs no URL.
        client.fetch(want, &another).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn room_on_the_disk_is_kept_for_pushes() {
    let store = Packhouse::with_repo();
    let all = (u64::MAX / 2).to_string();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--keep-free", &all]);
    let (_, commits) = pushed(&served, &store).await;
    let stranger = remote(&served, None);
    let refused = stranger.fetch_mpack(&commits[1..2], &many(1), Some(600)).await.unwrap_err();
    assert_eq!(refused.status(), Some(503), "{refused}");
    assert!(refused.detail().unwrap().contains("--keep-free"), "{refused}");
    let answer = stranger.fetch_mpack(&commits[1..2], &[], Some(600)).await.unwrap();
    stranger.download_mpack(&answer).await.unwrap();
}
