//! Access tokens: shown once, kept as a hash, good until they expire or are revoked.

use std::path::Path;

use packhouse_host::access::{Caller, NewToken, Reach, Scope, TokenText};
use packhouse_host::clock::{Clock, FixedClock};
use packhouse_host::{Class, Error};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::place;
use packhouse_tests::store::{TestStore, options};

fn new(scope: Scope, repos: &[&str]) -> NewToken {
    let repos = repos.iter().map(|reach| reach.parse().unwrap()).collect();
    NewToken { name: String::new(), scope, repos, expires_in_seconds: None }
}

fn text(token: Option<String>) -> TokenText {
    token.expect("who makes a token is told it").parse().expect("it is one")
}

/// Creates a token for `a/b`, with more arguments; returns its text.
fn made(packhouse: &Packhouse, words: &[&str]) -> String {
    let create = ["token", "create", "--scope", "read", "--repo", "a/b"];
    let made = packhouse.run(create.iter().chain(words)).ok().json();
    made["token"].as_str().unwrap().to_owned()
}

/// Files in a store's folder that hold some bytes, the catalog's own among them. The cache is
/// shared with other tests.
fn holding(folder: &Path, bytes: &[u8], found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("cache") {
            continue;
        }
        if path.is_dir() {
            holding(&path, bytes, found);
        } else if std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn a_token_is_shown_once_and_its_secret_is_nowhere_afterwards() {
    let packhouse = Packhouse::with_repo();
    let create = [
        "token",
        "create",
        "-vvv",
        "--scope",
        "push",
        "--repo",
        "a/b",
        "--repo",
        "c/*",
        "--name",
        "ci",
        "--expires",
        "90d",
    ];
    let ran = packhouse.run(create).ok();
    let made = ran.json();
    let token = made["token"].as_str().unwrap();
    let (start, secret) = token.rsplit_once('_').unwrap();
    assert_eq!(start, format!("phk_{}", made["id"].as_str().unwrap()));
    assert_eq!(
        (&made["scope"], &made["name"], &made["revoked_at"]),
        (&"push".into(), &"ci".into(), &serde_json::Value::Null)
    );
    assert_eq!(made["repos"], serde_json::json!(["a/b", "c/*"]));
    assert!(made["expires_at"].is_string());
    assert!(
        ran.stderr.contains(start.strip_prefix("phk_").unwrap()),
        "the log tells of it: {}",
        ran.stderr
    );

    let listed = packhouse.run(["token", "list", "-vvv"]).ok();
    assert_eq!(listed.json()["id"], made["id"]);
    assert!(listed.json().get("token").is_none());
    for said in [&ran.stderr, &listed.stdout, &listed.stderr] {
        assert!(!said.contains(secret), "{said}");
    }
    let found = |bytes: &[u8]| {
        let mut found = Vec::new();
        holding(&packhouse.data(), bytes, &mut found);
        found
    };
    assert_eq!(found(secret.as_bytes()), [] as [String; 0]);
    assert_eq!(found(&hex::decode(secret).unwrap()), [] as [String; 0]);
    // The search works: the hash is found.
    let kept = token.parse::<TokenText>().unwrap().hash();
    assert_eq!(found(&kept).is_empty(), !place::has_files());
}

#[test]
fn people_get_the_token_alone_on_stdout_and_the_rest_on_stderr() {
    let packhouse = Packhouse::with_repo();
    let ran = packhouse
        .text(["token", "create", "--scope", "read", "--repo", "a/b", "--name", "laptop"])
        .ok();
    let token: TokenText =
        ran.stdout.strip_suffix('\n').unwrap().parse().expect("nothing but the token");
    ran.says(&["not shown again", token.id()]);
    let quiet =
        packhouse.text(["--quiet", "token", "create", "--scope", "read", "--repo", "*"]).ok();
    assert!(quiet.stderr.is_empty() && quiet.stdout.starts_with("phk_"), "{quiet:?}");
    let shown = packhouse.text(["token", "revoke", token.id()]).ok().stdout;
    assert!(shown.contains("revoked 20") && shown.lines().count() == 1, "{shown}");
    let listed = packhouse.text(["token", "list"]).ok().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("TOKEN"), "{listed}");
    assert!(
        lines[1].contains("laptop")
            && lines[1].contains("revoked 20")
            && lines[2].ends_with(" active"),
        "{listed}"
    );
}

#[test]
fn a_token_is_revoked_by_its_id_or_by_all_of_it() {
    let packhouse = Packhouse::with_repo();
    let tokens =
        [made(&packhouse, &[]), made(&packhouse, &["--name", "other"]), made(&packhouse, &[])];
    let id = |n: usize| tokens[n].split('_').nth(1).unwrap();
    let revoked = packhouse.run(["token", "revoke", id(0)]).ok().json();
    assert!(revoked["revoked_at"].is_string() && revoked["id"] == id(0));
    assert_eq!(
        packhouse.run(["token", "revoke", id(0)]).ok().json(),
        revoked,
        "the first time counts"
    );
    assert_eq!(packhouse.run(["token", "revoke", &tokens[1]]).ok().json()["id"], id(1));
    let good: Vec<bool> = packhouse
        .run(["token", "list"])
        .ok()
        .documents()
        .iter()
        .map(|token| token["revoked_at"].is_null())
        .collect();
    assert_eq!(good, [false, false, true]);
    packhouse
        .run(["token", "revoke", "0123456789abcdef"])
        .exits(1)
        .says(&["0123456789abcdef", "packhouse token list"]);
    // What is nearly a token is not repeated: its secret may be a good one.
    let nearly = &tokens[2][..tokens[2].len() - 1];
    let refused = packhouse.run(["token", "revoke", nearly]).exits(1);
    assert!(!refused.stderr.contains(&nearly[nearly.len() - 60..]), "{}", refused.stderr);
}

#[test]
fn what_reaches_nothing_or_has_no_proper_name_is_refused_and_nothing_is_made() {
    let packhouse = Packhouse::with_repo();
    let create =
        |words: &[&str]| packhouse.run(["token", "create", "--scope", "read"].iter().chain(words));
    create(&["--repo", "no/such"]).exits(1).says(&["no/such", "repo create"]);
    create(&["--repo", "a/b", "--repo", "no/such"]).exits(1);
    create(&[]).exits(2).says(&["--repo"]);
    create(&["--repo", "nothing"]).exits(2).says(&["OWNER/SLUG"]);
    create(&["--repo", "a/b", "--name", &"x".repeat(101)])
        .exits(2)
        .says(&["100 visible characters"]);
    create(&["--repo", "a/b", "--name", "\u{1b}[2J"]).exits(2).says(&["visible characters"]);
    create(&["--repo", "a/b", "--expires", "0s"]).exits(2).says(&["0 seconds"]);
    create(&["--repo", "a/b", "--expires", "18446744073709551615"]).exits(2).says(&["90d"]);
    create(&["--repo", "a/b", "--expires", "soon"]).exits(2);
    assert!(packhouse.run(["token", "list"]).ok().documents().is_empty());
    // An owner may have no repos yet, and a name may be long in bytes.
    create(&["--repo", "no/*", "--name", &"ü".repeat(100)]).ok();
    create(&["--repo", "*", "--repo", "*", "--repo", "a/b"]).ok();
    let listed = packhouse.run(["token", "list"]).ok().documents();
    assert_eq!(listed[1]["repos"], serde_json::json!(["a/b", "*"]), "each once");
}

#[tokio::test]
async fn a_token_speaks_for_its_bearer_with_its_secret_and_no_other() {
    let TestStore { store, .. } = &TestStore::new().await;
    let made = store
        .create_token(NewToken { name: "ci".into(), ..new(Scope::Push, &["c/*", "a/b"]) })
        .await
        .unwrap();
    assert_eq!(
        (made.name.as_str(), made.scope, made.expires_at, made.revoked_at),
        ("ci", Scope::Push, None, None)
    );
    let token = text(made.token);
    assert_eq!(token.id(), made.id);
    let repos: Vec<Reach> = ["a/b", "c/*"].map(|reach| reach.parse().unwrap()).into();
    let bearer = Caller::Bearer { token: made.id.clone(), scope: Scope::Push, repos };
    assert_eq!(store.caller(&token).await.unwrap(), Some(bearer.clone()));
    // The id of one with the secret of another; and invented ones.
    let other = text(store.create_token(new(Scope::Admin, &["*"])).await.unwrap().token);
    let secret_of = |token: &TokenText| token.reveal().rsplit_once('_').unwrap().1.to_owned();
    let mixed: TokenText = format!("phk_{}_{}", token.id(), secret_of(&other)).parse().unwrap();
    let unknown: TokenText =
        format!("phk_{}_{}", "f".repeat(16), secret_of(&token)).parse().unwrap();
    for wrong in [mixed, unknown] {
        assert_eq!(store.caller(&wrong).await.unwrap(), None, "{wrong:?}");
    }
    store.revoke_token(&made.id).await.unwrap();
    assert_eq!(store.caller(&token).await.unwrap(), None);
    assert!(store.caller(&other).await.unwrap().is_some(), "the other is as good as it was");
    let listed = store.tokens().await.unwrap();
    assert!(listed.len() == 2 && listed.iter().all(|token| token.token.is_none()));
    let refused = store.revoke_token("f").await.unwrap_err();
    assert!(
        matches!(&refused, Error::UnknownToken(_)) && refused.class() == Class::Refused,
        "{refused}"
    );
    assert!(!format!("{bearer:?}").contains(&secret_of(&token)));
}

/// A fixed clock moves by a second each time it is read.
#[tokio::test]
async fn a_token_is_good_until_the_moment_it_expires() {
    let TestStore { store, .. } = &TestStore::new().await;
    let ends = NewToken { expires_in_seconds: Some(3), ..new(Scope::Read, &["a/b"]) };
    let made = store.create_token(ends).await.unwrap();
    assert_eq!(made.expires_at.unwrap(), made.created_at + jiff::SignedDuration::from_secs(3));
    let token = text(made.token);
    let mut good = Vec::new();
    for _ in 1..=4 {
        good.push(store.caller(&token).await.unwrap().is_some());
    }
    assert_eq!(good, [true, true, false, false], "after three seconds it is not");
    let listed = store.tokens().await.unwrap();
    assert_eq!(
        (listed[0].expires_at, listed[0].revoked_at),
        (made.expires_at, None),
        "it is listed still"
    );
}

#[tokio::test]
async fn all_stores_on_a_catalog_sign_with_the_same_secret() {
    let first = TestStore::new().await;
    let secret = first.store.signing_secret().await.unwrap();
    assert_ne!(secret[..16], secret[16..], "both halves are drawn");
    // A clock of its own, with other ids.
    let clock = FixedClock::starting_at("2027-01-01T00:00:00Z".parse().unwrap());
    for _ in 0..99 {
        clock.random_id();
    }
    let second = packhouse_host::StoreOptions {
        clock: std::sync::Arc::new(clock),
        ..options(&first.data())
    }
    .open()
    .await;
    assert_eq!(second.unwrap().signing_secret().await.unwrap(), secret);
    assert_eq!(first.store.signing_secret().await.unwrap(), secret);
}
