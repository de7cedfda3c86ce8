//! Who may do what over the wire.

use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::history::long;

struct Place {
    store: Packhouse,
    served: Served,
}

impl Place {
    /// A public repo `a/open` and private ones `a/shut` and `b/shut`, served to clients with a
    /// token.
    fn new() -> Place {
        let store = Packhouse::new();
        store.run(["repo", "create", "a/open"]).ok();
        store.run(["repo", "create", "a/shut", "--private"]).ok();
        store.run(["repo", "create", "b/shut", "--private"]).ok();
        let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
        Place { store, served }
    }

    fn token(&self, scope: &str, repo: &str) -> (String, String) {
        let made =
            self.store.run(["token", "create", "--scope", scope, "--repo", repo]).ok().json();
        (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    }

    fn remote(&self, repo: &str, token: Option<&str>) -> Remote {
        Remote::new(&self.served.remote(repo), token.map(str::to_owned)).unwrap()
    }

    /// The statuses of reading and of pushing; 200 where it is done.
    async fn may(&self, repo: &str, token: Option<&str>) -> (u16, u16) {
        let remote = self.remote(repo, token);
        let status = |ended: Option<packhouse_muse_client::Error>| {
            ended.map_or(200, |error| error.status().unwrap())
        };
        let read = status(remote.refs().await.err());
        (read, status(long("ann", 1, 1).push(&remote, "main", false).await.err()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_and_reach_decide_and_a_private_repo_is_not_there_for_strangers() {
    let place = Place::new();
    let (read, _) = place.token("read", "a/shut");
    let (push, _) = place.token("push", "a/*");
    let (other, _) = place.token("admin", "b/*");
    let (all, _) = place.token("push", "*");
    for (repo, token, may) in [
        ("a/open", None, (200, 401)),
        ("a/shut", None, (404, 404)),
        ("a/none", None, (404, 404)),
        ("a/open", Some(&read), (200, 401)),
        ("a/shut", Some(&read), (200, 401)),
        ("a/open", Some(&push), (200, 200)),
        ("a/shut", Some(&push), (200, 200)),
        ("b/shut", Some(&push), (404, 404)),
        ("a/shut", Some(&other), (404, 404)),
        ("a/open", Some(&other), (200, 401)),
        ("b/shut", Some(&other), (200, 200)),
        ("b/shut", Some(&all), (200, 200)),
        ("b/none", Some(&all), (404, 404)),
    ] {
        assert_eq!(place.may(repo, token.map(String::as_str)).await, may, "{repo} {token:?}");
    }
    // What a stranger reads of a private repo is, to the letter, what they read of none.
    let (shut, none) = ("a/shut", "a/none");
    let words = |repo: &str, error: packhouse_muse_client::Error| {
        error.detail().unwrap().replace(repo, "REPO")
    };
    let shut = words(shut, place.remote(shut, None).refs().await.unwrap_err());
    let none = words(none, place.remote(none, None).refs().await.unwrap_err());
    assert_eq!(shut, none);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_or_was_revoked_opens_nothing_and_stands_in_no_log() {
    let place = Place::new();
    let (token, id) = place.token("push", "a/shut");
    assert_eq!(place.may("a/shut", Some(&token)).await, (200, 200));
    let forged =
        format!("{}{}", &token[..token.len() - 1], if token.ends_with('0') { '1' } else { '0' });
    for bad in [forged.as_str(), "nonsense", ""] {
        for repo in ["a/shut", "a/open", "a/none"] {
            let error = place.remote(repo, Some(bad)).refs().await.unwrap_err();
            assert_eq!(error.status(), Some(401), "{bad} {repo}: also where no token is needed");
        }
    }
    place.store.run(["token", "revoke", &id]).ok();
    assert_eq!(place.may("a/shut", Some(&token)).await, (401, 401));
    let (_, log) = place.served.stop();
    for secret in [&token[..], &forged[..], token.rsplit('_').next().unwrap()] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_down_and_so_is_asking_too_often() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--rate", "5"]);
    let guess = Remote::new(&served.remote("a/b"), Some("phk_guess".into())).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..40 {
        statuses.push(guess.refs().await.unwrap_err().status().unwrap());
    }
    assert_eq!((statuses[0], statuses[39]), (401, 429), "{statuses:?}");
    let asking = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut refused = 0;
    for _ in 0..100 {
        refused += usize::from(asking.refs().await.is_err_and(|error| error.status() == Some(429)));
    }
    assert!(
        (10..=60).contains(&refused),
        "of a hundred, fifty and a few are answered: {refused} were not"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_needs_no_token_and_opens_one_pack_only() {
    let place = Place::new();
    let (token, _) = place.token("push", "a/shut");
    let remote = place.remote("a/shut", Some(&token));
    let local = long("ann", 2, 2);
    local.push(&remote, "main", false).await.unwrap();
    place.store.run(["gc", "a/shut"]).ok();
    let clone = Local::clone_from(&remote, Fetching::Mpack).await.unwrap();
    clone.same_history(&local).unwrap();
    let answer =
        remote.fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(60)).await.unwrap();
    let url = answer.mpack_url.unwrap();
    let stranger = place.remote("a/shut", None);
    stranger.download(&url).await.unwrap();
    let key = &url[url.find("sha256:").unwrap()..][..71];
    let other = format!("sha256:{}", "0".repeat(64));
    let signed = url.find("signature=").unwrap() + 10;
    let another = if url.ends_with('0') { "1" } else { "0" };
    for forged in [
        url.replace(key, &other),
        url.replace("a/shut/packs", "a/open/packs"),
        url.replace("expires=1", "expires=2"),
        url[..signed].to_owned(),
        format!("{}{another}", &url[..url.len() - 1]),
        url[..url.find('?').unwrap()].to_owned(),
    ] {
        let refused = stranger.download(&forged).await.unwrap_err();
        assert!(refused.status() == Some(404), "{forged}: {refused}");
    }
    let short = remote
        .fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(1))
        .await
        .unwrap()
        .mpack_url
        .unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    assert_eq!(stranger.download(&short).await.unwrap_err().status(), Some(404), "it has expired");
}
