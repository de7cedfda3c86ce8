//! Refusals arrive: as JSON, and whole, also where the client writes all of its body before it
//! reads.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use packhouse_muse_client::{Object, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use serde_json::Value;

use crate::stores::serve::history::{long, noise};

/// What a Muse client accepts.
const ACCEPT: &str = "Accept: application/x-msgpack, application/json";

/// A body as large as the one that was seen to break.
const LARGE: usize = 28_000_000;

/// An answer, read to the end of the connection or of its body.
struct Answered {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answered {
    fn read(mut stream: &TcpStream) -> Answered {
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(end) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&all[..end]).to_lowercase();
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if length.is_some_and(|length: usize| all.len() - end - 4 >= length) {
                    let status = head[9..12].parse().unwrap();
                    return Answered { status, head, body: all[end + 4..].to_vec() };
                }
            }
            let read = stream.read(&mut chunk).expect("an answer comes");
            assert!(read > 0, "no whole answer: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&chunk[..read]);
        }
    }

    /// The reason, which is JSON whatever the client accepts.
    fn detail(&self) -> String {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        let body: Value = serde_json::from_slice(&self.body).expect("it is JSON");
        body["detail"].as_str().expect("it has a detail").to_owned()
    }
}

/// Sends a request with all of its body, and only then reads.
fn ask(served: &Served, request: &str, headers: &[&str], body: &[u8]) -> (TcpStream, Answered) {
    let mut stream = TcpStream::connect(served.address()).unwrap();
    let mut head = format!("{request} HTTP/1.1\r\nHost: localhost\r\n{ACCEPT}\r\n");
    headers.iter().for_each(|header| head += &format!("{header}\r\n"));
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream
        .write_all(body)
        .unwrap_or_else(|error| panic!("{request}: the client would show `{error}`"));
    let answered = Answered::read(&stream);
    (stream, answered)
}

/// Whether the server still answers on a connection.
fn is_open(mut stream: &TcpStream) -> bool {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    Answered::read(stream).status == 200
}

/// A server with the public repo `a/b` and the private `a/shut`, and a token for pushing.
fn place(words: &[&str]) -> (Packhouse, Served, String) {
    let store = Packhouse::with_repo();
    store.run(["repo", "create", "a/shut", "--private"]).ok();
    let token = store.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    let all = [&["--workers", "0"], words].concat();
    let served = Served::start(&store, "127.0.0.1:0", &all);
    (store, served, format!("Authorization: Bearer {}", token["token"].as_str().unwrap()))
}

#[test]
fn every_error_is_json_whatever_the_client_accepts() {
    let (_store, served, token) = place(&["--max-upload", "1000000"]);
    let bearer = token.as_str();
    let bad = "Authorization: Bearer none";
    let json = "Content-Type: application/json";
    let long_list = [b"\x81\xaaobject_ids\xdc\xff\xff".to_vec(), vec![0xa0; 65_535]].concat();
    let presign =
        [b"\x82\xa9direction\xa3put\xaaobject_ids\xdc\xff\xff".to_vec(), vec![0xa0; 65_535]]
            .concat();
    let too_long = vec![0x80; 1_000_001];
    let asked: [(&str, &[&str], &[u8], u16); 24] = [
        ("GET /nowhere", &[], b"", 404),
        ("GET /a/b/nowhere", &[], b"", 404),
        ("GET /a/none/refs", &[], b"", 404),
        ("GET /a/shut/refs", &[], b"", 404),
        ("GET /a/b/packs/sha256:0", &[], b"", 404),
        ("GET /a/b%ff/refs", &[], b"", 404),
        ("GET /a/%ff/packs/x?expires=1", &[], b"", 400),
        ("GET /a/b/refs", &[bad], b"", 401),
        ("POST /a/b/push", &[], b"\x80", 401),
        ("DELETE /a/b/refs", &[bearer], b"", 405),
        ("PUT /health", &[], b"", 405),
        ("POST /a/b/filter-objects", &[], &long_list, 413),
        ("POST /a/b/presign", &[], &presign, 413),
        ("POST /a/b/push/objects", &[bearer], &too_long, 413),
        ("POST /a/b/push", &[bearer], b"\xc1", 422),
        ("POST /a/b/push", &[bearer], b"", 422),
        ("POST /a/b/tags", &[bearer], b"\x90", 422),
        ("POST /a/b/negotiate", &[], b"\x80", 422),
        ("POST /a/b/negotiate", &[json], b"{", 422),
        ("POST /a/b/fetch", &["Accept: application/json"], b"\x80", 422),
        ("GET /admin/v1/status", &[], b"", 401),
        ("GET /admin/v1/status", &[bearer], b"", 403),
        ("GET /admin/v1/nowhere", &[bearer], b"", 404),
        ("PATCH /health", &[bearer], b"", 405),
    ];
    for (request, headers, body, status) in asked {
        let (_, answered) = ask(&served, request, headers, body);
        assert_eq!(
            answered.status,
            status,
            "{request} {headers:?}: {}",
            String::from_utf8_lossy(&answered.body)
        );
        assert!(!answered.detail().is_empty(), "{request}");
    }
}

#[test]
fn too_many_requests_are_refused_in_json_and_after_their_body() {
    let (_store, served, _) = place(&["--rate", "1"]);
    let body = vec![0x80; 3_000_000];
    let statuses: Vec<u16> = (0..40)
        .map(|_| {
            let (_, answered) = ask(&served, "POST /a/b/push", &[], &body);
            assert!(!answered.detail().is_empty());
            answered.status
        })
        .collect();
    assert_eq!((statuses[0], statuses[39]), (401, 429), "{statuses:?}");
}

/// On every route that takes a body, and for every way to be refused.
#[test]
fn a_client_that_writes_all_of_its_body_before_it_reads_gets_the_reason() {
    let (store, served, token) = place(&["--max-upload", "2000000"]);
    let admin = store.run(["token", "create", "--scope", "admin", "--repo", "*"]).ok().json();
    let admin = format!("Authorization: Bearer {}", admin["token"].as_str().unwrap());
    let read = store.run(["token", "create", "--scope", "read", "--repo", "*"]).ok().json();
    let read = format!("Authorization: Bearer {}", read["token"].as_str().unwrap());
    let (bearer, admin, read) = (token.as_str(), admin.as_str(), read.as_str());
    let body = vec![0xc1; LARGE];
    let uploads = ["push/objects", "push", "tags"];
    let small = ["filter-objects", "presign", "negotiate", "fetch", "fetch/mpack"];
    let mut asked: Vec<(String, Vec<&str>, u16)> = Vec::new();
    for route in uploads {
        asked.push((format!("POST /a/b/{route}"), vec![], 401));
        asked.push((format!("POST /a/shut/{route}"), vec![], 404));
        asked.push((format!("POST /a/b/{route}"), vec!["Authorization: Bearer none"], 401));
        asked.push((format!("POST /a/b/{route}"), vec![bearer], 413));
    }
    for route in small {
        asked.push((format!("POST /a/b/{route}"), vec![], 413));
        asked.push((format!("POST /a/none/{route}"), vec![bearer], 404));
    }
    asked.push(("POST /nowhere".into(), vec![], 404));
    asked.push(("PUT /a/b/refs".into(), vec![], 405));
    let json = "Content-Type: application/json";
    asked.push(("POST /admin/v1/repos".into(), vec![json], 401));
    asked.push(("POST /admin/v1/repos".into(), vec![bearer, json], 403));
    asked.push(("POST /admin/v1/repos".into(), vec![admin, json], 413));
    asked.push(("POST /admin/v1/repos/a/b/packs".into(), vec![], 401));
    asked.push(("POST /admin/v1/repos/a/shut/packs".into(), vec![], 404));
    asked.push(("POST /admin/v1/repos/a/b/packs".into(), vec![read], 403));
    asked.push(("POST /admin/v1/repos/a/b/fetch".into(), vec![json], 413));
    asked.push(("POST /admin/v1/repos/a/shut/fetch".into(), vec![json], 404));
    let form = "Content-Type: multipart/form-data; boundary=x";
    // No part of it begins within a mebibyte.
    asked.push(("POST /admin/v1/repos/a/b/packs".into(), vec![admin, form], 422));
    for (request, headers, status) in asked {
        let (stream, answered) = ask(&served, &request, &headers, &body);
        assert_eq!(
            answered.status,
            status,
            "{request} {headers:?}: {}",
            String::from_utf8_lossy(&answered.body)
        );
        assert!(!answered.detail().is_empty(), "{request}");
        assert!(
            is_open(&stream),
            "{request}: the whole body was taken, so the connection is good for more"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_28_mb_without_a_token_is_told_why_not() {
    let (_store, served, _) = place(&[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let object = Object::make(noise(1, LARGE));
    for _ in 0..5 {
        let refused = remote.push_objects(&[object.clone().into()]).await.unwrap_err();
        assert_eq!(refused.status(), Some(401), "{refused}");
        assert!(refused.detail().unwrap().contains("a token is required"), "{refused}");
    }
    // What is refused for what the body says comes after all of it, as before.
    let (store, served, token) = place(&[]);
    let token = token.rsplit(' ').next().unwrap().to_owned();
    let remote = Remote::new(&served.remote("a/b"), Some(token)).unwrap();
    long("ann", 2, 2).push(&remote, "main", false).await.unwrap();
    let refused = long("bob", 2, 2).push(&remote, "main", false).await.unwrap_err();
    assert_eq!(refused.status(), Some(409), "{refused}");
    assert_eq!(store.show()["commits"], 2);
}

#[test]
fn who_waits_for_leave_to_send_is_refused_at_once() {
    let (_store, served, token) = place(&[]);
    let mut stream = TcpStream::connect(served.address()).unwrap();
    let head = "POST /a/b/push HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 28000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let answered = Answered::read(&stream);
    assert_eq!((answered.status, answered.detail().is_empty()), (401, false), "and not 100");
    assert!(answered.head.contains("connection: close"), "{}", answered.head);

    // With the right to push it is asked to go on.
    let mut stream = TcpStream::connect(served.address()).unwrap();
    let head = head.replace("\r\n\r\n", &format!("\r\n{token}\r\n\r\n")).replace("28000000", "1");
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 25];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"\xc1").unwrap();
    assert_eq!(Answered::read(&stream).status, 422);
}

#[test]
fn a_body_without_an_end_is_answered_and_then_the_connection_closes() {
    let (_store, served, _) = place(&[]);
    let stream = TcpStream::connect(served.address()).unwrap();
    let mut sending = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let head =
            "POST /a/b/push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        sending.write_all(head.as_bytes()).unwrap();
        let chunk = [b"100000\r\n".to_vec(), vec![0x80; 1 << 20], b"\r\n".to_vec()].concat();
        // In chunks of 1 MiB: until the server refuses them.
        (0..2000).take_while(|_| sending.write_all(&chunk).is_ok()).count()
    });
    let answered = Answered::read(&stream);
    assert_eq!((answered.status, answered.detail().is_empty()), (401, false));
    assert!(answered.head.contains("connection: close"), "{}", answered.head);
    let taken = sender.join().unwrap();
    assert!((64..512).contains(&taken), "it took {taken} MiB");
    let _ = stream.shutdown(Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_a_refused_body_is_taken_as_well() {
    let (_store, served, _) = place(&[]);
    // Creating a remote installs the TLS provider of the process.
    Remote::new(&served.remote("a/b"), None).unwrap();
    let client = reqwest::Client::builder().http2_prior_knowledge().no_proxy().build().unwrap();
    for (path, status) in [("a/b/push", 401), ("a/shut/push/objects", 404), ("a/b/fetch", 413)] {
        let sent = client
            .post(served.remote(path))
            .header("accept", "application/x-msgpack")
            .body(vec![0xc1; LARGE])
            .send();
        let answer = sent.await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (status, reqwest::Version::HTTP_2),
            "{path}"
        );
        let body: Value = answer.json().await.unwrap();
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{path}");
    }
}

#[test]
fn a_hub_that_is_pinged_says_that_it_is_well() {
    let (_store, served, _) = place(&["--rate", "1"]);
    for _ in 0..30 {
        let (_, answered) = ask(&served, "GET /health", &[], b"");
        let body: Value = serde_json::from_slice(&answered.body).unwrap();
        assert_eq!((answered.status, &body["status"]), (200, &"ok".into()), "{body}");
    }
}
