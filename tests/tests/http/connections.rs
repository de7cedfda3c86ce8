//! Many connections, idle ones, and those that are at work for long: the server lives, and says so.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use crate::stores::serve::by_hand::{answer, by_hand};

/// The start of an HTTP/2 connection, with empty settings.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// The frame of a request: `GET` of a path, on a stream, with nothing behind it.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x09localhost");
    frame(1, 0x05, stream, &block)
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The kind of the next frame that comes, and its payload.
pub(super) fn next_frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload)?;
    Ok((head[3], payload))
}

/// A connection of HTTP/2 on which a request was answered.
fn used_http2(served: &Served) -> TcpStream {
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&get(1, "/healthz")).unwrap();
    // Until the end of the body.
    while next_frame(&mut stream).unwrap().0 != 0 {}
    stream
}

/// A connection of HTTP/1 on which a request was answered.
fn used_http1(served: &Served) -> TcpStream {
    let mut stream = by_hand(served, "GET /healthz HTTP/1.1", b"");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut told = [0; 15];
    stream.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 200 OK");
    stream
}

/// Waits until the server has ended a connection.
fn has_ended(name: &str, mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let ended = stream.read_to_end(&mut Vec::new());
    let waits = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!ended.as_ref().is_err_and(waits), "{name} is open still");
}

fn is_healthy(served: &Served) {
    let told = answer(by_hand(served, "GET /healthz HTTP/1.1\r\nConnection: close", b""));
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
}

#[test]
fn idle_connections_don_t_take_the_server_down() {
    let store = Packhouse::with_repo();
    let served = Served::with_open_files(&store, 128, &["--insecure-loopback", "--workers", "0"]);
    let mut open = Vec::new();
    for n in 0..150 {
        open.push(match n % 3 {
            0 => used_http2(&served),
            1 => used_http1(&served),
            _ => TcpStream::connect(served.address()).unwrap(),
        });
    }
    is_healthy(&served);
    assert!(
        answer(by_hand(&served, "GET /a/b/refs HTTP/1.1\r\nConnection: close", b""))
            .starts_with("HTTP/1.1 200")
    );
    has_ended("the oldest", open.swap_remove(1));
    let (code, log) = served.stop();
    assert_eq!(code, Some(0), "{log}");
}

/// A connection whose upload has begun, and the first line that it was answered.
fn at_work(served: &Served) -> (TcpStream, [u8; 12]) {
    let head = "POST /a/b/push/objects HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 900000";
    let mut stream = by_hand(served, head, b"");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut told = [0; 12];
    stream.read_exact(&mut told).unwrap();
    (stream, told)
}

#[test]
fn when_all_connections_are_at_work_health_is_answered_and_all_else_is_told_so() {
    let store = Packhouse::with_repo();
    let words = [
        "--insecure-loopback",
        "--workers",
        "0",
        "--connections",
        "10",
        "--connections-of-one",
        "10",
    ];
    let served = Served::start(&store, "127.0.0.1:0", &words);
    let mut open = Vec::new();
    for _ in 0..10 {
        let (stream, told) = at_work(&served);
        assert_eq!(&told, b"HTTP/1.1 100", "the server reads what comes");
        open.push(stream);
    }
    for _ in 0..12 {
        let (stream, told) = at_work(&served);
        assert_eq!(&told, b"HTTP/1.1 503");
        open.push(stream);
        is_healthy(&served);
    }
    let told = answer(by_hand(&served, "GET /a/b/refs HTTP/1.1", b""));
    assert!(
        told.starts_with("HTTP/1.1 503") && told.contains("too many open connections"),
        "{told}"
    );
    drop(open);
    for _ in 0..200 {
        let told = answer(by_hand(&served, "GET /a/b/refs HTTP/1.1\r\nConnection: close", b""));
        if told.starts_with("HTTP/1.1 200") {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("their places are not given back");
}

#[test]
fn one_address_does_not_take_all_connections() {
    let store = Packhouse::with_repo();
    let words = [
        "--insecure-loopback",
        "--workers",
        "0",
        "--connections",
        "10",
        "--connections-of-one",
        "2",
    ];
    let served = Served::start(&store, "127.0.0.1:0", &words);
    let first = used_http1(&served);
    let _others = [used_http1(&served), used_http1(&served)];
    has_ended("the first", first);
}

/// Few files make for few connections, and one address has half of those.
#[test]
fn one_address_does_not_take_all_connections_where_few_files_may_be_open() {
    let store = Packhouse::with_repo();
    let served = Served::with_open_files(&store, 128, &["--insecure-loopback", "--workers", "0"]);
    let mut open = Vec::new();
    // Of 128 files, (128 - 64) / 2 = 32 are for connections.
    for n in 0..20 {
        let (stream, told) = at_work(&served);
        assert_eq!(&told, if n < 16 { b"HTTP/1.1 100" } else { b"HTTP/1.1 503" }, "{n}");
        open.push(stream);
    }
    is_healthy(&served);
}

#[test]
fn a_connection_on_which_nothing_is_asked_for_ends() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0", "--idle", "1s"]);
    for (name, idle) in [
        ("HTTP/2", used_http2(&served)),
        ("HTTP/1", used_http1(&served)),
        ("nothing", TcpStream::connect(served.address()).unwrap()),
    ] {
        has_ended(name, idle);
    }
    is_healthy(&served);
}

#[test]
fn measurements_may_have_an_address_of_their_own() {
    let store = Packhouse::with_repo();
    let served = Served::start(
        &store,
        "127.0.0.1:0",
        &["--workers", "0", "--metrics-listen", "127.0.0.1:0"],
    );
    assert!(
        answer(by_hand(&served, "GET /metrics HTTP/1.1\r\nConnection: close", b""))
            .starts_with("HTTP/1.1 401")
    );
    let mut stream = TcpStream::connect(served.told["metrics"].as_str().unwrap()).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let told = answer(stream);
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("packhouse_repos 1"), "{told}");
    let mut stream = TcpStream::connect(served.told["metrics"].as_str().unwrap()).unwrap();
    stream
        .write_all(b"GET /a/b/refs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(answer(stream).starts_with("HTTP/1.1 404"), "nothing else is there");
    assert_eq!(served.stop().0, Some(0));
}
