//! `serve --accept-jwt-secret-file`: users of a MuseHub go on with the tokens that they have.

use jsonwebtoken::{EncodingKey, Header, encode};
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_muse_client::{Fetching, Files, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use serde_json::json;

const SECRET: &str = "the ACCESS_TOKEN_SECRET of a MuseHub";
const INES: &str = "6c1cc1ae-5a87-4f2f-9a59-5a54f0f4a1de";

/// A token of a user that ends after so many seconds.
fn token(user: &str, seconds: i64) -> String {
    let now = SystemClock.now().as_second();
    let claims = json!({ "sub": user, "exp": now + seconds, "iat": now - 9 });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn commit(local: &mut Local, name: &str) {
    let files = Files::from([(name.to_owned(), name.as_bytes().to_vec().into())]);
    local.commit("main", files, name).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_musehub_push_and_pull_what_is_theirs() {
    let store = Packhouse::new();
    for repo in ["ines/album", "ines/diary", "zoe/album"] {
        store.run(["repo", "create", repo, "--private"]).ok();
    }
    let secret = store.file("secret", format!("{SECRET}\n").as_bytes());
    let repos = store.file("repos", format!("# user repos\n{INES} ines/album\n").as_bytes());
    let words = ["--accept-jwt-secret-file", &secret, "--jwt-repos", &repos];
    let served = Served::start(&store, "127.0.0.1:0", &words);
    let remote =
        |repo: &str, token: String| Remote::new(&served.remote(repo), Some(token)).unwrap();

    let mut local = Local::new("ines");
    commit(&mut local, "one");
    let hers = remote("ines/album", token(INES, 600));
    local.push(&hers, "main", false).await.unwrap();
    commit(&mut local, "two");
    local.push(&hers, "main", false).await.unwrap();
    // The URL of the pack is signed for her.
    let other = Local::clone_from(&hers, Fetching::Mpack).await.unwrap();
    assert_eq!(other.branches()["main"], local.branches()["main"]);

    // Others are not there for her: not even one of that owner.
    for (repo, token, words) in [
        ("zoe/album", token(INES, 600), "zoe/album"),
        ("ines/diary", token(INES, 600), "ines/diary"),
        ("ines/album", token(INES, -1), "unknown token"),
        ("ines/album", token("somebody-else", 600), "--jwt-repos"),
        ("ines/album", format!("{}x", token(INES, 600)), "unknown token"),
    ] {
        let refused = local.push(&remote(repo, token), "main", false).await.unwrap_err();
        let refused = format!("{refused:?}");
        assert!(refused.contains(words), "{repo}: {refused}");
    }
    let hers = token(INES, 600);
    store.run_remote(served.url(), Some(&hers), ["gc", "ines/album"]).exits(1);
    store.run_remote(served.url(), Some(&hers), ["jobs", "list"]).exits(1);

    // A token for the store works as ever.
    let made = store.run(["token", "create", "--scope", "push", "--repo", "zoe/*"]).ok().json();
    let own = remote("zoe/album", made["token"].as_str().unwrap().to_owned());
    local.push(&own, "main", false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_off_unless_a_secret_and_repos_are_given() {
    let store = Packhouse::new();
    store.run(["repo", "create", "ines/album"]).ok();
    let served = Served::start(&store, "127.0.0.1:0", &[]);
    let mut local = Local::new("ines");
    commit(&mut local, "one");
    let remote = Remote::new(&served.remote("ines/album"), Some(token(INES, 600))).unwrap();
    assert!(local.push(&remote, "main", false).await.is_err());
    drop(served);

    let secret = store.file("secret", b"\n");
    let repos = store.file("repos", b"ines/album\n");
    let alone = ["serve", "--accept-jwt-secret-file", &secret];
    store.run(alone).exits(2).says(&["--jwt-repos"]);
    let both = ["serve", "--accept-jwt-secret-file", &secret, "--jwt-repos", &repos];
    store.run(both).exits(2).says(&["is empty", "ACCESS_TOKEN_SECRET"]);
    store.file("secret", SECRET.as_bytes());
    store.run(both).exits(2).says(&["line 1", "ID of a user"]);
}
