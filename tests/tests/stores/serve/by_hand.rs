//! Requests by hand, such as no client sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

/// A request by hand.
pub(crate) fn by_hand(served: &Served, head: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.write_all(format!("{head}\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

pub(crate) fn answer(stream: TcpStream) -> String {
    answer_within(Duration::from_secs(20), stream)
}

/// The response until the server closes, or is silent for so long.
pub(crate) fn answer_within(silence: Duration, mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    stream.set_read_timeout(Some(silence)).unwrap();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

pub(crate) fn is_healthy(served: &Served) {
    let response = answer(by_hand(served, "GET /healthz HTTP/1.1\r\nConnection: close", b""));
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
}

pub(crate) fn token(store: &Packhouse, scope: &str, reach: &str) -> String {
    let made = store.run(["token", "create", "--scope", scope, "--repo", reach]).ok().json();
    made["token"].as_str().unwrap().to_owned()
}
