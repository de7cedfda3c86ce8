//! `copy`: a store goes to another one, of another kind as well, and nothing is lost.

use std::ffi::OsStr;

use packhouse_muse_client::{Files, Local, Remote};
use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::s3::S3Server;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, postgres};
use serde_json::{Value, json};

/// What of a repo is the same in every store that has it.
fn contents(store: &Packhouse, repo: &str) -> Value {
    let shown = store.run(["repo", "show", repo]).ok().json();
    let fields = [
        "repo_id",
        "visibility",
        "default_branch",
        "objects",
        "commits",
        "snapshots",
        "tags",
        "branch_heads",
        "last_gc",
    ];
    fields.iter().map(|field| ((*field).to_owned(), shown[*field].clone())).collect()
}

fn copy_to(from: &Packhouse, to: &Packhouse, repos: &[&str]) -> Ran {
    let data = to.data();
    let words = [OsStr::new("copy"), OsStr::new("--to-data"), data.as_os_str()];
    from.run(words.into_iter().chain(repos.iter().map(OsStr::new)))
}

fn samples() -> Vec<std::path::PathBuf> {
    fixtures::muse_cli().into_iter().collect()
}

/// A store with two repos, one of them private and consolidated, with a policy; and a token.
fn filled() -> Packhouse {
    let store = Packhouse::with_repo();
    store.push(&samples()[..4]).ok();
    store.run(["repo", "create", "c/d", "--private"]).ok();
    for sample in samples() {
        store.run([OsStr::new("push"), OsStr::new("c/d"), sample.as_os_str()]).ok();
    }
    store.run(["gc", "c/d"]).ok();
    store.run(["policy", "set", "c/d", "--max-packs", "3"]).ok();
    store
}

#[test]
fn all_of_a_store_is_copied_and_again_only_what_is_new() {
    let (from, to) = (filled(), Packhouse::new());
    let token = from.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    let reports = copy_to(&from, &to, &["--all"]).ok().documents();
    let listed: Vec<_> = reports
        .iter()
        .map(|report| (&report["repo"], &report["packs"], &report["status"]))
        .collect();
    let copied = json!("copied");
    let (first, second) = (json!("a/b"), json!("c/d"));
    assert_eq!(listed, [(&first, &json!(4), &copied), (&second, &json!(1), &copied)]);
    for repo in ["a/b", "c/d"] {
        assert_eq!(contents(&to, repo), contents(&from, repo));
        let keys =
            |store: &Packhouse| store.run(["repo", "show", repo]).ok().json()["pack_keys"].clone();
        assert_eq!(keys(&to), keys(&from), "packs keep their bytes");
    }
    let policy = |store: &Packhouse| store.run(["policy", "show", "c/d"]).ok().json();
    assert_eq!(policy(&to), policy(&from));
    to.run(["verify"]).ok();

    // A token of the one is good at the other.
    let served = Served::start(&to, "127.0.0.1:0", &[]);
    let bearer = token["token"].as_str().map(str::to_owned);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let remote = Remote::new(&served.remote("c/d"), bearer).unwrap();
    assert!(!runtime.block_on(remote.refs()).unwrap().branch_heads.is_empty());
    drop(served);

    let again = copy_to(&from, &to, &["--all"]).ok().documents();
    for report in &again {
        assert_eq!((&report["packs"], &report["status"]), (&json!(0), &json!("unchanged")));
    }
    from.push(&samples()[4..5]).ok();
    let new = copy_to(&from, &to, &["a/b"]).ok().json();
    assert_eq!((&new["packs"], &new["status"]), (&json!(1), &json!("copied")));
    assert_eq!(contents(&to, "a/b"), contents(&from, "a/b"));

    assert_eq!(from.run(["repo", "set", "a/b"]).code, 2, "it says what to set");
    from.run(["repo", "set", "a/b", "--private", "--accept-shallow"]).ok();
    assert_eq!(copy_to(&from, &to, &["a/b"]).ok().json()["status"], "copied");
    let there = |store: &Packhouse| {
        let shown = store.run(["repo", "show", "a/b"]).ok().json();
        [&shown["visibility"], &shown["accepts_shallow"]].map(Clone::clone)
    };
    assert_eq!(there(&to), [json!("private"), json!(false)], "what it accepts, it decides");
    from.run(["repo", "set", "a/b", "--public"]).ok();
    assert_eq!(copy_to(&from, &to, &["a/b"]).ok().json()["status"], "unchanged");
    assert_eq!(there(&to)[0], "private", "a copy opens nothing");
    let other = Packhouse::new();
    copy_to(&from, &other, &["a/b"]).ok();
    assert_eq!(there(&other), [json!("public"), json!(true)]);
}

#[test]
fn a_consolidated_pack_of_known_records_is_not_copied_again() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    from.push(samples()).ok();
    copy_to(&from, &to, &["a/b"]).ok();
    let key = from.gc()["consolidated_key"].clone();
    assert_eq!(copy_to(&from, &to, &["a/b"]).ok().json()["packs"], 0);
    assert_eq!(to.run(["gc", "a/b"]).ok().json()["consolidated_key"], key);
    assert_eq!(copy_to(&from, &to, &["a/b"]).ok().json()["status"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_stand_where_they_stand_here_whatever_packs_say() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    let served = Served::trusting(&from, &[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut local = Local::new("ann");
    let files = |name: &str| Files::from([(name.to_owned(), name.to_owned().into())]);
    local.commit("trunk", files("one"), "one").unwrap();
    local.push(&remote, "trunk", false).await.unwrap();
    let mut other = local.clone();
    local.commit("trunk", files("two"), "two").unwrap();
    local.branch("aside", "trunk").unwrap();
    local.push(&remote, "trunk", false).await.unwrap();
    local.push(&remote, "aside", false).await.unwrap();
    copy_to(&from, &to, &["a/b"]).ok();
    assert_eq!(contents(&to, "a/b"), contents(&from, "a/b"));
    assert_eq!(contents(&to, "a/b")["default_branch"], "trunk");

    // One is moved by force, one is deleted, and one takes its name for a folder.
    other.commit("trunk", files("three"), "three").unwrap();
    other.push(&remote, "trunk", true).await.unwrap();
    from.run(["branch", "delete", "a/b", "aside", "--yes"]).ok();
    other.branch("aside/new", "trunk").unwrap();
    other.push(&remote, "aside/new", false).await.unwrap();
    copy_to(&from, &to, &["a/b"]).ok();
    assert_eq!(contents(&to, "a/b"), contents(&from, "a/b"));
}

#[test]
fn a_store_goes_to_postgres_and_s3_and_back() {
    let Some(cluster) = postgres::cluster() else { return };
    let from = filled();
    let bucket = S3Server::start();
    let (database, storage) = (cluster.database("copy_there"), bucket.url("there"));
    let with_bucket = |store: Packhouse| {
        bucket.env().iter().fold(store, |store, (name, value)| store.with_env(name, value))
    };
    let from = with_bucket(from);
    from.run(["copy", "--all", "--to-database", &database, "--to-storage", &storage]).ok();
    let there = with_bucket(Packhouse::new())
        .with_env("PACKHOUSE_DATABASE_URL", &database)
        .with_env("PACKHOUSE_STORAGE_URL", &storage);
    for repo in ["a/b", "c/d"] {
        assert_eq!(contents(&there, repo), contents(&from, repo));
    }
    there.run(["verify"]).ok();
    let back = Packhouse::new();
    copy_to(&there, &back, &["--all"]).ok();
    for repo in ["a/b", "c/d"] {
        assert_eq!(contents(&back, repo), contents(&from, repo));
    }
    back.run(["verify"]).ok();
}

#[test]
fn damage_is_named_and_the_other_repos_are_copied() {
    let (from, to) = (filled(), Packhouse::new());
    let shown = from.run(["repo", "show", "a/b"]).ok().json();
    let key = shown["pack_keys"][0].as_str().unwrap();
    let pack = from
        .pack_files()
        .into_iter()
        .find(|path| path.to_str().unwrap().contains(key.trim_start_matches("sha256:")))
        .unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
    std::fs::set_permissions(&pack, permissions).unwrap();
    std::fs::write(&pack, bytes).unwrap();

    let ran = copy_to(&from, &to, &["--all"]).exits(4).says(&[key]);
    assert_eq!(ran.documents().iter().filter(|one| one["repo"] == "c/d").count(), 1);
    assert_eq!(contents(&to, "c/d"), contents(&from, "c/d"));
    // No branch leads to what is not there.
    assert_eq!(contents(&to, "a/b")["branch_heads"], json!({}));
    to.run(["verify"]).ok();
    let damage = from.run(["repo", "show", "a/b"]).ok().json();
    assert!(damage.to_string().contains("copy"), "it is remembered: {damage}");
}

#[test]
fn another_repo_of_the_name_and_the_store_itself_are_refused() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::with_repo());
    from.push(&samples()[..1]).ok();
    copy_to(&from, &to, &["a/b"]).exits(1).says(&["a/b", "IDs differ"]);
    assert_eq!(to.show()["packs"], 0);
    copy_to(&from, &from, &["a/b"]).exits(2).says(&["this store"]);
    copy_to(&from, &to, &["no/where"]).exits(1).says(&["no/where"]);
    from.run(["copy", "a/b"]).exits(2);
    from.run(["copy", "--to-data", "x"]).exits(2);
    from.run(["copy", "--all", "--to-database", "sqlite:///x"]).exits(2).says(&["--to-storage"]);
    from.run_remote("http://127.0.0.1:9", None, ["copy", "--all", "--to-data", "x"]).exits(2);
}
