//! The least of a server: it reads a request, says what the test made up, and hangs up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What was asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Method and path.
    pub(super) what: String,
    /// All of the head, in lower case but for the first line.
    pub(super) head: String,
    /// The body.
    pub(super) body: Bytes,
}

pub(super) type Log = Arc<Mutex<Vec<Asked>>>;

/// Starts one, and gives its URL and what it was asked.
pub(super) async fn serve(say: impl Fn(&Asked) -> Vec<u8> + Send + 'static) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let log = Log::default();
    let told = log.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let asked = read(&mut stream).await;
            told.lock().unwrap().push(asked.clone());
            // The client may hang up first: that is what some tests are about.
            let _ = stream.write_all(&say(&asked)).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, log)
}

/// A whole answer.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The number after some text of a head.
pub(super) fn number_after(head: &str, text: &str) -> Option<usize> {
    let (_, rest) = head.split_once(text)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

async fn read(stream: &mut TcpStream) -> Asked {
    let mut all = Vec::new();
    let end = loop {
        if let Some(end) = all.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        assert!(stream.read_buf(&mut all).await.unwrap() > 0, "a request without an end");
    };
    let text = String::from_utf8_lossy(&all[..end]).into_owned();
    let (first, rest) = text.split_once("\r\n").unwrap();
    let head = format!("{first}\r\n{}", rest.to_ascii_lowercase());
    let length = number_after(&head, "content-length: ").unwrap_or(0);
    while all.len() < end + length {
        assert!(stream.read_buf(&mut all).await.unwrap() > 0, "a body without an end");
    }
    let what = first.trim_end_matches(" HTTP/1.1").to_owned();
    Asked { what, head, body: Bytes::from(all).slice(end..) }
}
