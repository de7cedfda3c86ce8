//! Law 4 and 13: a clone on a base, which is what a consolidation wrote, with later pushes inserted.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_core::{Answer, Kind, Plan, Span, Step};
use packhouse_model::client::FetchRequest;
use packhouse_model::error::Error;
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use packhouse_run::Planner;
use packhouse_sample::{
    CommitSpec, HistoryOptions, IdForm, PackBuilder, SnapshotForm, TagSpec, history,
};

use super::Fixture;
use super::liar::Liar;
use crate::Store;
use crate::client::handed_out;
use crate::fetch::RequestedCommits;
use crate::load::distinct_packs;
use crate::prove::base::copies_unread_rows;

fn packs(pushes: usize, commits_per_push: usize, tags: bool) -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes,
        commits_per_push,
        objects_per_commit: 2,
        object_bytes: 8..40,
        form: SnapshotForm::Delta,
        merges: false,
        overlap: false,
        tags,
        ..HistoryOptions::default()
    })
}

/// The head that a pack names.
fn head_of(pack: &[u8]) -> String {
    packhouse_pack::scan::scan(pack, |_| Ok(())).unwrap().heads[0].commit.to_string()
}

/// A repo that was consolidated, and pushed to since.
async fn pushed_to(packs: &[Vec<u8>]) -> Fixture {
    let fixture = Fixture::new().await;
    let (last, before) = packs.split_last().unwrap();
    for (n, pack) in before.iter().enumerate() {
        fixture.push(&format!("{n}.mpack"), pack).await;
    }
    gc(&fixture).await;
    fixture.push("last.mpack", last).await;
    fixture
}

/// What a clone is planned as: known rows of all packs, steps, and whether it is on a base.
async fn planned(fixture: &Fixture) -> (u64, usize, bool) {
    let row = fixture.store.known_repo(&fixture.repo).await.unwrap();
    let mut snapshot = fixture.store.catalog.snapshot(row.id).await.unwrap();
    let all_heads = snapshot.heads().await.unwrap();
    let request = RequestedCommits::of(&fixture.repo, &FetchRequest::default()).unwrap();
    let ask = request.ask(snapshot.as_mut(), &all_heads).await.unwrap();
    let heads = handed_out(&row, all_heads);
    let packs = distinct_packs(&snapshot.shelves().await.unwrap());
    let (answer, repo) =
        fixture.store.ask_for_answer(&fixture.repo, &heads, &ask, &packs, snapshot).await.unwrap();
    let packs = repo.packs();
    let known = packs.iter().map(|pack| pack.directory.len()).sum();
    (known, answer.plan.steps.len(), copies_unread_rows(&answer.plan, &packs))
}

async fn gc(fixture: &Fixture) {
    fixture.store.gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
}

#[tokio::test]
async fn law_13_a_clone_after_a_push_plans_what_was_pushed() {
    let mut costs = Vec::new();
    for pushes in [5, 40] {
        let fixture = pushed_to(&packs(pushes + 1, 40, false)).await;
        // Only rows that the plan has looked at are known.
        costs.push(planned(&fixture).await);
    }
    let [(rows, steps, is_on_base), more] = costs[..] else { panic!("two repos") };
    assert!(is_on_base && more.2);
    assert_eq!(rows, more.0, "rows");
    // Records that lie together are one step: that differs.
    assert!(steps.abs_diff(more.1) < 10, "{steps} and {} steps", more.1);
}

#[tokio::test]
async fn a_clone_on_a_base_is_what_the_next_gc_writes() {
    let fixture = pushed_to(&packs(6, 5, true)).await;
    assert!(planned(&fixture).await.2);
    let clone = fixture.fetch().await;
    assert!(!clone.reused);
    // A stream, which pages the rows of the base, has the same bytes.
    let output = fixture.folder.path().join("streamed");
    let request = FetchRequest { output: Some(output), ..FetchRequest::default() };
    let streamed = fixture.store.fetch(&fixture.repo, &request, &Progress::silent()).await;
    assert_eq!(streamed.unwrap().mpack_key, clone.mpack_key);
    gc(&fixture).await;
    let after = fixture.fetch().await;
    assert!(after.reused);
    assert_eq!((clone.mpack_key, clone.tag_count), (after.mpack_key, after.tag_count));
}

#[tokio::test]
async fn a_tag_of_an_old_commit_is_in_a_clone_on_a_base() {
    let packs = packs(4, 5, true);
    let fixture = pushed_to(&packs).await;
    let clone = fixture.fetch().await;
    let commit = head_of(&packs[0]);
    for (file, id) in [("tag.mpack", "a tag before all others"), ("other.mpack", "zz")] {
        let tag = TagSpec {
            id: id.to_owned(),
            commit_id: commit.clone(),
            tag: id.to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
        };
        let mut pack = PackBuilder::new();
        pack.tag(&tag);
        fixture.push(file, &pack.finish()).await;
    }
    assert!(planned(&fixture).await.2);
    let tagged = fixture.fetch().await;
    assert_eq!(tagged.tag_count, clone.tag_count + 2);
    gc(&fixture).await;
    assert_eq!(tagged.mpack_key, fixture.fetch().await.mpack_key);
}

#[tokio::test]
async fn without_a_sound_spine_the_plan_is_full() {
    let fixture = pushed_to(&packs(6, 5, true)).await;
    let row = fixture.store.known_repo(&fixture.repo).await.unwrap();
    let mut snapshot = fixture.store.catalog.snapshot(row.id).await.unwrap();
    let base = snapshot.complete_pack().await.unwrap().unwrap();
    drop(snapshot);
    let path = fixture.store.vault.open(&base.pack.key).await.unwrap().unwrap().path;
    let directory = path.with_extension("dir");
    let file = File::options().read(true).write(true).open(&directory).unwrap();
    // A commit of a side branch needs the spine: it goes between old ones.
    let side = CommitSpec::new(IdForm::Bare, [None, None], &"0".repeat(64), "side", "2026");
    let mut pack = PackBuilder::new();
    pack.commit(&side).branch_head("side", &side.id);
    fixture.push("side.mpack", &pack.finish()).await;
    let clone = fixture.fetch().await;
    assert!(planned(&fixture).await.2);
    let spine_end = file.metadata().unwrap().len() - 32;
    let mut byte = [0];
    file.read_exact_at(&mut byte, spine_end - 1).unwrap();
    file.write_all_at(&[byte[0] ^ 1], spine_end - 1).unwrap();
    assert!(!planned(&fixture).await.2, "it is damaged");
    let packs = fixture.fetch().await;
    assert_eq!(packs.mpack_key, clone.mpack_key);
    std::fs::remove_file(directory).unwrap();
    fixture.store.directory_heads.forget(&base.pack.key);
    assert!(!planned(&fixture).await.2, "the directory was rebuilt");
    assert_eq!(fixture.fetch().await.mpack_key, clone.mpack_key);
}

/// A store whose component changes its answers.
fn lying(fixture: &Fixture, lie: impl Fn(&mut Answer) + Send + Sync + 'static) -> Store {
    let planner = Liar::new(move |honest, host, records, request| {
        let mut answer = honest.assemble(host, records, request)?;
        lie(&mut answer);
        Ok(answer)
    });
    Store { planner, ..fixture.store.clone() }
}

/// The longest span that a plan copies: it is of the base.
fn longest(plan: &mut Plan) -> &mut Span {
    let spans = plan.steps.iter_mut().filter_map(|step| match step {
        Step::Copy(span) => Some(span),
        Step::Literal(_) => None,
    });
    spans.max_by_key(|span| span.length).unwrap()
}

/// An answer without what was pushed: five commits with a snapshot and two objects each, and a tag.
fn only_base(mut answer: Answer) -> Answer {
    let base = longest(&mut answer.plan).pack;
    let is_new = |step: &Step| matches!(step, Step::Copy(span) if span.pack != base);
    answer.plan.steps.retain(|step| !is_new(step));
    let records = &mut answer.plan.records;
    records.commits -= 5;
    records.snapshots -= 5;
    records.objects -= 10;
    records.tags -= 1;
    // The heads of the sections say so.
    let literals = answer.plan.steps.iter_mut().filter_map(|step| match step {
        Step::Literal(bytes) => Some(bytes),
        Step::Copy(_) => None,
    });
    for (kind, literal) in Kind::ALL.into_iter().zip(literals) {
        literal.clear();
        if kind == Kind::Commit {
            put_map(literal, 5);
        }
        put_str(literal, kind.section());
        put_array(literal, *answer.plan.records.of(kind) as u32);
    }
    answer.plan.bytes = answer.plan.steps.iter().map(Step::bytes).sum();
    answer
}

/// A clone on a base with a changed plan is refused, and the error says why.
async fn caught(says: &str, lie: fn(&mut Answer)) {
    let fixture = pushed_to(&packs(6, 5, true)).await;
    let store = lying(&fixture, lie);
    let end = store.fetch(&fixture.repo, &FetchRequest::default(), &Progress::silent()).await;
    let error = end.expect_err("a lie was given out");
    assert!(matches!(error, Error::Unproven { .. }), "{error}");
    assert!(error.to_string().contains(says), "`{error}` lacks `{says}`");
}

#[tokio::test]
async fn law_4_a_clone_with_less_or_more_than_its_base_is_caught() {
    caught("of its base once", |answer| {
        let span = longest(&mut answer.plan);
        *span = Span { offset: span.offset + 10, length: span.length - 10, ..*span };
        answer.plan.bytes -= 10;
    })
    .await;
    caught("of its base", |answer| {
        let span = *longest(&mut answer.plan);
        answer.plan.steps.push(Step::Copy(span));
        answer.plan.bytes += span.length;
    })
    .await;
    caught("cuts its base", |answer| {
        let span = *longest(&mut answer.plan);
        let at = answer.plan.steps.iter().position(|step| *step == Step::Copy(span)).unwrap();
        let (first, second) = (
            Span { length: 7, ..span },
            Span { offset: span.offset + 7, length: span.length - 7, ..span },
        );
        answer.plan.steps[at] = Step::Copy(second);
        answer.plan.steps.insert(at, Step::Copy(first));
    })
    .await;
    caught("missing", |answer| answer.missing += 1).await;
}

#[tokio::test]
async fn law_4_a_clone_on_a_base_without_what_is_new_is_caught() {
    caught("leaves out commit", |answer| *answer = only_base(answer.clone())).await;
}

#[tokio::test]
async fn law_4_a_base_that_the_request_does_not_reach_is_caught() {
    let packs = packs(6, 5, true);
    let fixture = pushed_to(&packs).await;
    let clone = fixture.fetch().await;
    let whole = Arc::new(std::sync::Mutex::new(None));
    let lie = move |answer: &mut Answer| {
        let mut whole = whole.lock().unwrap();
        match whole.take() {
            Some(base) => *answer = base,
            None => *whole = Some(only_base(answer.clone())),
        }
    };
    let store = lying(&fixture, lie);
    let all = store.fetch(&fixture.repo, &FetchRequest::default(), &Progress::silent()).await;
    assert_eq!(all.unwrap().mpack_key, clone.mpack_key);
    let old = FetchRequest { want: vec![head_of(&packs[0])], ..FetchRequest::default() };
    let end = store.fetch(&fixture.repo, &old, &Progress::silent()).await;
    let error = end.expect_err("the whole base was given out");
    assert!(error.to_string().contains("does not reach"), "{error}");
}
