//! `import musehub`: repos come from a MuseHub's own database and object store, whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use packhouse_host::musehub::{Hub, HubOptions, ImportOptions, import};
use packhouse_host::{Error, Phase, Progress};
use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::postgres::{Cluster, cluster};
use packhouse_tests::s3::S3Server;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, model};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

const SCORE: &str = "26c74d90-1755-4eaf-8e4e-d3e75ff8e972";
const PRIVATE: &str = "110526e5-108d-462c-b461-49ad60964a37";
const MAIN: &str = "9f0158e4107854bed9983684b6bf6ab174dd5b9ccb12ce2f96f77c16f9fa1bc8";
const BRIDGE: &str = "7e6b85d99bac605f950e1d049a8175193354c47b40de5440430548aac38aa13c";
/// The first parent of `main`, which `bridge` does not reach.
const VERSE: &str = "352a8ada0c1175c92cd37fba0234811a432dff45119220f775967838227add60";
const PRIVATE_MAIN: &str = "68e85704ad47d8912a9a5f60746541a450a4e098b058ccaca7b6305a38ac9ae6";
/// `verse.txt`, which `band/score` alone has.
const VERSE_TEXT: &str = "321e328fb3b65d26a0358d1d4edfeb238a1d4d5594968b8f4c0370ece08ba55d";

/// The sample's MuseHub: a database of its own, and a copy of its objects.
struct Museum {
    url: String,
    objects: TempDir,
}

impl Museum {
    /// None where there is no Postgres.
    fn new() -> Option<Museum> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let cluster: &Cluster = cluster()?;
        let url = cluster.database(&format!("musehub_{}", MADE.fetch_add(1, Ordering::Relaxed)));
        let objects = tempfile::tempdir().unwrap();
        let sample = fixtures::folder().join("musehub");
        copy(&sample.join("objects"), objects.path());
        let museum = Museum { url, objects };
        museum.sql(&std::fs::read_to_string(sample.join("dump.sql")).unwrap());
        Some(museum)
    }

    fn sql(&self, statements: &str) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let statements = AssertSqlSafe(statements.to_owned());
            sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        });
    }

    fn object(&self, repo: &str, name: &str) -> PathBuf {
        self.objects.path().join(repo).join(name)
    }

    /// A commit on `main` of `band/score` with these files, and what is needed for it but objects.
    fn commit(&self, digit: char, parent: &str, files: &Value) {
        let (commit, snapshot) = (digit.to_string().repeat(64), format!("{digit}0").repeat(32));
        self.sql(&format!(
            "INSERT INTO musehub_snapshots VALUES ('{snapshot}', '{SCORE}', '{files}', now());
             INSERT INTO musehub_commits VALUES ('{commit}', '{SCORE}', 'main', '[\"{parent}\"]', 'more', '',
                 '2026-11-27 10:00:00+00', '{snapshot}', now(), '{{}}');
             UPDATE musehub_branches SET head_commit_id = '{commit}' WHERE repo_id = '{SCORE}' AND name = 'main'"
        ));
    }

    /// An object of `band/score` with its bytes; returns its ID.
    fn put(&self, content: &str) -> String {
        let id = model::key(content.as_bytes()).strip_prefix("sha256:").unwrap().to_owned();
        std::fs::write(self.object(SCORE, &id), content).unwrap();
        self.row(&id, &format!("{SCORE}/{id}"), &format!("'local://{SCORE}/{id}'"));
        id
    }

    fn row(&self, id: &str, disk_path: &str, storage_uri: &str) {
        self.sql(&format!(
            "INSERT INTO musehub_objects VALUES ('{id}', '{SCORE}', '', 1, '{disk_path}', now(), {storage_uri})"
        ));
    }

    fn options(&self) -> HubOptions {
        let objects = self.objects.path().to_str().unwrap().to_owned();
        HubOptions { database: self.url.clone(), objects }
    }

    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        let objects = self.objects.path().to_str().unwrap();
        let mut all = vec!["import", "musehub", "--hub-database", &self.url];
        all.extend(["--hub-objects", objects]);
        all.extend(words);
        all
    }

    fn import(&self, store: &Packhouse, words: &[&str]) -> Ran {
        store.run(self.words(words))
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}

/// What a clone of each branch must give: paths and hashes.
fn expected(repo: &str, branch: &str) -> BTreeMap<String, String> {
    let table = std::fs::read_to_string(fixtures::folder().join("musehub/expected.tsv")).unwrap();
    let rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[..2] == [repo, branch])
        .map(|row| (row[3].to_owned(), row[2].to_owned()))
        .collect()
}

fn files(store: &Packhouse, repo: &str, branch: &str) -> BTreeMap<String, String> {
    let listed = store.run(["ls", repo, branch]).ok().documents();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    listed.iter().map(|file| (text(&file["path"]), text(&file["object"]))).collect()
}

fn show(store: &Packhouse, repo: &str) -> Value {
    store.run(["repo", "show", repo]).ok().json()
}

fn kinds(report: &Value) -> BTreeSet<String> {
    let problems = report["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["kind"].as_str().unwrap().to_owned()).collect()
}

/// Both repos are there as the sample says, and every object has its bytes.
fn is_whole(store: &Packhouse) {
    for repo in ["band/score", "band/private-demo"] {
        assert!(expected(repo, "main").len() >= 5);
        assert_eq!(files(store, repo, "main"), expected(repo, "main"), "{repo}");
    }
    store.run(["verify"]).ok();
}

#[test]
fn the_repos_of_a_musehub_come_with_all_that_they_are() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    let reports = museum.import(&store, &["--all"]).ok().documents();
    is_whole(&store);

    let (private, score) = (&reports[0], &reports[1]);
    assert_eq!([&private["repo"], &score["repo"]], ["band/private-demo", "band/score"]);
    let heads = json!({ "bridge": BRIDGE, "main": MAIN });
    assert_eq!((&score["branch_heads"], &score["problems"]), (&heads, &json!([])));
    let shown = show(&store, "band/score");
    for field in ["commits", "snapshots", "objects", "tags", "branch_heads"] {
        assert_eq!(score[field], shown[field], "{field}");
    }
    assert_eq!((&score["commits"], &score["tags"]), (&json!(8), &json!(1)));
    assert_eq!((&score["packs"], &score["bytes"]), (&shown["packs"], &shown["bytes"]));
    assert_eq!([&shown["visibility"], &shown["default_branch"]], ["public", "main"]);
    assert_eq!(show(&store, "band/private-demo")["visibility"], "private");
    let release = store.run(["cat", "band/score", "d184a1c9-aefd-4b07-bf2f-7098fdb8b475"]);
    let release = &release.ok().json()["fields"];
    assert_eq!([&release["tag"], &release["commit_id"]], ["release:v1.0.0", MAIN]);
}

#[test]
fn a_commit_has_the_fields_of_which_its_client_made_the_id() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    museum.import(&store, &["band/score"]).ok();
    let commits = store.run(["log", "band/score"]).ok().documents();
    assert_eq!(commits.len(), 8);
    for commit in commits {
        let id = commit["commit"].as_str().unwrap();
        let fields = store.run(["cat", "band/score", id]).ok().json()["fields"].clone();
        let text = |name: &str| fields[name].as_str().unwrap_or_default();
        let mut parents = [text("parent_commit_id"), text("parent2_commit_id")];
        parents.sort_unstable();
        let parents: Vec<&str> = parents.into_iter().filter(|id| !id.is_empty()).collect();
        let parts =
            [&parents.join("\0"), text("snapshot_id"), text("message"), text("committed_at")];
        assert_eq!(model::key(parts.join("\0").as_bytes()), format!("sha256:{id}"));
    }
}

#[test]
fn a_second_import_brings_only_what_is_new() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    museum.import(&store, &["--all"]).ok();
    let before = show(&store, "band/score");
    let numbers = |report: &Value| {
        ["packs", "commits", "snapshots", "objects", "tags"].map(|name| report[name].clone())
    };
    for report in museum.import(&store, &["--all"]).ok().documents() {
        assert_eq!(numbers(&report), [0, 0, 0, 0, 0], "{report}");
    }
    assert_eq!(show(&store, "band/score"), before);

    let new = museum.put("new");
    // An object that an older commit brought is not brought again.
    museum.commit('c', MAIN, &json!({ "new.txt": new, "verse.txt": VERSE_TEXT, "v": VERSE_TEXT }));
    let report = museum.import(&store, &["band/score"]).ok().json();
    assert_eq!(numbers(&report), [1, 1, 1, 1, 0], "{report}");
    assert_eq!(report["branch_heads"]["main"], "c".repeat(64));
    assert_eq!(files(&store, "band/score", "main")["new.txt"], new);

    museum.sql(&format!(
        "INSERT INTO musehub_wire_tags VALUES ('tag-1', '{SCORE}', '{VERSE}', 'take', now());
         INSERT INTO musehub_branches VALUES ('b', '{SCORE}', 'old', '{VERSE}')"
    ));
    let report = museum.import(&store, &["band/score"]).ok().json();
    assert_eq!(numbers(&report), [1, 0, 0, 0, 1], "a tag and a branch");
    assert_eq!(report["branch_heads"]["old"], VERSE);
    store.run(["verify"]).ok();
}

#[test]
fn a_repo_with_damage_is_named_and_left_out_and_the_others_come() {
    let bad_head = "UPDATE musehub_branches SET head_commit_id = 'seed-1' WHERE name = 'bridge'";
    let bad_file = "UPDATE musehub_snapshots SET manifest = '{\"a.txt\": \"seed-object\"}'
        WHERE snapshot_id IN (SELECT snapshot_id FROM musehub_commits WHERE message = 'verse')";
    let two = format!("INSERT INTO musehub_branches VALUES ('x', '{SCORE}', 'bridge', '{VERSE}')");
    let no_snapshot = format!(
        "DELETE FROM musehub_snapshots WHERE snapshot_id IN
         (SELECT snapshot_id FROM musehub_commits WHERE commit_id = '{VERSE}')"
    );
    let sql: [(&str, &str, String); 7] = [
        ("bad_id", "seed-1", bad_head.into()),
        ("bad_id", "seed-object", bad_file.into()),
        ("two_heads", BRIDGE, two),
        ("missing_snapshot", VERSE, no_snapshot),
        (
            "missing_commit",
            VERSE,
            format!("DELETE FROM musehub_commits WHERE commit_id = '{VERSE}'"),
        ),
        (
            "missing_object",
            VERSE_TEXT,
            format!("DELETE FROM musehub_objects WHERE object_id = '{VERSE_TEXT}'"),
        ),
        (
            "bad_row",
            VERSE,
            format!(
                "UPDATE musehub_commits SET commit_meta = '{{\"x\": \"\\ud800\"}}' WHERE commit_id = '{VERSE}'"
            ),
        ),
    ];
    let damages = sql.iter().map(|(kind, named, sql)| (*kind, *named, Some(sql.as_str())));
    let files = [("missing_bytes", VERSE_TEXT, None), ("wrong_bytes", VERSE_TEXT, None)];
    for (kind, named, sql) in damages.chain(files) {
        let Some(museum) = Museum::new() else { return };
        let store = Packhouse::new();
        match (kind, sql) {
            (_, Some(sql)) => museum.sql(sql),
            ("missing_bytes", _) => {
                std::fs::remove_file(museum.object(SCORE, VERSE_TEXT)).unwrap();
            }
            _ => std::fs::write(museum.object(SCORE, VERSE_TEXT), "other").unwrap(),
        }
        let reports = museum.import(&store, &["--all"]).exits(1).documents();
        let score = &reports[1];
        assert_eq!(kinds(score), BTreeSet::from([kind.to_owned()]), "{score}");
        assert!(score["problems"].to_string().contains(named), "{kind}: {score}");
        assert_eq!([&score["left_out"], &score["packs"]], [&json!(true), &json!(0)], "{kind}");
        if kind.ends_with("_bytes") || kind == "missing_object" {
            assert_eq!(score["problems"][0]["path"], "verse.txt");
        }
        store.run(["repo", "show", "band/score"]).exits(1);
        assert_eq!(show(&store, "band/private-demo")["commits"], 1, "{kind}");
    }
}

#[test]
fn a_shallow_import_is_without_what_is_lost() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    std::fs::remove_file(museum.object(SCORE, VERSE_TEXT)).unwrap();
    let report = museum.import(&store, &["band/score", "--shallow"]).ok().json();
    assert_eq!(kinds(&report), BTreeSet::from(["missing_bytes".to_owned()]));
    assert_eq!(show(&store, "band/score")["branch_heads"]["main"], MAIN);
    store.run(["cat", "band/score", VERSE_TEXT]).exits(1);
}

#[test]
fn several_rows_of_a_branch_are_one_if_one_leads_to_the_others_or_is_chosen() {
    let Some(museum) = Museum::new() else { return };
    museum.sql(&format!(
        "INSERT INTO musehub_branches VALUES ('x', '{SCORE}', 'main', '{VERSE}'), ('y', '{SCORE}', 'main', '{MAIN}'),
             ('z', '{SCORE}', 'bridge', '{VERSE}')"
    ));
    let store = Packhouse::new();
    let branch = format!("bridge={VERSE}");
    let words = ["band/score", "--branch", &branch];
    let report = museum.import(&store, &words).ok().json();
    assert_eq!(report["branch_heads"], json!({ "bridge": VERSE, "main": MAIN }));
}

#[test]
fn the_default_branch_of_the_musehub_is_that_of_the_repo() {
    let Some(museum) = Museum::new() else { return };
    museum.sql("UPDATE musehub_repos SET default_branch = 'bridge' WHERE slug = 'score'");
    let store = Packhouse::new();
    museum.import(&store, &["band/score"]).ok();
    let shown = show(&store, "band/score");
    assert_eq!(shown["default_branch"], "bridge");
    assert_eq!(shown["branch_heads"]["main"], MAIN);
}

#[test]
fn deleted_repos_are_left_out() {
    let Some(museum) = Museum::new() else { return };
    museum.sql("UPDATE musehub_repos SET deleted_at = now() WHERE slug = 'score'");
    let store = Packhouse::new();
    let report = museum.import(&store, &["--all"]).ok().json();
    assert_eq!(report["repo"], "band/private-demo");
    museum.import(&store, &["band/score"]).exits(1).says(&["no repo `band/score`"]);
}

#[test]
fn what_stands_under_a_private_repo_comes_into_its_owners_repos_only() {
    let Some(museum) = Museum::new() else { return };
    let fork = |owner: &str, user: &str, head: &str| {
        museum.sql(&format!(
            "INSERT INTO musehub_repos (repo_id, name, owner, slug, visibility, owner_user_id)
                 VALUES ('{owner}-fork', 'fork', '{owner}', 'fork', 'public', '{user}');
             INSERT INTO musehub_branches VALUES ('{owner}-branch', '{owner}-fork', 'main', '{head}')"
        ));
    };
    fork("eve", "eve-id", PRIVATE_MAIN);
    fork("fan", "fan-id", MAIN);
    fork("band", "23f71c14-36b2-5fc9-8903-464020cbd94d", PRIVATE_MAIN);
    let store = Packhouse::new();
    let eve = museum.import(&store, &["eve/fork"]).exits(1).json();
    assert_eq!(kinds(&eve), BTreeSet::from(["private".to_owned()]));
    store.run(["repo", "show", "eve/fork"]).exits(1);
    // Public ones, and the owner's own, are found by ID, wherever they stand.
    museum.import(&store, &["fan/fork", "band/fork"]).ok();
    assert_eq!(files(&store, "fan/fork", "main"), expected("band/score", "main"));
    assert_eq!(files(&store, "band/fork", "main"), expected("band/private-demo", "main"));
    museum.import(&store, &["eve/fork", "--allow-private"]).ok();
    assert_eq!(files(&store, "eve/fork", "main"), expected("band/private-demo", "main"));

    // An object alone, which a public repo of another owner lists.
    museum.sql(&format!(
        "UPDATE musehub_objects SET repo_id = '{PRIVATE}' WHERE object_id = '{VERSE_TEXT}';
         UPDATE musehub_repos SET owner = 'other' WHERE repo_id = '{PRIVATE}'"
    ));
    let score = museum.import(&store, &["band/score"]).exits(1).json();
    assert_eq!(kinds(&score), BTreeSet::from(["private".to_owned()]));
    assert_eq!(score["problems"][0]["path"], "verse.txt");
}

#[test]
fn a_private_repo_does_not_come_into_a_public_one() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    store.run(["repo", "create", "band/private-demo"]).ok();
    let report = museum.import(&store, &["band/private-demo"]).exits(1).json();
    assert_eq!(kinds(&report), BTreeSet::from(["visibility".to_owned()]));
    assert_eq!(show(&store, "band/private-demo")["commits"], 0);
}

#[test]
fn bytes_are_found_under_every_spelling_of_their_name() {
    let Some(museum) = Museum::new() else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let id = |content: &str| model::key(content.as_bytes());
    let spelled = |content: &str, character| id(content).replace(':', character);
    let put = |path: &Path, content: &str| std::fs::write(path, content).unwrap();

    put(&museum.object(SCORE, &spelled("today", "_")), "today");
    museum.row(&id("today"), "", &format!("'local://{SCORE}/{}'", id("today")));
    put(&museum.object(SCORE, &spelled("before", "-")), "before");
    museum.row(&id("before"), "/nowhere", "NULL");
    let moved = elsewhere.path().join("moved");
    put(&moved, "moved");
    museum.row(&id("moved"), moved.to_str().unwrap(), "NULL");
    // Where it should be there are other bytes; where older versions put it, its own.
    put(&museum.object(SCORE, &spelled("twice", "_")), "damaged");
    put(&museum.object(SCORE, &spelled("twice", "-")), "twice");
    museum.row(&id("twice"), "", &format!("'local://{SCORE}/{}'", id("twice")));
    let names = ["today", "before", "moved", "twice", ""];
    let listed: Value = names.iter().map(|name| (format!("{name}.txt"), json!(id(name)))).collect();
    museum.commit('d', MAIN, &listed);

    let store = Packhouse::new();
    museum.import(&store, &["band/score"]).ok();
    for (path, object) in files(&store, "band/score", "main") {
        let content = store.run(["cat", "band/score", &object]).ok().json()["content"].clone();
        assert_eq!(content, path.strip_suffix(".txt").unwrap());
    }
}

#[test]
fn a_dry_run_says_what_an_import_would_bring_and_changes_nothing() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    let planned = museum.import(&store, &["--all", "--dry-run"]).ok().documents();
    store.run(["repo", "list"]).exits(1).says(&["no store"]);
    let mut done = museum.import(&store, &["--all"]).ok().documents();
    done.iter_mut().for_each(|report| report["dry_run"] = json!(true));
    assert_eq!(planned, done);

    let new = museum.put("new");
    museum.commit('e', MAIN, &json!({ "new.txt": new }));
    std::fs::remove_file(museum.object(SCORE, &new)).unwrap();
    let before = show(&store, "band/score");
    let planned = museum.import(&store, &["band/score", "--dry-run"]).exits(1).json();
    assert_eq!(kinds(&planned), BTreeSet::from(["missing_bytes".to_owned()]));
    assert_eq!(show(&store, "band/score"), before);
}

#[test]
fn bytes_come_from_a_bucket() {
    let Some(museum) = Museum::new() else { return };
    let server = S3Server::start();
    copy(museum.objects.path(), &server.file("objects"));
    museum.sql(
        "UPDATE musehub_objects SET storage_uri = 's3://packhouse-tests/objects/' || repo_id || '/' || object_id,
             disk_path = ''",
    );
    let with_keys = |store: Packhouse| {
        server.env().iter().fold(store, |store, (name, value)| store.with_env(name, value))
    };
    let objects = server.url("");
    let words =
        ["import", "musehub", "--hub-database", &museum.url, "--hub-objects", &objects, "--all"];
    let store = with_keys(Packhouse::new());
    store.run(words).ok();
    is_whole(&store);

    std::fs::remove_file(server.file(&format!("objects/{SCORE}/{VERSE_TEXT}"))).unwrap();
    let store = with_keys(Packhouse::new());
    let reports = store.run(words).exits(1).documents();
    assert_eq!(kinds(&reports[1]), BTreeSet::from(["missing_bytes".to_owned()]));
}

#[test]
fn repos_come_into_the_store_of_a_server() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &[]);
    let words = museum.words(&["--all"]);
    store.run_remote(served.url(), None, &words).ok();
    is_whole(&store);
    for report in store.run_remote(served.url(), None, &words).ok().documents() {
        assert_eq!(report["packs"], 0, "{report}");
    }
}

#[test]
fn what_is_no_musehub_is_refused_before_a_store_is_created() {
    let Some(cluster) = cluster() else { return };
    let (store, objects) = (Packhouse::new(), tempfile::tempdir().unwrap());
    let database = cluster.database("no_musehub");
    let import = |database: &str, objects: &str| {
        store.run([
            "import",
            "musehub",
            "--hub-database",
            database,
            "--hub-objects",
            objects,
            "--all",
        ])
    };
    let folder = objects.path().to_str().unwrap();
    import(&database, folder).exits(1).says(&["not that of a MuseHub"]);
    import("postgres://u:secret@127.0.0.1:1/x", folder)
        .exits(1)
        .says(&["postgres://u@127.0.0.1:1/x"]);
    import(&database, "/nowhere").exits(2).says(&["expected a folder"]);
    store.run(["repo", "list"]).exits(1).says(&["no store"]);
}

#[test]
fn a_repo_is_imported_as_it_was_when_the_import_began() {
    let Some(museum) = Museum::new() else { return };
    let (store, museum) = (Packhouse::new(), std::sync::Arc::new(museum));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let begun = AtomicU32::new(0);
    let there = museum.clone();
    let progress = Progress::new(move |event| {
        if event.phase == Phase::Verify && begun.fetch_add(1, Ordering::Relaxed) == 0 {
            let there = there.clone();
            let delete =
                format!("DELETE FROM musehub_commits WHERE commit_id IN ('{VERSE}', '{MAIN}')");
            std::thread::spawn(move || there.sql(&delete)).join().unwrap();
        }
    });
    let report = runtime.block_on(async {
        let store = packhouse_tests::store::options(&store.data()).open().await.unwrap();
        let hub = Hub::open(&museum.options()).await.unwrap();
        let repos = hub.named(&["band/score".parse().unwrap()]).await.unwrap();
        let options = ImportOptions { max_records: 5, ..ImportOptions::default() };
        import(&hub, &repos[0], Some(&store), &options, &progress).await.unwrap()
    });
    assert_eq!((report.commits, report.problems), (8, Vec::new()));
    assert_eq!(files(&store, "band/score", "main"), expected("band/score", "main"));
}

#[test]
fn an_import_that_was_stopped_goes_on() {
    let Some(museum) = Museum::new() else { return };
    let store = Packhouse::new();
    store.run(["repo", "create", "a/b"]).ok();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (stopped, packs) = runtime.block_on(async {
        let store = packhouse_tests::store::options(&store.data()).open().await.unwrap();
        let hub = Hub::open(&museum.options()).await.unwrap();
        let repos = hub.named(&["band/score".parse().unwrap()]).await.unwrap();
        let options = ImportOptions { max_records: 5, ..ImportOptions::default() };
        let planned = ImportOptions { dry_run: true, ..options.clone() };
        let silent = Progress::silent();
        let packs = import(&hub, &repos[0], Some(&store), &planned, &silent).await.unwrap().packs;

        // Cancelled before the eleventh pack.
        let begun = AtomicU32::new(0);
        let (send, stop) = std::sync::mpsc::channel::<()>();
        let progress = Progress::new(move |event| {
            if event.phase == Phase::Copy && begun.fetch_add(1, Ordering::Relaxed) == 10 {
                send.send(()).unwrap();
            }
        });
        let watching = progress.clone();
        std::thread::spawn(move || stop.recv().map(|()| watching.cancel()));
        let ended = import(&hub, &repos[0], Some(&store), &options, &progress).await;
        (ended, packs)
    });
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    let partial = show(&store, "band/score");
    assert_eq!(partial["branch_heads"], json!({}), "branches move with the last pack");
    let had = partial["packs"].as_u64().unwrap();
    assert!((10..packs).contains(&had), "{had} of {packs}");

    let report = museum.import(&store, &["band/score"]).ok().json();
    let shown = show(&store, "band/score");
    for field in ["commits", "snapshots", "objects"] {
        let count = |of: &Value| of[field].as_u64().unwrap();
        assert_eq!(count(&report), count(&shown) - count(&partial), "{field}");
    }
    assert_eq!(files(&store, "band/score", "main"), expected("band/score", "main"));
    store.run(["verify"]).ok();
}
