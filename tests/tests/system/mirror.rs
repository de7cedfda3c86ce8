//! `import URL OWNER/SLUG --mirror`: a job goes on importing what is new.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use packhouse_muse_client::{Files, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::fixtures;
use packhouse_tests::server::Served;
use serde_json::{Value, json};

/// A store with some pushes in `a/b`, and those that follow.
fn source() -> (Packhouse, Vec<PathBuf>) {
    let from = Packhouse::with_repo();
    let mut samples: Vec<PathBuf> = fixtures::muse_cli().into_iter().collect();
    let later = samples.split_off(3);
    from.push(&samples).ok();
    (from, later)
}

fn heads(store: &Packhouse, repo: &str) -> Value {
    store.run(["repo", "show", repo]).ok().json()["branch_heads"].clone()
}

fn mirror(store: &Packhouse, url: &str) -> i64 {
    let report = store.run(["import", url, "c/d", "--mirror", "--every", "1s"]).ok().json();
    report["job"].as_i64().unwrap()
}

/// Looks again and again, for half a minute or more.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(seen) = look() {
            return seen;
        }
        sleep(Duration::from_millis(50));
    }
    panic!("it is never so: {what}")
}

/// Runs what is due; returns the attempts that ended.
fn work_once(store: &Packhouse, words: &[&str]) -> Vec<Value> {
    store.run([&["worker", "--drain", "--no-policies"], words].concat()).ok().documents()
}

/// The same, once something is due.
fn work(store: &Packhouse, words: &[&str]) -> Vec<Value> {
    until("a job is due", || Some(work_once(store, words)).filter(|ended| !ended.is_empty()))
}

fn job(store: &Packhouse, job: i64) -> Value {
    store.run(["jobs", "show", &job.to_string()]).ok().json()
}

#[test]
fn a_mirror_follows_its_source_until_it_is_cancelled() {
    let (from, later) = source();
    let served = Served::trusting(&from, &[]);
    let to = Packhouse::new();
    let number = mirror(&to, &served.remote("a/b"));
    assert_eq!(heads(&to, "c/d"), heads(&from, "a/b"));
    let waiting = job(&to, number);
    let payload = json!({"source": served.remote("a/b"), "every_seconds": 1});
    assert_eq!((&waiting["type"], &waiting["payload"]), (&json!("repo.mirror"), &payload));

    let ended = work(&to, &[]);
    assert_eq!((ended.len(), &ended[0]["outcome"]), (1, &json!("done")));
    assert_eq!(ended[0]["reason"], "no new records at the source");
    from.push(&later).ok();
    assert_ne!(heads(&to, "c/d"), heads(&from, "a/b"));
    let ended = work(&to, &[]);
    assert_eq!((&ended[0]["outcome"], &ended[0]["status"]), (&json!("done"), &json!("queued")));
    assert!(ended[0]["reason"].as_str().unwrap().starts_with("imported "), "{ended:?}");
    assert_eq!(heads(&to, "c/d"), heads(&from, "a/b"));
    assert_eq!(job(&to, number)["attempt"], 0, "each import begins anew");

    // Asked for once more, it is the same job; with another pause, it has to be cancelled first.
    assert_eq!(mirror(&to, &served.remote("a/b")), number);
    to.run(["import", &served.remote("a/b"), "c/d", "--mirror"])
        .exits(1)
        .says(&["already queued", "packhouse jobs cancel"]);
    to.run(["jobs", "cancel", &number.to_string()]).ok();
    assert_eq!(work_once(&to, &[]), Vec::<Value>::new());
    assert_eq!(job(&to, number)["status"], "cancelled", "so it is never due");
}

#[test]
fn a_source_that_is_away_is_asked_again_however_long() {
    let (from, later) = source();
    let served = Served::trusting(&from, &[]);
    let (to, address) = (Packhouse::new(), served.address());
    let number = mirror(&to, &served.remote("a/b"));
    served.stop();
    for _ in 0..3 {
        let ended = work(&to, &["--attempts", "1"]);
        assert_eq!(
            (&ended[0]["outcome"], &ended[0]["status"]),
            (&json!("retry"), &json!("queued"))
        );
        assert!(ended[0]["reason"].as_str().unwrap().contains("can't be reached"), "{ended:?}");
    }
    from.push(&later).ok();
    let _served = Served::start(&from, &address, &["--insecure-loopback"]);
    assert_eq!(work(&to, &[])[0]["outcome"], "done");
    assert_eq!(heads(&to, "c/d"), heads(&from, "a/b"));
    assert_eq!(job(&to, number)["status"], "queued");
}

#[test]
fn a_source_that_never_answers_is_given_up_in_time() {
    let (from, _) = source();
    let served = Served::trusting(&from, &[]);
    let (to, address) = (Packhouse::new(), served.address());
    let number = mirror(&to, &served.remote("a/b"));
    served.stop();
    // It accepts connections, and no more.
    let _silent = TcpListener::bind(&address).unwrap();
    let limit = |attempts| ["--job-timeout", "1s", "--attempts", attempts];
    let ended = work(&to, &limit("2"));
    assert_eq!((&ended[0]["outcome"], &ended[0]["status"]), (&json!("retry"), &json!("queued")));
    let ended = work(&to, &limit("2"));
    assert_eq!((&ended[0]["outcome"], &ended[0]["id"]), (&json!("failed"), &json!(number)));
    assert!(ended[0]["reason"].as_str().unwrap().contains("did not end within 1s"), "{ended:?}");
}

/// Answers a request at an address with an error. `status`: perhaps with headers.
fn failing(address: &str, status: &str, body: &'static str) -> JoinHandle<()> {
    let status = status.to_owned();
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let lines = BufReader::new(client.try_clone().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.is_empty()), "the head ends");
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close"
        );
        client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    })
}

#[test]
fn a_source_that_fails_is_asked_again_and_one_that_refuses_is_not() {
    let (from, _) = source();
    let served = Served::trusting(&from, &[]);
    let (to, address) = (Packhouse::new(), served.address());
    mirror(&to, &served.remote("a/b"));
    served.stop();
    for (status, outcome, words) in [
        ("500 Internal Server Error", "retry", "it answers 500"),
        ("429 Too Many Requests", "retry", "it answers 429"),
        ("404 Not Found", "failed", "busy"),
    ] {
        let answered = failing(&address, status, r#"{"detail": "busy"}"#);
        let ended = work(&to, &[]);
        answered.join().unwrap();
        assert_eq!(ended[0]["outcome"], outcome, "{ended:?}");
        assert!(ended[0]["reason"].as_str().unwrap().contains(words), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_has_diverged_fails_and_is_seen() {
    let from = Packhouse::with_repo();
    let served = Served::trusting(&from, &[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let files = |name: &str| Files::from([(name.to_owned(), name.as_bytes().to_vec().into())]);
    let mut base = Local::new("ann");
    base.commit("main", files("one"), "the first").unwrap();
    base.push(&remote, "main", false).await.unwrap();
    let to = Packhouse::new();
    let number = mirror(&to, &served.remote("a/b"));
    let there = Served::trusting(&to, &["--workers", "0"]);
    let mut other = base.clone();
    other.commit("main", files("here"), "here").unwrap();
    other.push(&Remote::new(&there.remote("c/d"), None).unwrap(), "main", false).await.unwrap();
    base.commit("main", files("there"), "there").unwrap();
    base.push(&remote, "main", false).await.unwrap();

    let before = heads(&to, "c/d");
    let ended = work(&to, &[]);
    assert_eq!((&ended[0]["outcome"], &ended[0]["status"]), (&json!("failed"), &json!("failed")));
    let reason = ended[0]["reason"].as_str().unwrap();
    assert!(reason.contains("main") && reason.contains("jobs retry"), "{reason}");
    assert_eq!(heads(&to, "c/d"), before);
    // One that may move branches is another one.
    let url = served.remote("a/b");
    let forced = ["import", &url, "c/d", "--mirror", "--every", "1s", "--force"];
    assert_ne!(to.run(forced).ok().json()["job"], number);
    assert_eq!(heads(&to, "c/d"), heads(&from, "a/b"));
}

#[test]
fn a_private_source_is_followed_with_the_token_of_the_worker() {
    let (from, to) = (Packhouse::new(), Packhouse::new());
    from.run(["repo", "create", "a/b", "--private"]).ok();
    let mut samples: Vec<_> = fixtures::muse_cli().into_iter().collect();
    let later = samples.split_off(3);
    from.push(&samples).ok();
    let served = Served::start(&from, "127.0.0.1:0", &[]);
    let made = from.run(["token", "create", "--scope", "read", "--repo", "a/b"]).ok().json();
    let token = made["token"].as_str().unwrap();
    let to = to.with_env("PACKHOUSE_SOURCE_TOKEN", token);
    let number = mirror(&to, &served.remote("a/b"));
    from.push(&later).ok();

    let ended = work(&to, &[]);
    assert_eq!(ended[0]["status"], "failed", "the import's token is not kept: {ended:?}");
    let tokens = to.file("tokens", format!("# hubs\n{} {token}\n", served.url()).as_bytes());
    to.run(["jobs", "retry", &number.to_string()]).ok();
    let ended = work(&to, &["--source-tokens", &tokens]);
    assert_eq!(ended[0]["outcome"], "done", "{ended:?}");
    assert_eq!(heads(&to, "c/d"), heads(&from, "a/b"));

    let wrong = to.file("wrong", b"\nsecret\n");
    to.run(["worker", "--drain", "--source-tokens", &wrong]).exits(1).says(&["line 2", "a token"]);
}

#[test]
fn a_mirror_is_queued_on_a_server_by_who_administers_all_of_it() {
    let (from, later) = source();
    let served = Served::trusting(&from, &[]);
    let to = Packhouse::new();
    to.run(["repo", "create", "c/d"]).ok();
    let token = |repo: &str| {
        let made = to.run(["token", "create", "--scope", "admin", "--repo", repo]).ok().json();
        made["token"].as_str().unwrap().to_owned()
    };
    let (of_all, of_one) = (token("*"), token("c/d"));
    let there = Served::start(&to, "127.0.0.1:0", &[]);
    let url = served.remote("a/b");
    let words = ["import", &url, "c/d", "--mirror", "--every", "1s"];
    to.run_remote(there.url(), Some(&of_one), words).exits(1);
    assert_eq!(to.run(["jobs", "list"]).ok().documents(), Vec::<Value>::new());
    to.run_remote(there.url(), Some(&of_all), words).ok();
    from.push(&later).ok();
    until("the server follows by itself", || {
        (heads(&to, "c/d") == heads(&from, "a/b")).then_some(())
    });
}

#[test]
fn a_source_that_redirects_is_refused_and_its_target_is_asked_nothing() {
    let (from, _) = source();
    let served = Served::trusting(&from, &[]);
    let (to, address) = (Packhouse::new(), served.address());
    let number = mirror(&to, &served.remote("a/b"));
    served.stop();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = elsewhere.local_addr().unwrap();
    // To another host, and to another scheme: neither is asked, whatever the token is for.
    for url in [format!("http://{target}/a/b/refs"), format!("https://{target}/a/b/refs")] {
        let tokens = to.file("tokens", format!("http://{address} secret\n").as_bytes());
        let answered = failing(&address, &format!("302 Found\r\nlocation: {url}"), "moved");
        let ended = work(&to, &["--source-tokens", &tokens]);
        answered.join().unwrap();
        assert_eq!(ended[0]["outcome"], "failed", "{ended:?}");
        let reason = ended[0]["reason"].as_str().unwrap();
        assert!(reason.contains("302") && reason.contains("it redirects"), "{reason}");
        let asked = elsewhere.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(asked, Err(ErrorKind::WouldBlock), "{url}");
        to.run(["jobs", "retry", &number.to_string()]).ok();
    }
}

/// Passes connections on to a server. While it is shut, the next one gets nothing back.
struct Gate {
    address: String,
    /// The next connection is held.
    is_shut: Arc<AtomicBool>,
    /// One is held, and its response has come.
    is_holding: Arc<AtomicBool>,
}

impl Gate {
    fn before(server: String) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gate = Gate { address, is_shut: Arc::default(), is_holding: Arc::default() };
        let (is_shut, is_holding) = (gate.is_shut.clone(), gate.is_holding.clone());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let held = is_shut.swap(false, Ordering::SeqCst).then(|| is_holding.clone());
                std::thread::spawn(move || pass_back(server, client, held.as_deref()));
            }
        });
        gate
    }

    fn open(&self) {
        self.is_holding.store(false, Ordering::SeqCst);
    }
}

/// Passes on what a server answers. `held`: only once it is false again.
fn pass_back(mut server: TcpStream, mut client: TcpStream, held: Option<&AtomicBool>) {
    let _ = server.peek(&mut [0]);
    if let Some(held) = held {
        held.store(true, Ordering::SeqCst);
        while held.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5));
        }
    }
    let _ = std::io::copy(&mut server, &mut client);
}

/// The first worker learns the branches of the source and is then stopped for longer than its lease.
/// Another one does the job, and the repo goes on. What the first one knows is old by then, and it would
/// set the branches by force.
#[test]
fn a_worker_that_lost_its_mirror_sets_no_branch() {
    let (from, mut later) = source();
    let last = later.split_off(1);
    let served = Served::trusting(&from, &[]);
    let gate = Gate::before(served.address());
    let to = Packhouse::new();
    let url = format!("http://{}/a/b", gate.address);
    let words = ["import", &url, "c/d", "--mirror", "--every", "1h", "--force"];
    let queued = to.run(words).ok().json()["job"].clone();
    gate.is_shut.store(true, Ordering::SeqCst);
    from.push(&later).ok();
    let words = ["worker", "--drain", "--no-policies", "--lease", "1s", "--name", "slow"];
    let mut slow = to.command(words).stdout(Stdio::piped()).spawn().unwrap();
    until("it asks the source", || gate.is_holding.load(Ordering::SeqCst).then_some(()));
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &slow.id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let ended = work(&to, &["--name", "other"]);
    assert_eq!((&ended[0]["id"], &ended[0]["outcome"]), (&queued, &json!("done")));
    from.push(&last).ok();
    to.run(["import", &served.remote("a/b"), "c/d"]).ok();
    let newest = heads(&from, "a/b");
    assert_eq!(heads(&to, "c/d"), newest);

    gate.open();
    signal("-CONT");
    let mut told = String::new();
    slow.stdout.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(slow.wait().unwrap().success());
    let ended: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((ended.len(), &ended[0]["outcome"]), (1, &json!("lost")), "{told}");
    assert_eq!(heads(&to, "c/d"), newest, "branches stay where they are");
    to.run(["verify", "c/d"]).ok();
}
