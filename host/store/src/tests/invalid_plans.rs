//! Law 4: whatever a component plans, what is published is proven.
//!
//! A good plan is changed as a lying component might change it, then applied.

use std::sync::Arc;

use packhouse_core::{Kind, Plan, Step};
use packhouse_model::error::{Class, Error};
use packhouse_model::operation::GcOptions;
use packhouse_model::progress::Progress;
use packhouse_pack::scan::scan;

use super::Fixture;
use crate::gc::check;

/// Applies a plan that `lie` has changed; returns the error, and checks that nothing else happened.
async fn caught(lie: impl Fn(&mut Plan, &[Arc<[u8]>])) -> Error {
    let fixture = Fixture::with_history().await;
    let (before, fetched) = (fixture.report().await, fixture.fetch().await);
    let mut plan = fixture
        .store
        .plan_gc(&fixture.repo, GcOptions::default(), &Progress::silent())
        .await
        .unwrap();
    let work = plan.work.as_mut().expect("there are four packs");
    let sources: Vec<Arc<[u8]>> = {
        let mut bytes = Vec::new();
        for pack in work.packs.iter() {
            let stored = fixture.store.vault.open(&pack.directory.key).await.unwrap().unwrap();
            bytes.push(std::fs::read(stored.path).unwrap().into());
        }
        bytes
    };
    let mut changed = (*work.plan).clone();
    lie(&mut changed, &sources);
    // `plan_gc` checks what a component plans; a plan that was changed afterwards is checked here.
    let changed = Arc::new(changed);
    let packs = Arc::new(fixture.sources(work).await);
    let repo = fixture.store.known_repo(&fixture.repo).await.unwrap();
    let mut snapshot = fixture.store.catalog.snapshot(repo.id).await.unwrap();
    let checked = check(&changed, &packs, &work.heads, None, snapshot.as_mut()).await;
    drop(snapshot);
    work.plan = changed;
    let error = match checked {
        Err(failed) => fixture.store.unproven(&fixture.repo, &packs, failed).await,
        Ok(checked) => {
            (work.entities, work.rows) = checked;
            fixture
                .store
                .apply_gc(plan, &Progress::silent())
                .await
                .expect_err("a lie was published")
        }
    };
    let after = fixture.report().await;
    assert_eq!((after.packs, after.pack_keys), (before.packs, before.pack_keys), "{error}");
    assert_eq!(after.stored_bytes, before.stored_bytes);
    fixture.assert_unharmed(&fetched, &error.to_string()).await;
    let staged = std::fs::read_dir(fixture.folder.path().join("staging")).unwrap().count();
    assert_eq!(staged, 0, "staging is not empty: {error}");
    error
}

fn unproven(error: &Error, words: &str) {
    assert!(matches!(error, Error::Unproven { .. }), "{error}");
    assert_eq!(error.class(), Class::Refused);
    assert!(error.to_string().contains(words), "`{error}` lacks `{words}`");
}

/// The number of the first copy of an object: objects are the third section.
fn object_copy(plan: &Plan) -> usize {
    let literals: Vec<usize> =
        (0..plan.steps.len()).filter(|i| matches!(plan.steps[*i], Step::Literal(_))).collect();
    literals[2] + 1
}

/// Takes bytes out of a header's count: `objects` as an array of `by` fewer or more.
fn recount(plan: &mut Plan, by: i64) {
    let at = object_copy(plan) - 1;
    let objects = plan.records.objects as i64 + by;
    let Step::Literal(header) = &mut plan.steps[at] else { panic!("no header before the objects") };
    let old = header.len();
    header.truncate(header.len() - if plan.records.objects > 15 { 3 } else { 1 });
    packhouse_core::msgpack::put_array(header, objects as u32);
    plan.bytes = plan.bytes + header.len() as u64 - old as u64;
    plan.records.objects = objects as u64;
}

#[tokio::test]
async fn law_4_a_plan_that_drops_an_object_is_caught() {
    let error = caught(|plan, sources| {
        let at = object_copy(plan);
        let Step::Copy(span) = plan.steps[at].clone() else { panic!("no copy") };
        // Shorten the copy by its last record.
        let pack = sources[span.pack as usize].clone();
        let rows = scan(&pack[..], |_| Ok(())).unwrap().rows;
        let last = rows.iter().find(|r| r.offset + r.length == span.offset + span.length).unwrap();
        recount(plan, -1);
        plan.bytes -= last.length;
        if last.length == span.length {
            plan.steps.remove(at);
        } else if let Step::Copy(span) = &mut plan.steps[at] {
            span.length -= last.length;
        }
    })
    .await;
    unproven(&error, "is missing");
}

#[tokio::test]
async fn law_4_a_plan_that_repeats_an_object_is_caught() {
    let error = caught(|plan, sources| {
        let at = object_copy(plan);
        let Step::Copy(span) = plan.steps[at].clone() else { panic!("no copy") };
        let pack = sources[span.pack as usize].clone();
        let again = scan(&pack[..], |_| Ok(()))
            .unwrap()
            .rows
            .iter()
            .filter(|r| r.offset >= span.offset && r.offset < span.offset + span.length)
            .count();
        recount(plan, again as i64);
        plan.bytes += span.length;
        plan.steps.insert(at, Step::Copy(span));
    })
    .await;
    unproven(&error, "there twice");
}

#[tokio::test]
async fn law_4_a_span_outside_of_a_pack_is_caught() {
    let outside = caught(|plan, sources| {
        let at = object_copy(plan);
        if let Step::Copy(span) = &mut plan.steps[at] {
            span.offset = sources[span.pack as usize].len() as u64;
        }
    })
    .await;
    unproven(&outside, "not whole records");
    let nowhere = caught(|plan, _| {
        let at = object_copy(plan);
        if let Step::Copy(span) = &mut plan.steps[at] {
            span.pack = 99;
        }
    })
    .await;
    unproven(&nowhere, "pack number 99");
    let crooked = caught(|plan, _| {
        let at = object_copy(plan);
        if let Step::Copy(span) = &mut plan.steps[at] {
            span.offset += 1;
        }
    })
    .await;
    unproven(&crooked, "not whole records");
}

#[tokio::test]
async fn law_4_wrong_counts_are_caught() {
    unproven(&caught(|plan, _| plan.records.objects += 1).await, "records");
    unproven(&caught(|plan, _| plan.bytes += 1).await, "bytes");
    // The header says one more than there is: what was read back is no intact pack.
    let error = caught(|plan, _| {
        recount(plan, 1);
        plan.records.objects -= 1;
    })
    .await;
    unproven(&error, "not a valid pack");
}

#[tokio::test]
async fn law_4_a_record_that_comes_from_a_literal_is_caught() {
    // The same bytes, yet written by the component: it could have written others.
    let error = caught(|plan, sources| {
        let at = object_copy(plan);
        let Step::Copy(span) = plan.steps[at].clone() else { panic!("no copy") };
        let range = span.offset as usize..(span.offset + span.length) as usize;
        plan.steps[at] = Step::Literal(sources[span.pack as usize][range].to_vec());
    })
    .await;
    unproven(&error, "records");
}

#[tokio::test]
async fn law_4_another_head_is_caught() {
    let error = caught(|plan, _| {
        let Some(Step::Literal(heads)) = plan.steps.last_mut() else { panic!("no heads") };
        let last = heads.len() - 1;
        heads[last] = if heads[last] == b'0' { b'1' } else { b'0' };
    })
    .await;
    unproven(&error, "branch heads");
}

/// Law 5 and 12: a source that is not what it was ends the run, and says which pack and record it
/// is: also where the byte is in a duplicate that the plan leaves out.
#[tokio::test]
async fn law_4_a_flipped_byte_in_any_record_is_caught() {
    for (kind, pack) in Kind::ALL.into_iter().flat_map(|kind| (0..4).map(move |pack| (kind, pack)))
    {
        let fixture = Fixture::with_history().await;
        let plan = fixture
            .store
            .plan_gc(&fixture.repo, GcOptions::default(), &Progress::silent())
            .await
            .unwrap();
        let sources = fixture.sources(plan.work.as_ref().unwrap()).await;
        let directory = &sources[pack].directory;
        let Some(row) = directory.rows().filter(|r| r.kind == kind).last() else { continue };
        let path = fixture.store.vault.open(&directory.key).await.unwrap().unwrap().path;
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[(row.offset + row.length - 1) as usize] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let before = fixture.report().await;
        let error = fixture
            .store
            .gc(&fixture.repo, GcOptions::default(), &Progress::silent())
            .await
            .expect_err("damage was published");
        assert_eq!(error.class(), Class::Damage, "{kind}: {error}");
        assert!(error.to_string().contains(&directory.key.to_string()), "{error}");
        assert_eq!(fixture.report().await.pack_keys, before.pack_keys);
        let remembered = fixture.report().await.last_gc.expect("the failure is remembered");
        assert_eq!(remembered.outcome, "failed");
    }
}
