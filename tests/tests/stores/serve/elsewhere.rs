//! Packs in a bucket, and a line that is encrypted.

use packhouse_muse_client::{Fetching, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::s3::S3Server;
use packhouse_tests::server::Served;

use super::history::{long, rich};
use super::journey::journey;

#[tokio::test(flavor = "multi_thread")]
async fn a_history_goes_to_a_bucket_and_back() {
    let bucket = S3Server::start();
    journey(&Packhouse::on_s3(&bucket), 300_000, &[Fetching::Direct, Fetching::Mpack]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_of_packs_in_a_bucket_lead_there() {
    let bucket = S3Server::start();
    let store = Packhouse::on_s3(&bucket);
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = rich(10_000);
    local.push(&remote, "main", false).await.unwrap();
    let heads = [local.head("main").unwrap().clone()];
    let url_of = async |is_stored: bool| {
        let answer = remote.fetch_mpack(&heads, &[], Some(60)).await.unwrap();
        let url = answer.mpack_url.clone().unwrap();
        assert_eq!(url.contains("X-Amz-Signature"), is_stored, "{url}");
        assert_eq!(url.starts_with(served.url()), !is_stored, "{url}");
        assert_eq!(remote.download_mpack(&answer).await.unwrap().commits.len(), 4);
    };
    // What is assembled is in no bucket: the server streams it.
    url_of(false).await;
    store.gc();
    url_of(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let store = Packhouse::with_repo();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .unwrap();
    let (certificate, key) = (
        store.file("cert.pem", made.cert.pem().as_bytes()),
        store.file("key.pem", made.signing_key.serialize_pem().as_bytes()),
    );
    store
        .run(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &certificate])
        .exits(2)
        .says(&["--tls-key"]);
    store
        .run(["serve", "--listen", "127.0.0.1:0", "--tls-cert", &key, "--tls-key", &key])
        .exits(1)
        .says(&["certificate", "key.pem"]);
    let served = Served::start(
        &store,
        "127.0.0.1:0",
        &["--workers", "0", "--tls-cert", &certificate, "--tls-key", &key],
    );
    assert!(served.url().starts_with("https://127.0.0.1:"), "{}", served.url());
    let token =
        store.run(["token", "create", "--scope", "push", "--repo", "a/b"]).ok().json()["token"]
            .as_str()
            .unwrap()
            .to_owned();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let remote = Remote::with_client(client, &served.remote("a/b"), Some(token)).unwrap();
    let local = long("ann", 2, 2);
    local.push(&remote, "main", false).await.unwrap();
    for how in [Fetching::Direct, Fetching::Mpack] {
        Local::clone_from(&remote, how).await.unwrap().same_history(&local).unwrap();
    }
    let plain = Remote::new(&served.remote("a/b").replace("https:", "http:"), None).unwrap();
    assert!(plain.refs().await.is_err());
}
