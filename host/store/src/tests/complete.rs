//! Law 13: a clone of a repo with one complete pack is that pack, and nothing of it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;

use packhouse_catalog::{CompletePackRow, entity_key};
use packhouse_core::record::{Commit, Snapshot, Tag};
use packhouse_core::{EntityId, Kind, Row};
use packhouse_model::client::{FetchRequest, PushOptions};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::operation::{GcOptions, VerifyOptions};
use packhouse_model::progress::Progress;
use packhouse_model::report::FetchReport;
use packhouse_pack::ScannedPack;

use super::{Fixture, history_packs};
use crate::complete::complete_pack;
use crate::load::examine;

impl Fixture {
    async fn complete(&self) -> Option<CompletePackRow> {
        let row = self.store.catalog.repo(&self.repo).await.unwrap().unwrap();
        self.store.catalog.snapshot(row.id).await.unwrap().complete_pack().await.unwrap()
    }

    async fn gc(&self) {
        self.store.gc(&self.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    }

    async fn try_fetch(&self, request: FetchRequest) -> Result<FetchReport> {
        self.store.fetch(&self.repo, &request, &Progress::silent()).await
    }

    /// A clone that is planned, whatever was recorded of packs.
    async fn planned(&self) -> FetchReport {
        let row = self.store.catalog.repo(&self.repo).await.unwrap().unwrap();
        if let Some(found) = self.complete().await {
            self.store.note_complete(&row, &found.pack.key, None).await;
        }
        self.fetch().await
    }

    /// Flips a byte in the middle of a pack.
    async fn spoil(&self, clone: &FetchReport) {
        let stored = self.store.vault.open(&clone.mpack_key.unwrap()).await.unwrap().unwrap();
        let file = File::options().read(true).write(true).open(&stored.path).unwrap();
        let (mut byte, at) = ([0], stored.bytes / 2);
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
}

/// What a client learns of an answer, without its time.
fn told(report: &FetchReport) -> (String, [u64; 5], u64, bool) {
    let counts = [
        report.commit_count,
        report.snapshot_count,
        report.object_count,
        report.tag_count,
        report.missing,
    ];
    (report.mpack_key.unwrap().to_string(), counts, report.bytes, report.reused)
}

#[tokio::test]
async fn law_13_a_clone_of_a_complete_pack_reads_nothing_of_it() {
    let fixture = Fixture::with_history().await;
    let found = fixture.complete().await.expect("the first push was checked");
    assert!(found.mapped < found.pack.records, "of which a later one has taken some");
    assert!(!fixture.fetch().await.reused);
    fixture.gc().await;
    let found = fixture.complete().await.expect("gc has checked it");
    assert_eq!((found.mapped, found.complete.counts.total()), (found.pack.records, found.mapped));
    let clone = fixture.fetch().await;
    // Directories are not needed, and a changed byte is not noticed: nothing is read.
    let stored = fixture.store.vault.open(&clone.mpack_key.unwrap()).await.unwrap().unwrap();
    std::fs::write(stored.path.with_extension("dir"), b"nonsense").unwrap();
    fixture.spoil(&clone).await;
    assert_eq!(told(&fixture.fetch().await), told(&clone));
    assert_eq!(std::fs::read(stored.path.with_extension("dir")).unwrap(), b"nonsense");
    // Bytes that this store hands out itself are read before.
    let request =
        FetchRequest { output: Some(fixture.folder.path().join("out")), ..FetchRequest::default() };
    let output = fixture.try_fetch(request).await;
    assert!(matches!(output, Err(Error::Damage(DamageError::DamagedPack { .. }))), "{output:?}");
    assert!(!fixture.folder.path().join("out").exists());
    // And now it is known to be damaged, and not given out any more.
    let url = fixture.try_fetch(FetchRequest::default()).await;
    assert!(matches!(url, Err(Error::Damage(DamageError::DamagedPack { .. }))), "{url:?}");
}

#[tokio::test]
async fn a_complete_pack_that_is_gone_or_too_short_is_not_given_out() {
    let fixture = Fixture::with_history().await;
    fixture.gc().await;
    let clone = fixture.fetch().await;
    let path = fixture.store.vault.open(&clone.mpack_key.unwrap()).await.unwrap().unwrap().path;
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[1..]).unwrap();
    let fetch = async || fixture.try_fetch(FetchRequest::default()).await.unwrap_err();
    let error = fetch().await;
    assert!(matches!(error, Error::Damage(DamageError::DamagedPack { .. })), "{error}");
    std::fs::remove_file(&path).unwrap();
    let error = fetch().await;
    assert!(matches!(error, Error::Damage(DamageError::MissingPack { .. })), "{error}");
}

#[tokio::test]
async fn the_pack_says_what_a_plan_says() {
    let packs = history_packs();
    // A repo of one pushed pack that is complete; and after every further push and gc.
    let fixture = Fixture::new().await;
    for (n, pack) in packs.iter().enumerate() {
        fixture.push(&format!("{n}.mpack"), pack).await;
        let found = fixture.complete().await;
        assert!(found.is_some(), "the first push was complete, or gc was");
        let clone = fixture.fetch().await;
        assert_eq!(told(&clone), told(&fixture.planned().await), "after push {n}");
        fixture.gc().await;
        let clone = fixture.fetch().await;
        assert_eq!(told(&clone), told(&fixture.planned().await), "after gc {n}");
    }
}

#[tokio::test]
async fn heads_that_are_wanted_by_name_are_the_same_clone() {
    let fixture = Fixture::with_history().await;
    fixture.gc().await;
    let clone = fixture.fetch().await;
    fixture.spoil(&clone).await;
    let heads = fixture.complete().await.unwrap().complete.heads;
    let want: Vec<String> = heads.iter().map(ToString::to_string).collect();
    let ask = async |want: &[String], have: &[String]| {
        let (want, have) = (want.to_vec(), have.to_vec());
        fixture.try_fetch(FetchRequest { want, have, ..FetchRequest::default() }).await
    };
    let unknown = "ab".repeat(32);
    for have in [&[][..], &[unknown]] {
        assert_eq!(told(&ask(&want, have).await.unwrap()), told(&clone), "have {have:?}");
    }
    // With a have that is known, the answer is another.
    let update = ask(&want, &want).await.unwrap();
    assert_eq!(update.commit_count, 0);
}

/// A pack that came twice in one push: nothing is recorded of it.
async fn unchecked(bytes: &[u8]) -> Fixture {
    let fixture = Fixture::new().await;
    let files = ["one.mpack", "two.mpack"].map(|name| fixture.file(name, bytes));
    let options = PushOptions::default();
    fixture.store.push(&fixture.repo, &files, options, &Progress::silent()).await.unwrap();
    assert_eq!((fixture.report().await.packs, fixture.complete().await), (1, None));
    fixture
}

#[tokio::test]
async fn what_was_stored_before_is_checked_once_by_gc_or_verify() {
    let fixture = Fixture::with_history().await;
    fixture.gc().await;
    let expected = fixture.complete().await.unwrap().complete;
    let clone = fixture.fetch().await;
    let path = fixture.store.vault.open(&clone.mpack_key.unwrap()).await.unwrap().unwrap().path;
    let bytes = std::fs::read(path).unwrap();

    let fixture = unchecked(&bytes).await;
    let planned = fixture.fetch().await;
    fixture.gc().await;
    assert_eq!(fixture.complete().await.unwrap().complete, expected, "gc that skips");
    assert_eq!(told(&fixture.fetch().await), told(&planned));

    let fixture = unchecked(&bytes).await;
    let verify = VerifyOptions::default();
    let verified = fixture.store.verify(&fixture.repo, verify, &Progress::silent()).await;
    assert!(verified.unwrap().ok);
    assert_eq!(fixture.complete().await.unwrap().complete, expected, "verify");

    // What is not complete is recorded as well, and is no answer; gc does not read it again.
    let planned = fixture.planned().await;
    assert_eq!(told(&planned), told(&fixture.fetch().await));
    fixture.spoil(&planned).await;
    fixture.gc().await;
    assert!(fixture.complete().await.unwrap().complete.heads.is_empty());
}

/// The entities that heads reach in a pack, one after the other.
fn reached(scanned: &ScannedPack, file: &File) -> BTreeSet<(Kind, EntityId)> {
    let rows: BTreeMap<_, _> = scanned.rows.iter().map(|row| ((row.kind, row.id), row)).collect();
    let mut open: Vec<_> = scanned.heads.iter().map(|head| (Kind::Commit, head.commit)).collect();
    let mut reached = BTreeSet::new();
    let read = |row: &Row| {
        let mut bytes = vec![0; row.length as usize];
        file.read_exact_at(&mut bytes, row.offset).unwrap();
        bytes
    };
    while let Some(entity) = open.pop() {
        let Some(row) = rows.get(&entity) else { continue };
        if !reached.insert(entity) {
            continue;
        }
        let bytes = read(row);
        match entity.0 {
            Kind::Commit => {
                let commit = Commit::parse(&bytes).unwrap();
                open.extend(commit.parents.iter().flatten().map(|id| (Kind::Commit, *id)));
                open.extend(commit.snapshot.map(|id| (Kind::Snapshot, id)));
            }
            Kind::Snapshot => {
                let snapshot = Snapshot::parse(&bytes).unwrap();
                open.extend(snapshot.parent.map(|id| (Kind::Snapshot, id)));
                open.extend(snapshot.entries.iter().map(|(_, id)| (Kind::Object, *id)));
            }
            Kind::Object | Kind::Tag => {}
        }
    }
    let of_reached = |row: &&Row| {
        row.kind == Kind::Tag
            && reached.contains(&(Kind::Commit, Tag::parse(&read(row)).unwrap().commit))
    };
    let tags: Vec<_> =
        scanned.rows.iter().filter(of_reached).map(|row| (row.kind, row.id)).collect();
    reached.extend(tags);
    reached
}

#[tokio::test]
async fn a_pack_is_complete_if_its_heads_reach_all_of_it() {
    let fixture = Fixture::with_history().await;
    fixture.gc().await;
    let clone = fixture.fetch().await;
    let stored = fixture.store.vault.open(&clone.mpack_key.unwrap()).await.unwrap().unwrap();
    let sound = || examine(&stored, |_| Ok(())).unwrap().scanned.unwrap();
    let whole = complete_pack(&sound(), &stored.file).unwrap().unwrap();
    assert!(whole.complete.missing.is_empty());
    assert!(whole.spine.is_some(), "gc writes canonical packs");
    let mut outcomes = BTreeSet::new();
    for number in 0..sound().rows.len() {
        let mut less = sound();
        let left_out = less.rows.remove(number);
        let found = complete_pack(&less, &stored.file).unwrap();
        let is_complete = reached(&less, &stored.file).len() == less.rows.len();
        assert_eq!(found.is_some(), is_complete, "without {left_out:?}");
        if let Some(found) = found {
            let missing = match left_out.kind {
                Kind::Tag => vec![],
                kind => vec![entity_key(kind, left_out.id)],
            };
            assert_eq!(found.complete.missing, missing, "without {left_out:?}");
        }
        outcomes.insert(is_complete);
        let mut more = sound();
        more.rows.insert(number, more.rows[number]);
        assert_eq!(complete_pack(&more, &stored.file).unwrap(), None, "{left_out:?} twice");
    }
    assert_eq!(outcomes.len(), 2, "some are complete, others not");
    let mut headless = sound();
    headless.heads.clear();
    assert_eq!(complete_pack(&headless, &stored.file).unwrap(), None);
}
