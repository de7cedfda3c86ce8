//! Answers as values: shared, the same before and after a consolidation, and checked on the way.

use std::path::PathBuf;
use std::sync::Arc;

use futures::TryStreamExt;
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Class, Result};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use ring::digest::{SHA256, digest};

use super::{Fixture, history_packs};
use crate::{PlannedAnswer, RequestedCommits};

impl Fixture {
    async fn plan(&self, requested: &RequestedCommits) -> Arc<PlannedAnswer> {
        let permit = async { Ok(()) };
        self.store.plan_fetch(&self.repo, requested, permit).await.unwrap()
    }

    async fn bytes(&self, planned: &Arc<PlannedAnswer>) -> Vec<u8> {
        let all = 0..planned.content.bytes();
        let stream = self.store.open_answer(planned, all).await.unwrap().unwrap();
        stream.try_collect::<Vec<_>>().await.unwrap().concat()
    }

    /// All commits that the first head reaches.
    async fn of_first_head(&self) -> RequestedCommits {
        let heads = self.report().await.branch_heads;
        let want = heads.into_values().take(1).collect();
        let request = FetchRequest { want, ..FetchRequest::default() };
        RequestedCommits::of(&self.repo, &request).unwrap()
    }

    async fn write(&self, requested: &RequestedCommits) -> (Result<Vec<u8>>, PathBuf) {
        let output = self.folder.path().join("out.mpack");
        let _ = std::fs::remove_file(&output);
        let texts =
            |ids: &[packhouse_core::EntityId]| ids.iter().map(|id| id.to_string()).collect();
        let request = FetchRequest {
            want: texts(&requested.want),
            have: texts(&requested.have),
            output: Some(output.clone()),
            ..FetchRequest::default()
        };
        let report = self.store.fetch(&self.repo, &request, &Progress::silent()).await;
        let written = report.map(|report| {
            let bytes = std::fs::read(&output).unwrap();
            let key = format!("sha256:{}", hex::encode(digest(&SHA256, &bytes)));
            assert_eq!(report.mpack_key.unwrap().to_string(), key);
            assert_eq!(report.bytes, bytes.len() as u64);
            assert_eq!(report.mpack_url, format!("file://{}", output.display()));
            bytes
        });
        (written, output)
    }

    /// Files that a fetch may have left beside the user's, or in the store.
    fn left(&self) -> Vec<String> {
        let names = |folder: PathBuf| {
            let files = std::fs::read_dir(folder).into_iter().flatten();
            files.map(|file| file.unwrap().file_name().into_string().unwrap())
        };
        let beside = names(self.folder.path().into()).filter(|name| name.starts_with('.'));
        beside
            .chain(names(self.folder.path().join("answers")))
            .chain(names(self.folder.path().join("staging")))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_share_a_plan_until_the_repo_changes() {
    let fixture = Fixture::with_history().await;
    let requested = fixture.of_first_head().await;
    let (one, other) = tokio::join!(fixture.plan(&requested), fixture.plan(&requested));
    assert!(Arc::ptr_eq(&one, &other));
    assert!(Arc::ptr_eq(&one, &fixture.plan(&requested).await), "it is kept");
    let everything = fixture.plan(&RequestedCommits::default()).await;
    assert!(!Arc::ptr_eq(&one, &everything), "another request");
    let mut pack = packhouse_sample::PackBuilder::new();
    pack.object(b"a new object");
    fixture.push("new.mpack", &pack.finish()).await;
    let after = fixture.plan(&requested).await;
    assert!(!Arc::ptr_eq(&one, &after), "the repo has changed");
    assert_eq!(one.content.etag(), after.content.etag(), "and the answer has not");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_same_bytes_before_and_after_a_consolidation() {
    let fixture = Fixture::with_history().await;
    let halfway = {
        let fixture = Fixture::new().await;
        for (i, pack) in history_packs().into_iter().take(2).enumerate() {
            fixture.push(&format!("{i}.mpack"), &pack).await;
        }
        fixture.of_first_head().await.want
    };
    let mut requests = vec![fixture.of_first_head().await, RequestedCommits::default()];
    requests.push(RequestedCommits { want: Vec::new(), have: halfway });
    let mut before = Vec::new();
    for requested in &requests {
        let planned = fixture.plan(requested).await;
        assert_eq!(planned.content.stored_key(), None, "it is assembled");
        let bytes = fixture.bytes(&planned).await;
        assert_eq!(fixture.write(requested).await.0.unwrap(), bytes);
        let key = fixture.store.key_of_answer(&planned).await.unwrap().unwrap();
        assert_eq!(key.digest(), digest(&SHA256, &bytes).as_ref());
        before.push((planned.content.etag(), bytes));
    }
    assert_eq!(fixture.left(), Vec::<String>::new());
    let progress = Progress::silent();
    fixture.store.gc(&fixture.repo, GcOptions::default(), &progress).await.unwrap();
    for (requested, (etag, bytes)) in requests.iter().zip(before) {
        let planned = fixture.plan(requested).await;
        assert!(fixture.bytes(&planned).await == bytes, "{requested:?}");
        assert!(fixture.write(requested).await.0.unwrap() == bytes, "{requested:?}");
        match planned.content.stored_key() {
            None => assert_eq!(planned.content.etag(), etag),
            Some(key) => assert_eq!(planned.content.etag(), key.hex()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_written_whole_or_not_at_all() {
    let fixture = Fixture::with_history().await;
    let requested = fixture.of_first_head().await;
    let right = fixture.write(&requested).await.0.unwrap();
    // A byte of an object that is sent.
    let keys = fixture.report().await.pack_keys;
    let mut damaged = 0;
    for key in keys {
        let path = fixture.store.vault.open(&key).await.unwrap().unwrap().path;
        let sound = std::fs::read(&path).unwrap();
        let mut bytes = sound.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let (written, output) = fixture.write(&requested).await;
        match written {
            Ok(bytes) => assert!(bytes == right, "it needs nothing of that byte"),
            Err(error) => {
                assert_eq!(error.class(), Class::Damage, "{error}");
                assert!(!output.exists());
                assert_eq!(fixture.report().await.damaged[0].mpack_key, Some(key), "{error}");
                damaged += 1;
            }
        }
        assert_eq!(fixture.left(), Vec::<String>::new());
        std::fs::write(&path, &sound).unwrap();
    }
    assert!(damaged > 0);
    assert!(fixture.write(&requested).await.0.unwrap() == right);
}
