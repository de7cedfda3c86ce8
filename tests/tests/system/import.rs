//! `import URL OWNER/SLUG`: a repo comes from another packhouse, or from a server as a MuseHub is.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use packhouse_muse_client::{Files, Local, Object, Pack, Remote};
use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::fixtures;
use packhouse_tests::server::Served;
use serde_json::{Value, json};

fn files(names: &[&str]) -> Files {
    names.iter().map(|name| ((*name).into(), format!("what {name} holds").into())).collect()
}

/// A pack of all that a client has.
fn whole(local: &Local) -> Pack {
    let objects = local.objects().iter();
    Pack {
        commits: local.commits().values().cloned().collect(),
        snapshots: local.snapshots().values().cloned().collect(),
        objects: objects
            .map(|(id, content)| Object { id: id.clone(), content: content.clone() })
            .collect(),
        tags: local.tags().values().cloned().collect(),
        branch_heads: local.branches().clone(),
    }
}

fn import(store: &Packhouse, served: &Served) -> Ran {
    store.run(["import", &served.remote("a/b"), "c/d"])
}

fn show(store: &Packhouse, repo: &str) -> Value {
    store.run(["repo", "show", repo]).ok().json()
}

/// What of a repo is the same wherever it is.
fn contents(shown: &Value) -> Value {
    let fields = ["objects", "commits", "snapshots", "tags", "branch_heads", "default_branch"];
    fields.iter().map(|field| ((*field).to_owned(), shown[*field].clone())).collect()
}

#[test]
fn all_of_a_repo_comes_and_again_only_what_is_new() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    let samples: Vec<_> = fixtures::muse_cli().into_iter().collect();
    from.push(&samples[..3]).ok();
    let served = Served::trusting(&from, &[]);

    let first = import(&to, &served).ok().json();
    assert_eq!((&first["repo"], &first["source"]), (&json!("c/d"), &json!(served.remote("a/b"))));
    assert_eq!(contents(&show(&to, "c/d")), contents(&from.show()));
    assert_eq!(first["branch_heads"], from.show()["branch_heads"]);
    for field in ["commits", "snapshots", "objects"] {
        assert_eq!(first[field], from.show()[field], "{field}");
    }
    assert!(first["packs"].as_u64() >= Some(1) && first["bytes"].as_u64() > Some(1000));
    assert_eq!(first["problems"], json!([]));

    let again = import(&to, &served).ok().json();
    for field in ["packs", "commits", "snapshots", "objects", "tags", "bytes"] {
        assert_eq!(again[field], 0, "{field}");
    }
    assert_eq!(again["branch_heads"], first["branch_heads"]);

    let before = from.show();
    from.push(&samples[3..]).ok();
    let new = import(&to, &served).ok().json();
    let grown =
        |field: &str| from.show()[field].as_u64().unwrap() - before[field].as_u64().unwrap();
    assert_eq!(new["commits"], grown("commits"), "only what is new");
    assert_eq!(contents(&show(&to, "c/d")), contents(&from.show()));
    to.run(["verify", "c/d"]).ok();
    let key = |store: &Packhouse, repo: &str| {
        store.run(["gc", repo]).ok().json()["consolidated_key"].clone()
    };
    assert_eq!(key(&to, "c/d"), key(&from, "a/b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_branches_come_in_groups_and_the_default_one_first() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    let served = Served::trusting(&from, &[]);
    let mut local = Local::new("ann");
    local.commit("trunk", files(&["one"]), "the first").unwrap();
    local.push(&Remote::new(&served.remote("a/b"), None).unwrap(), "trunk", false).await.unwrap();
    // A pack of 600 branches, with a commit on each, and names before that of the default one.
    for n in 0..600 {
        let branch = format!("feature-{n:03}");
        local.branch(&branch, "trunk").unwrap();
        local.commit(&branch, files(&["one", &branch]), &branch).unwrap();
    }
    from.push([from.file("all.mpack", &whole(&local).encode())]).ok();
    assert_eq!(from.show()["default_branch"], "trunk");

    let report = import(&to, &served).ok().json();
    assert_eq!(report["packs"], 4, "the default branch, then 256, 256 and 88");
    assert_eq!(report["branch_heads"].as_object().unwrap().len(), 601);
    assert_eq!(contents(&show(&to, "c/d")), contents(&from.show()));
}

#[test]
fn what_is_new_here_stays() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    let samples: Vec<_> = fixtures::muse_cli().into_iter().collect();
    from.push(&samples[..1]).ok();
    let served = Served::trusting(&from, &[]);
    import(&to, &served).ok();
    for sample in &samples[1..] {
        to.run([OsStr::new("push"), OsStr::new("c/d"), sample.as_ref()]).ok();
    }
    let ahead = show(&to, "c/d");
    import(&to, &served).ok();
    assert_eq!(contents(&show(&to, "c/d")), contents(&ahead));
}

#[tokio::test(flavor = "multi_thread")]
async fn diverged_branches_are_a_conflict_unless_forced() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::new());
    let served = Served::trusting(&from, &[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut base = Local::new("ann");
    base.commit("main", files(&["one"]), "the first").unwrap();
    base.push(&remote, "main", false).await.unwrap();
    import(&to, &served).ok();
    let there = Served::trusting(&to, &[]);
    let mut other = base.clone();
    other.commit("main", files(&["one", "here"]), "here").unwrap();
    other.push(&Remote::new(&there.remote("c/d"), None).unwrap(), "main", false).await.unwrap();
    base.commit("main", files(&["one", "there"]), "there").unwrap();
    base.push(&remote, "main", false).await.unwrap();

    let before = show(&to, "c/d");
    import(&to, &served).exits(3).says(&["main", "--force"]);
    assert_eq!(show(&to, "c/d"), before);
    to.run(["import", &served.remote("a/b"), "c/d", "--force"]).ok();
    assert_eq!(show(&to, "c/d")["branch_heads"], from.show()["branch_heads"]);
}

#[test]
fn a_private_repo_comes_with_a_token_for_its_source_and_stays_private() {
    let (from, to) = (Packhouse::new(), Packhouse::new());
    from.run(["repo", "create", "a/b", "--private"]).ok();
    from.push(fixtures::muse_cli()).ok();
    let served = Served::start(&from, "127.0.0.1:0", &[]);
    let made = from.run(["token", "create", "--scope", "read", "--repo", "a/b"]).ok().json();
    let token = made["token"].as_str().unwrap();

    // What is for a server here is not sent there.
    let to = to.with_env("PACKHOUSE_TOKEN", token);
    import(&to, &served).exits(1);
    to.run(["repo", "list"]).exits(1).says(&["no store"]);
    let file = to.file("token", format!("{token}\n").as_bytes());
    to.run(["import", &served.remote("a/b"), "c/d", "--token-file", &file]).ok();
    assert_eq!(show(&to, "c/d")["visibility"], "private");
    let by_env = Packhouse::new().with_env("PACKHOUSE_SOURCE_TOKEN", token);
    by_env.run(["import", &served.remote("a/b"), "c/d", "--public"]).ok();
    assert_eq!(show(&by_env, "c/d")["visibility"], "public");
    assert_eq!(contents(&show(&by_env, "c/d")), contents(&show(&to, "c/d")));
}

#[test]
fn a_server_imports_as_a_store_does() {
    let (from, to) = (Packhouse::with_repo(), Packhouse::with_repo());
    from.push(fixtures::muse_cli()).ok();
    let served = Served::trusting(&from, &[]);
    let there = Served::trusting(&to, &[]);
    let report = to.run_remote(there.url(), None, ["import", &served.remote("a/b"), "c/d"]).ok();
    assert_eq!(report.json()["commits"], from.show()["commits"]);
    assert_eq!(contents(&show(&to, "c/d")), contents(&from.show()));
}

#[test]
fn a_source_that_is_none_creates_nothing() {
    let store = Packhouse::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for (url, code, said) in [
        (format!("http://{address}/a/b"), 1, "can't be reached"),
        ("http://127.0.0.1/a".to_owned(), 2, "http(s)://HOST/OWNER/SLUG"),
        ("ftp://127.0.0.1/a/b".to_owned(), 2, "http(s)://HOST/OWNER/SLUG"),
        ("http://user:secret@127.0.0.1/a/b".to_owned(), 2, "--token-file"),
    ] {
        store.run(["import", &url, "c/d"]).exits(code).says(&[said]);
    }
    store.run(["repo", "list"]).exits(1).says(&["no store"]);
    let other = Packhouse::with_repo();
    let served = Served::trusting(&other, &[]);
    store.run(["import", &served.remote("no/where"), "c/d"]).exits(1).says(&["no/where"]);
    store.run(["repo", "list"]).exits(1).says(&["no store"]);
}

/// A server that answers as a MuseHub does: `/refs` in JSON alone, `/fetch` with the pack itself, all
/// branches in every pack, and no empty objects.
struct Hub {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn start(answers: BTreeMap<&'static str, (&'static str, Vec<u8>)>) -> Hub {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/band/score", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut first, mut length) = (String::new(), 0);
                stream.read_line(&mut first).unwrap();
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).unwrap();
                    let line = line.trim().to_ascii_lowercase();
                    if let Some(bytes) = line.strip_prefix("content-length: ") {
                        length = bytes.parse().unwrap();
                    }
                    if line.is_empty() {
                        break;
                    }
                }
                std::io::copy(&mut Read::by_ref(&mut stream).take(length), &mut std::io::sink())
                    .unwrap();
                let path = first.split(' ').nth(1).unwrap().replace("/band/score", "");
                log.lock().unwrap().push(path.clone());
                let not_found = ("application/json", br#"{"detail":"Not Found"}"#.to_vec());
                let (status, (kind, body)) = match answers.get(path.as_str()) {
                    Some(answer) => ("200 OK", answer.clone()),
                    None => ("404 Not Found", not_found),
                };
                let close = "Connection: close\r\n\r\n";
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{close}",
                    body.len()
                );
                let stream = stream.get_mut();
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Hub { url, asked }
    }
}

#[test]
fn a_musehub_that_drops_empty_objects_is_imported_whole() {
    let mut local = Local::new("ann");
    let mut tree = files(&["one"]);
    tree.insert("empty".into(), Vec::new().into());
    local.commit("main", tree, "with an empty file").unwrap();
    local.branch("other", "main").unwrap();
    let mut pack = whole(&local);
    pack.objects.retain(|object| !object.content.is_empty());
    let heads: BTreeMap<_, _> =
        local.branches().iter().map(|(name, head)| (name.clone(), head.to_string())).collect();
    let refs = json!({
        "repo_id": "26c74d90-1755-4eaf-8e4e-d3e75ff8e972", "domain": "code",
        "default_branch": "main", "branch_heads": heads,
    });
    let hub = Hub::start(BTreeMap::from([
        ("/refs", ("application/json", refs.to_string().into_bytes())),
        ("/fetch", ("application/x-msgpack", pack.encode().to_vec())),
    ]));
    let store = Packhouse::new();
    let report = store.run(["import", &hub.url, "c/d"]).ok().json();
    assert_eq!(report["branch_heads"], json!(heads));
    let listed = store.run(["ls", "c/d", "main"]).ok().documents();
    assert_eq!(listed.len(), 2);
    let empty = listed.iter().find(|file| file["path"] == "empty").unwrap();
    let id = empty["object"].as_str().unwrap();
    assert_eq!(store.text(["cat", "c/d", id]).ok().stdout, "");
    store.run(["verify", "c/d"]).ok();
    let asked = hub.asked.lock().unwrap().clone();
    assert_eq!(asked[0], "/refs");
    assert!(asked.contains(&"/fetch".to_owned()), "{asked:?}");
}

#[test]
fn a_branch_that_no_repo_may_have_is_named_and_the_others_come() {
    let mut local = Local::new("ann");
    local.commit("main", files(&["one"]), "the first").unwrap();
    let head = local.head("main").unwrap().to_string();
    let pack = whole(&local);
    let refs = json!({
        "repo_id": "r", "domain": "code", "default_branch": "main",
        "branch_heads": {"main": head, "../x": head, "none": null, "blank": ""},
    });
    let hub = Hub::start(BTreeMap::from([
        ("/refs", ("application/json", refs.to_string().into_bytes())),
        ("/fetch", ("application/x-msgpack", pack.encode().to_vec())),
    ]));
    let store = Packhouse::new();
    let report = store.run(["import", &hub.url, "c/d"]).exits(1).json();
    assert_eq!(report["branch_heads"], json!({"main": head}));
    assert_eq!(report["problems"][0]["kind"], "branch");
    assert_eq!(report["problems"][0]["path"], "../x");
}

#[test]
fn what_the_source_lacks_is_named() {
    let mut local = Local::new("ann");
    local.commit("main", files(&["one"]), "the first").unwrap();
    local.commit("main", files(&["one", "two"]), "the second").unwrap();
    let mut pack = whole(&local);
    let head = local.head("main").unwrap().clone();
    pack.commits.retain(|commit| commit.id == head);
    let refs = json!({"repo_id": "r", "default_branch": "main", "branch_heads": {"main": head.to_string()}});
    let hub = Hub::start(BTreeMap::from([
        ("/refs", ("application/json", refs.to_string().into_bytes())),
        ("/fetch", ("application/x-msgpack", pack.encode().to_vec())),
    ]));
    let report = Packhouse::new().run(["import", &hub.url, "c/d"]).exits(1).json();
    assert_eq!(report["commits"], 1);
    assert_eq!(report["problems"][0]["kind"], "missing");
}

#[test]
fn a_pack_that_is_none_is_refused_and_nothing_is_stored() {
    let refs =
        json!({"repo_id": "r", "default_branch": "main", "branch_heads": {"main": "a".repeat(64)}});
    for answer in [b"MUSE rather something else".to_vec(), vec![0x80]] {
        let hub = Hub::start(BTreeMap::from([
            ("/refs", ("application/json", refs.to_string().into_bytes())),
            ("/fetch", ("application/x-msgpack", answer)),
        ]));
        let store = Packhouse::new();
        let ran = store.run(["import", &hub.url, "c/d"]).exits(1);
        assert_eq!(show(&store, "c/d")["packs"], 0, "{}", ran.stderr);
    }
}
