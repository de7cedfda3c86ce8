//! A store behind a server answers what the same store on this machine does, and fails with the
//! same messages; a lost connection loses no work.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_host::{Class, Error, Inspect, Progress, Remote, RemoteOptions, VerifyOptions};
use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::server::Served;
use serde_json::{Value, json};

/// What differs between two stores of the same content: times, drawn ids, and what is made of them.
const OF_THE_MOMENT: [&str; 18] = [
    "created_at",
    "finished_at",
    "started_at",
    "run_at",
    "lease_until",
    "expires_at",
    "revoked_at",
    "elapsed_ms",
    "expected_ms",
    "repo_id",
    "mpack_url",
    "next_due",
    "due_at",
    "replaced_at",
    "oldest_check",
    "oldest_unconsolidated",
    "id",
    "token",
];

fn timeless(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                // A number of a job is the same in both; the id of a token is not.
                if OF_THE_MOMENT.contains(&name.as_str()) && !value.is_number() {
                    *value = json!(!value.is_null());
                } else if name.ends_with("_ms") {
                    *value = json!(true);
                } else {
                    timeless(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(timeless),
        _ => {}
    }
}

fn documents(store: &Packhouse, ran: &Ran) -> Vec<Value> {
    // Where a store is differs as well.
    let told =
        Ran { stdout: ran.stdout.replace(store.data().to_str().unwrap(), "DATA"), ..ran.clone() };
    let mut documents = told.documents();
    documents.iter_mut().for_each(timeless);
    documents
}

/// Two stores that are asked the same: one here, one behind a server.
struct Both {
    here: Packhouse,
    there: Packhouse,
    served: Served,
}

impl Both {
    fn new() -> Both {
        let (here, there) = (Packhouse::new(), Packhouse::new());
        let served = Served::trusting(&there, &["--workers", "0"]);
        Both { here, there, served }
    }

    /// Asks both, and compares exit codes and answers.
    #[track_caller]
    fn ask(&self, words: &[&str]) -> Ran {
        let here = self.here.run(words);
        let there = self.there.run_remote(self.served.url(), None, words);
        assert_eq!(
            here.code, there.code,
            "{words:?}\nhere: {}\nthere: {}",
            here.stderr, there.stderr
        );
        assert_eq!(documents(&self.here, &here), documents(&self.there, &there), "{words:?}");
        there
    }
}

#[test]
fn every_verb_answers_the_same_here_and_there() {
    let both = Both::new();
    let options = HistoryOptions { seed: 4, pushes: 3, overlap: true, ..HistoryOptions::default() };
    let files = write_history(both.here.scratch(), &options).unwrap();
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let bad = both.here.file("bad.mpack", b"\x81\xa7objects\xc0 and more");
    let fork = HistoryOptions { seed: 5, pushes: 1, ..HistoryOptions::default() };
    let other = both.here.scratch().join("fork");
    std::fs::create_dir(&other).unwrap();
    let fork = write_history(&other, &fork).unwrap().remove(0);
    let fork = fork.to_str().unwrap();
    let output = both.here.scratch().join("out.mpack");
    let output = output.to_str().unwrap();
    let unknown = "0".repeat(64);
    let calls: &[&[&str]] = &[
        &["repo", "create", "a/b"],
        &["repo", "create", "a/b"],
        &["repo", "create", "c/private", "--private"],
        &["repo", "list"],
        &["repo", "show", "x/y"],
        &["push", "x/y", files[0]],
        &["push", "a/b", "/no/such/file"],
        &["push", "a/b", &bad],
        &["push", "a/b", files[0]],
        &["push", "a/b", files[0]],
        &["push", "a/b", files[1], files[2]],
        &["push", "a/b", fork],
        &["repo", "show", "a/b"],
        &["policy", "check"],
        &["policy", "set", "a/b", "--max-packs", "2", "--max-age", "8d"],
        &["policy", "set", "a/b", "--max-packs", "0"],
        &["policy", "show", "a/b"],
        &["policy", "check", "--queue", "a/b"],
        &["policy", "set", "a/b", "--default"],
        &["policy", "set", "--off"],
        &["policy", "show"],
        &["jobs", "list"],
        &["jobs", "show", "1"],
        &["jobs", "retry", "1"],
        &["jobs", "cancel", "1"],
        &["jobs", "cancel", "1"],
        &["jobs", "retry", "1"],
        &["jobs", "show", "99"],
        &["gc", "--async", "a/b"],
        &["verify", "--async", "a/b"],
        &["prune", "--async"],
        &["jobs", "list", "--status", "queued", "--repo", "a/b", "--limit", "1"],
        &["jobs", "list", "--repo", "x/y"],
        &["gc", "--dry-run", "--all"],
        &["fetch", "a/b"],
        &["gc", "a/b", "c/private", "x/y"],
        &["gc", "--all"],
        &["verify"],
        &["verify", "x/y"],
        &["fetch", "a/b", "--want", &unknown],
        &["fetch", "a/b", "--want", "nonsense"],
        &["fetch", "a/b", "--output", output],
        &["prune", "--dry-run", "--grace", "0"],
        &["prune", "--grace", "0"],
        &["repo", "list"],
        &["push", "--async", "a/b", fork],
        &["push", "--force", "a/b", fork],
        &["gc", "a/b", "--expire-unreachable", "0s"],
        &["token", "create", "--scope", "read", "--repo", "a/b"],
        &["token", "list"],
        &["token", "revoke", "0000000000000000"],
        &["repo", "restore", "c/private"],
        &["repo", "restore", "c/never"],
        &["repo", "delete", "c/private"],
        &["repo", "delete", "c/private", "--yes"],
        &["repo", "delete", "c/private", "--yes"],
        &["repo", "list"],
        &["repo", "restore", "c/private"],
        &["repo", "delete", "c/private", "--yes"],
        &["prune", "--grace", "0"],
        &["repo", "restore", "c/private"],
    ];
    for words in calls {
        both.ask(words);
    }
    // Damage, too, is the same damage.
    for store in [&both.here, &both.there] {
        store.pack_files().iter().for_each(|file| std::fs::write(file, b"rotten").unwrap());
    }
    let verified = both.ask(&["verify", "a/b"]);
    assert_eq!((verified.code, verified.json()["ok"].clone()), (4, json!(false)));
    assert_eq!(both.ask(&["fetch", "a/b"]).code, 4);
}

#[test]
fn a_fetched_pack_is_what_its_key_names_and_is_there_whole_or_not_at_all() {
    let both = Both::new();
    both.ask(&["repo", "create", "a/b"]);
    let files = write_history(both.here.scratch(), &HistoryOptions::default()).unwrap();
    both.ask(&["push", "a/b", files[0].to_str().unwrap()]);
    let output = both.there.scratch().join("out.mpack");
    let words = ["fetch", "a/b", "--output", output.to_str().unwrap()];
    let answer = both.there.run_remote(both.served.url(), None, words).ok().json();
    assert_eq!(answer["mpack_key"], packhouse_tests::model::key(&std::fs::read(&output).unwrap()));
    assert!(answer["mpack_url"].as_str().unwrap().starts_with(both.served.url()), "{answer}");
    let folder = both.there.scratch();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
    let words = ["fetch", "a/b", "--output", folder.to_str().unwrap()];
    both.there.run_remote(both.served.url(), None, words).exits(2).says(&["is not a regular file"]);
}

#[test]
fn what_makes_no_sense_from_afar_is_refused_with_where_to_do_it() {
    let there = Packhouse::new();
    let url = "http://127.0.0.1:1";
    for words in
        [&["worker", "--drain"][..], &["migrate"], &["serve"], &["gc", "a/b", "--record", "tape"]]
    {
        there.run_remote(url, None, words).exits(2).says(&["without --remote"]);
    }
    there.run_remote(url, None, ["repo", "list"]).exits(1).says(&["can't be reached", url]);
    there.run_remote(url, None, ["gc", "a/b"]).exits(1).says(&["can't be reached"]);
    there
        .run_remote("http://packs.example", Some("secret"), ["repo", "list"])
        .exits(2)
        .says(&["https://"]);
    there.run_remote("nonsense", None, ["repo", "list"]).exits(2).says(&["http://HOST"]);
    there
        .run_remote(url, None, ["repo", "list", "--data", "d"])
        .exits(2)
        .says(&["--data", "--remote"]);
    assert_eq!(
        there.run_remote(url, None, ["component"]).ok().documents().len(),
        1,
        "what needs no store asks none"
    );
    let doctor = there.run_remote(url, None, ["doctor"]).exits(1);
    assert!(doctor.stdout.contains("can't be reached"), "{}", doctor.stdout);
}

/// What a made-up server answers to `METHOD PATH`, the nth time that it is asked that: status,
/// body, and whether it stays on the line.
type Script = dyn Fn(&str, usize, &str) -> (u16, String, bool) + Send + Sync;

/// A server that says what a test makes up. Gives its URL, and what it was asked.
fn made_up(
    script: impl Fn(&str, usize, &str) -> (u16, String, bool) + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (script, asked): (Arc<Script>, _) =
        (Arc::new(script), Arc::<Mutex<Vec<String>>>::default());
    let told = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (script, told) = (script.clone(), told.clone());
            std::thread::spawn(move || answer(stream.unwrap(), &*script, &told));
        }
    });
    (url, asked)
}

fn answer(stream: TcpStream, script: &Script, told: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).unwrap();
    let mut words = head.split_whitespace();
    let what =
        format!("{} {}", words.next().unwrap(), words.next().unwrap().rsplit_once('/').unwrap().1);
    let what = if what.starts_with("GET") {
        "GET events".to_owned()
    } else {
        what.split(' ').next().unwrap().to_owned()
    };
    let nth = {
        let mut told = told.lock().unwrap();
        told.push(what.clone());
        told.iter().filter(|before| **before == what).count()
    };
    let (status, body, stays) = script(&what, nth, &head);
    let mut stream = stream;
    let _ = write!(stream, "HTTP/1.1 {status} X\r\nconnection: close\r\n\r\n{body}");
    let _ = stream.flush();
    if stays {
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn run_report() -> String {
    json!({"id": "0".repeat(32), "kind": "verify", "repo": "a/b", "state": "running", "started_at": "2026-01-01T00:00:00Z",
        "finished_at": null, "seq": 0, "result": null, "problem": null})
    .to_string()
}

fn progress(id: u64, phase: &str, done: u64) -> String {
    let step = json!({"repo": "a/b", "phase": phase, "done": done, "total": 9});
    format!("id: {id}\nevent: progress\ndata: {step}\n\n")
}

fn done(id: u64) -> String {
    let report = json!({"repo": "a/b", "packs_checked": 1, "objects_checked": 2, "bytes_checked": 3, "ok": true, "problems": []});
    format!("id: {id}\nevent: done\ndata: {}\n\n", json!({"report": report}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_outlives_a_line_that_breaks_and_a_server_that_forgets() {
    let (url, asked) = made_up(|what, nth, head| match (what, nth) {
        ("PUT", _) => (202, run_report(), false),
        ("GET events", 1) => (200, ": hello\n\n".to_owned() + &progress(7, "verifying", 1), false),
        // It comes back with the last number, to a proxy without a server, and to a restarted
        // server.
        ("GET events", 2) if head.contains("last-event-id: 7\r\n") => (502, "no".into(), false),
        ("GET events", 3) if head.contains("last-event-id: 7\r\n") => {
            (404, r#"{"detail":"no run","class":"refused"}"#.into(), false)
        }
        ("GET events", 4) if head.contains("last-event-id: 0\r\n") => {
            (200, progress(1, "verifying", 9) + &done(2), false)
        }
        other => panic!("{other:?}: {head}"),
    });
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = heard.clone();
    let progress = Progress::new(move |event| sink.lock().unwrap().push(event.done));
    let remote = Remote::new(RemoteOptions::of(url)).unwrap();
    let report =
        remote.verify(&"a/b".parse().unwrap(), VerifyOptions::default(), &progress).await.unwrap();
    assert!(report.ok && report.bytes_checked == 3);
    assert_eq!(*heard.lock().unwrap(), [1, 9]);
    let events = ["GET events", "GET events", "GET events"];
    assert_eq!(
        asked.lock().unwrap()[..],
        ["PUT", events[0], events[1], events[2], "PUT", "GET events"]
    );
    assert!(remote.connection().unwrap().borrow().down.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_stops_tells_the_server_and_waits_for_the_end() {
    let stopped = Arc::new(std::sync::Barrier::new(2));
    let told = stopped.clone();
    let (url, asked) = made_up(move |what, nth, _| match (what, nth) {
        ("PUT", _) => (202, run_report(), false),
        ("GET events", 1) => (200, progress(1, "verifying", 1), true),
        ("DELETE", 1) => {
            told.wait();
            (202, run_report(), false)
        }
        other => panic!("{other:?}"),
    });
    let progress = Progress::silent();
    let remote = Remote::new(RemoteOptions {
        reconnect_timeout: Some(Duration::ZERO),
        ..RemoteOptions::of(url)
    })
    .unwrap();
    let (asking, repo) = (progress.clone(), "a/b".parse().unwrap());
    let running =
        tokio::spawn(async move { remote.verify(&repo, VerifyOptions::default(), &asking).await });
    progress.cancel();
    tokio::task::spawn_blocking(move || stopped.wait()).await.unwrap();
    assert!(!running.is_finished(), "the run has not ended yet");
    assert!(asked.lock().unwrap().contains(&"DELETE".to_owned()));
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_something_else_is_not_believed() {
    let remote = |status: u16, body: &'static str| {
        let (url, _) = made_up(move |_, _, _| (status, body.to_owned(), false));
        Remote::new(RemoteOptions::of(url)).unwrap()
    };
    let words = |error: Error| match error {
        Error::Remote { class, message } => (class, message),
        other => panic!("{other}"),
    };
    let (class, message) = words(remote(200, "<html>").status().await.unwrap_err());
    assert!(class == Class::Refused && message.contains("is not understood"), "{message}");
    let (_, message) = words(remote(302, "").status().await.unwrap_err());
    assert!(message.contains("it redirects"), "{message}");
    let (class, message) =
        words(remote(409, r#"{"detail":"busy","class":"conflict"}"#).status().await.unwrap_err());
    assert_eq!((class, message.as_str()), (Class::Conflict, "busy"));
}
