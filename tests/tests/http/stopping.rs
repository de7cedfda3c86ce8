//! Asked to stop, killed, started again.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use packhouse_muse_client::{Fetching, Local, Object, Remote, Upload};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use crate::stores::serve::history::{long, noise};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_under_way_ends_before_the_server_does() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--patience", "20s"]);
    let body = rmp(&noise(1, 400_000));
    let mut stream = TcpStream::connect(served.address()).unwrap();
    let head = format!(
        "POST /a/b/push/objects HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body[..200_000]).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    served.signal(rustix::process::Signal::TERM);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(TcpStream::connect(served.address()).is_err(), "nobody new is let in");
    stream.write_all(&body[200_000..]).unwrap();
    let mut answer = [0; 15];
    std::io::Read::read_exact(&mut stream, &mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let mut served = served;
    let (code, log) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(store.show()["objects"], 1);
}

fn rmp(content: &[u8]) -> Vec<u8> {
    use rmpv::Value;
    let object = Object::make(bytes::Bytes::copy_from_slice(content));
    let fields = vec![
        (Value::from("content"), Value::Binary(content.to_vec())),
        (Value::from("path"), Value::from("a/b")),
        (Value::from("object_id"), Value::from(object.id.as_str())),
    ];
    let mut out = Vec::new();
    let body = Value::Map(vec![(Value::from("objects"), Value::Array(vec![Value::Map(fields)]))]);
    rmpv::encode::write_value(&mut out, &body).unwrap();
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_never_ends_is_given_up_after_the_shutdown_timeout() {
    let store = Packhouse::with_repo();
    let mut served = Served::trusting(&store, &["--patience", "1s"]);
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.write_all(b"POST /a/b/push/objects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\nxxx").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    served.signal(rustix::process::Signal::TERM);
    let (code, log) = served.ended();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(std::fs::read_dir(store.data().join("staging")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_outlive_the_server_that_gave_them() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = long("ann", 2, 3);
    local.push(&remote, "main", false).await.unwrap();
    let answer =
        remote.fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(600)).await.unwrap();
    let (address, log) = (served.address(), served.kill());
    assert!(!log.contains("signature="), "{log}");
    let served = Served::start(&store, &address, &["--insecure-loopback"]);
    assert_eq!(remote.download_mpack(&answer).await.unwrap().commits.len(), 2);
    drop(served);
}

/// A client whose server dies again and again uploads everything in the end.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_pushes_it_goes_on_where_it_was() {
    let store = Packhouse::with_repo();
    let mut served = Served::trusting(&store, &["--rate", "0"]);
    let (address, url) = (served.address(), served.remote("a/b"));
    let local = long("ann", 6, 150);
    let pushing = tokio::spawn({
        let (local, remote) = (local.clone(), Remote::new(&url, None).unwrap());
        async move {
            let mut tries = 1;
            while let Err(error) = local.push(&remote, "main", false).await {
                assert!(error.status().is_none_or(|status| status == 503), "{error}");
                tries += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tries
        }
    });
    for pause in [120, 260, 90, 400] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        served.kill();
        served = Served::start(&store, &address, &["--insecure-loopback", "--rate", "0"]);
    }
    let tries = pushing.await.unwrap();
    let clone =
        Local::clone_from(&Remote::new(&url, None).unwrap(), Fetching::Direct).await.unwrap();
    clone.same_history(&local).unwrap();
    assert_eq!(store.run(["verify", "a/b"]).ok().json()["ok"], true);
    println!("pushed with {tries} tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_stored_before_the_kill_is_not_sent_again() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &[]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let object = Object::make(noise(5, 1000));
    remote.push_objects(&[Upload::from(object.clone())]).await.unwrap();
    let address = served.address();
    served.kill();
    let _served = Served::start(&store, &address, &["--insecure-loopback"]);
    assert!(remote.filter_objects(&[object.id]).await.unwrap().missing.is_empty());
}
