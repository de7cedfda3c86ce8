//! The rules that hold for every request.

use super::scripted::{answer, number_after, serve};
use crate::wire::Out;
use crate::{Error, Id, Remote, remote};

fn refs() -> Vec<u8> {
    let mut out = Out::default();
    out.map(4)
        .text("repo_id")
        .text("r")
        .text("domain")
        .text("code")
        .text("default_branch")
        .text("main");
    answer("200 OK", "", &out.text("branch_heads").map(0).take())
}

#[tokio::test]
async fn requests_carry_the_headers_of_the_client() {
    let (url, log) = serve(|_| refs()).await;
    let remote = Remote::new(&format!("{url}/gabriel/score/"), Some("secret".to_owned())).unwrap();
    assert_eq!(remote.refs().await.unwrap().default_branch.as_deref(), Some("main"));
    remote.negotiate(&[Id::from("want")], &[]).await.unwrap_err();
    let log = log.lock().unwrap();
    assert_eq!(log[0].what, "GET /gabriel/score/refs");
    assert_eq!(log[1].what, "POST /gabriel/score/negotiate");
    for asked in log.iter() {
        assert!(asked.head.contains("\r\naccept: application/x-msgpack, application/json\r\n"));
        assert!(asked.head.contains("\r\nauthorization: bearer secret\r\n"));
    }
    assert!(log[1].head.contains("\r\ncontent-type: application/x-msgpack\r\n"));
    assert_eq!(
        log[1].body,
        Out::default().map(2).text("want").array(1).text("want").text("have").array(0).take()
    );
}

#[test]
fn a_token_goes_to_loopback_or_over_tls() {
    let to = |url: &str| Remote::new(url, Some("secret".to_owned()));
    for url in [
        "http://127.0.0.1:1/o/s",
        "http://[::1]/o/s",
        "http://localhost/o/s",
        "https://example.com/o/s",
    ] {
        to(url).unwrap();
    }
    for url in ["http://example.com/o/s", "http://127.0.0.1.example.com/o/s", "http://10.0.0.1/o/s"]
    {
        assert!(matches!(to(url), Err(Error::TokenInTheClear { .. })), "{url}");
        Remote::new(url, None).unwrap();
    }
    for url in ["ftp://127.0.0.1/o/s", "o/s", "http://127.0.0.1/o/s?x=1"] {
        assert!(matches!(to(url), Err(Error::Url { .. })), "{url}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_status_and_detail() {
    let (url, _) =
        serve(|_| answer("409 Conflict", "", br#"{"detail": "not yours", "class": "conflict"}"#))
            .await;
    let error = Remote::new(&url, None).unwrap().refs().await.unwrap_err();
    assert_eq!((error.status(), error.detail()), (Some(409), Some("not yours")));
    // The real client decodes no refusal: one in MessagePack is shown as it is.
    let (url, _) = serve(|_| {
        answer("409 Conflict", "", &Out::default().map(1).text("detail").text("not yours").take())
    })
    .await;
    let error = Remote::new(&url, None).unwrap().refs().await.unwrap_err();
    assert_eq!(error.detail(), Some("\u{fffd}\u{fffd}detail\u{fffd}not yours"));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let say =
        |to: &'static str| move |_: &_| answer("302 Found", &format!("location: {to}\r\n"), b"");
    let (url, log) = serve(say("/elsewhere")).await;
    let error = Remote::new(&url, None).unwrap().refs().await.unwrap_err();
    assert!(
        matches!(&error, Error::Redirect { status: 302, location, .. } if location == "/elsewhere"),
        "{error}"
    );
    assert_eq!(log.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_client_that_follows_redirects_is_found_out() {
    let moved = |asked: &super::scripted::Asked| match asked.what.as_str() {
        "GET /refs" => answer("302 Found", "location: /elsewhere\r\n", b""),
        _ => refs(),
    };
    let (url, _) = serve(moved).await;
    // Creating a remote installs the TLS provider of the process.
    Remote::new(&url, None).unwrap();
    let follows = reqwest::Client::builder().build().unwrap();
    let error = Remote::with_client(follows, &url, None).unwrap().refs().await.unwrap_err();
    assert!(matches!(error, Error::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let claimed =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", remote::ANSWER_LIMIT + 1);
    let (url, _) = serve(move |_| claimed.clone().into_bytes()).await;
    let error = Remote::new(&url, None).unwrap().refs().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");

    let (url, _) = serve(|_| b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n12345".to_vec()).await;
    for (limit, whole) in [(5, true), (4, false)] {
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(remote::read("GET /", answer, limit).await.is_ok(), whole);
    }
}

/// Serves bytes, and breaks off every answer after `most` of them.
fn broken(
    bytes: Vec<u8>,
    most: usize,
    honours_ranges: bool,
) -> impl Fn(&super::scripted::Asked) -> Vec<u8> {
    move |asked| {
        let from = number_after(&asked.head, "range: bytes=").filter(|_| honours_ranges);
        let last = bytes.len() - 1;
        let (status, headers) = match from {
            Some(from) => (
                "206 Partial Content",
                format!("content-range: bytes {from}-{last}/{}\r\n", bytes.len()),
            ),
            None => ("200 OK", String::new()),
        };
        let mut said =
            answer(status, &format!("{headers}etag: \"e\"\r\n"), &bytes[from.unwrap_or(0)..]);
        let body = bytes.len() - from.unwrap_or(0);
        said.truncate(said.len() - body.saturating_sub(most));
        said
    }
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke() {
    let bytes: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
    let (url, log) = serve(broken(bytes.clone(), 1500, true)).await;
    let remote = Remote::new(&url, Some("secret".to_owned())).unwrap();
    assert_eq!(remote.download(&format!("{url}/pack")).await.unwrap(), bytes);
    let heads: Vec<String> = log.lock().unwrap().iter().map(|asked| asked.head.clone()).collect();
    assert_eq!(
        heads.iter().map(|head| number_after(head, "range: bytes=")).collect::<Vec<_>>(),
        [None, Some(1500), Some(3000)]
    );
    assert!(heads[1].contains("if-range: \"e\""));
    assert!(heads.iter().all(|head| !head.contains("secret")));
}

#[tokio::test]
async fn a_client_can_break_off_by_itself() {
    let bytes: Vec<u8> = (0..1000_u32).flat_map(u32::to_le_bytes).collect();
    let (url, log) = serve(broken(bytes.clone(), usize::MAX, true)).await;
    let remote = Remote::new(&url, None).unwrap().hanging_up_every(1000);
    assert_eq!(remote.download("/pack").await.unwrap(), bytes);
    assert_eq!(log.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn a_download_that_gets_nowhere_ends() {
    let (url, log) = serve(broken(vec![7; 100], 50, false)).await;
    Remote::new(&url, None).unwrap().download("/pack").await.unwrap_err();
    assert!(log.lock().unwrap().len() < 10);
}
