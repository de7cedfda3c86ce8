//! What docs/serving.md says under "With the Muse client", step by step, by a client that does what
//! the real one does.

use bytes::Bytes;
use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use serde_json::Value;

use super::history::{files, long};

/// The way out that refusals name.
const LOGIN: &str = "muse auth login --hub URL --token TOKEN";

/// `packhouse token create`: a token, printed once.
fn token(store: &Packhouse, scope: &str, name: &str) -> String {
    let made = store
        .run(["token", "create", "--scope", scope, "--repo", "gabriel/notes", "--name", name])
        .ok()
        .json();
    made["token"].as_str().unwrap().to_owned()
}

fn edit(local: &mut Local, text: &'static str) {
    let mut tree = local.checkout("main").unwrap();
    tree.insert("notes.txt".into(), Bytes::from_static(text.as_bytes()));
    local.commit("main", tree, text).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_pushes_to_clones_from_and_pulls_from_a_private_repo() {
    let store = Packhouse::new();
    store.run(["repo", "create", "gabriel/notes", "--private"]).ok();
    let (laptop_token, desktop_token) =
        (token(&store, "push", "laptop"), token(&store, "read", "desktop"));
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let remote = |token: Option<&String>| {
        Remote::new(&served.remote("gabriel/notes"), token.cloned()).unwrap()
    };

    // On the laptop: ping, login, remote add, push.
    let origin = remote(Some(&laptop_token));
    let health: Value = serde_json::from_str(&origin.ping().await.unwrap()).unwrap();
    assert_eq!(health["status"], "ok", "{health}");
    let mut laptop = long("laptop", 3, 2);
    laptop.tag("v1", &laptop.head("main").unwrap().clone()).unwrap();
    assert!(laptop.push(&origin, "main", false).await.unwrap().answer.ok);

    // On the desktop: `clone` sends no token, and to it the repo is not there; init, login, remote
    // add and pull do.
    let refused = Local::clone_from(&remote(None), Fetching::Direct).await.unwrap_err();
    let detail = refused.detail().unwrap();
    assert_eq!(refused.status(), Some(404), "{refused}");
    assert!(
        detail.starts_with("there is no repo `gabriel/notes` here") && detail.contains(LOGIN),
        "{refused}"
    );
    let theirs = remote(Some(&desktop_token));
    let mut desktop = Local::new("desktop");
    assert_eq!(desktop.pull(&theirs, Fetching::Direct).await.unwrap().updated, ["main"]);
    desktop.same_history(&laptop).unwrap();
    assert_eq!(desktop.checkout("main").unwrap(), laptop.checkout("main").unwrap());

    // It goes on, before and after a consolidation.
    for text in ["one", "two"] {
        edit(&mut laptop, text);
        laptop.push(&origin, "main", false).await.unwrap();
        desktop.pull(&theirs, Fetching::Direct).await.unwrap();
        desktop.same_history(&laptop).unwrap();
        store.run(["gc", "gabriel/notes"]).ok();
    }
    desktop.fetch(&theirs).await.unwrap();

    // To read is not to push, and the client says why.
    edit(&mut desktop, "three");
    let refused = desktop.push(&theirs, "main", false).await.unwrap_err();
    let detail = refused.detail().unwrap();
    assert_eq!(refused.status(), Some(401), "{refused}");
    assert!(detail.contains("scope push") && detail.contains(LOGIN), "{refused}");
}

/// `push` takes the tracking refs of all remotes as known to this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_holes_is_told_what_works_and_that_works() {
    let (store, hub) = (Packhouse::with_repo(), Packhouse::with_repo());
    let words = ["--workers", "0", "--public-url", "https://packs.example.org/x"];
    let served = Served::start(&store, "127.0.0.1:0", &words);
    let hub = Served::trusting(&hub, &["--workers", "0"]);
    let own = store.run(["token", "create", "--scope", "push", "--repo", "a/b"]).ok().json();
    let own = own["token"].as_str().unwrap();
    let here = Remote::new(&served.remote("a/b"), Some(own.to_owned())).unwrap();
    let there = Remote::new(&hub.remote("a/b"), None).unwrap();
    long("ann", 30, 2).push(&there, "main", false).await.unwrap();
    let mut local = Local::clone_from(&there, Fetching::Direct).await.unwrap().used_by("bob");
    let base = local.head("main").unwrap().clone();
    let mut tree = local.checkout("main").unwrap();
    tree.insert("more".into(), Bytes::from_static(b"more"));
    local.commit("main", tree, "more").unwrap();
    let head = local.head("main").unwrap().clone();
    let (bundle, uploads) = local.bundle("main", &head, [&base]).unwrap();
    let new = [Bytes::from_static(b"more")].map(packhouse_muse_client::Object::make);
    let sent: Vec<_> = uploads.into_iter().filter(|upload| upload.object.id == new[0].id).collect();
    here.push_objects(&sent).await.unwrap();
    let before = store.picture();
    let refused = here.push(&bundle, "main", false).await.unwrap_err();
    assert_eq!(refused.status(), Some(422), "{refused}");
    let detail = refused.detail().unwrap();
    // The real client shows 400 characters of the answer.
    let shown: String = format!("{{\"detail\":\"{detail}").chars().take(400).collect();
    let command =
        "PACKHOUSE_TOKEN=TOKEN packhouse --remote https://packs.example.org/x push a/b all.mpack";
    for part in ["muse bundle create all.mpack main", command, base.as_str()] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(store.picture(), before, "nothing of it stays");

    // A bundle is what the client makes of all that the branch reaches.
    let whole = Local::clone_from(&there, Fetching::Direct).await.unwrap();
    let pack = there.fetch_bytes(&[whole.head("main").unwrap().clone()], &[]).await.unwrap();
    let pack = store.file("all.mpack", &pack);
    store.run_remote(served.url(), Some(own), ["push", "a/b", &pack]).ok();
    assert!(local.push(&here, "main", false).await.unwrap().answer.ok);
    Local::clone_from(&here, Fetching::Direct).await.unwrap().same_history(&local).unwrap();
}

/// `muse fetch` sends all its commits, `clone` wants all heads at once.
#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_thousand_commits_and_heads_are_fetched_and_cloned() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut local = Local::new("ann");
    let content = Bytes::from_static(b"one");
    local.commit("main", files(&[("a", &content)]), "begin").unwrap();
    for n in 0..1_100 {
        let branch = format!("b{n}");
        local.branch(&branch, "main").unwrap();
        local.commit(&branch, files(&[("a", &content)]), &branch).unwrap();
    }
    // As a file with all branches: over the wire it would be a push for each.
    let heads: Vec<_> = local.branches().values().cloned().collect();
    let (mut pack, uploads) = local.bundle("main", &heads[0], std::iter::empty()).unwrap();
    pack.commits = local.commits().values().cloned().collect();
    pack.snapshots = local.snapshots().values().cloned().collect();
    pack.objects = uploads.into_iter().map(|upload| upload.object).collect();
    pack.branch_heads = local.branches().clone();
    store.push([store.file("all.mpack", &pack.encode())]).ok();

    for how in [Fetching::Direct, Fetching::Mpack] {
        let clone = Local::clone_from(&remote, how).await.unwrap();
        assert_eq!((clone.branches().len(), clone.commits().len()), (1_101, 1_101));
    }
    let mut clone = Local::clone_from(&remote, Fetching::Direct).await.unwrap();
    local.commit("main", files(&[("a", &content), ("b", &content)]), "on").unwrap();
    local.push(&remote, "main", false).await.unwrap();
    clone.fetch(&remote).await.unwrap();
    assert_eq!(clone.commits().len(), 1_102);
    assert_eq!(clone.pull(&remote, Fetching::Direct).await.unwrap().updated, ["main"]);
}
