//! Merges of the index beside pushes: no answer changes, whoever merges, and wherever a merge ends.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_host::catalog::merge_index::merge_index;
use packhouse_host::catalog::{Catalog, EntityKey, PublishOutcome, RunsToMerge};

use super::desk::{Desk, at};
use super::index::{Expected, check, drop_some, key, push, rebuilt};
use super::{is_model, polled};

/// Whether a catalog keeps its index in runs.
fn has_runs(catalog: &Arc<dyn Catalog>) -> bool {
    !is_model(catalog)
}

fn keys(numbers: std::ops::Range<u64>) -> Vec<EntityKey> {
    numbers.map(key).collect()
}

/// One merge of all runs, begun at a second.
async fn merge(desk: &Desk, seconds: i64) -> u64 {
    let now = move || -> Timestamp { at(seconds) };
    desk.catalog.merge_index(desk.repo, RunsToMerge::All, &now).await.unwrap()
}

pub async fn no_answer_changes_when_runs_are_merged(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..30 {
        let from = number * 50;
        push(&desk, number, &keys(from..from + 1 + number * 37 % 400), &mut expected).await;
        if number % 7 == 3 {
            drop_some(&desk, number, &keys(from..from + 1), &mut expected).await;
        }
        if number % 5 == 4 {
            assert_eq!(merge(&desk, 10).await > 1, has_runs(&catalog), "{number}");
            assert_eq!(merge(&desk, 10).await, 0, "they are one");
            check(&desk, &expected).await;
        }
    }
    desk.adds_up().await;
    // What is left of a repo without entities is no run.
    let all: Vec<EntityKey> = expected.keys().copied().collect();
    drop_some(&desk, 30, &all, &mut expected).await;
    merge(&desk, 20).await;
    check(&desk, &expected).await;
    push(&desk, 31, &all, &mut expected).await;
    check(&desk, &expected).await;
}

pub async fn runs_are_due_when_there_are_twelve_of_one_size(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    let other = Desk::named(&catalog, "c/d").await;
    push(&other, 100, &keys(0..20), &mut Expected::new()).await;
    let due = async || catalog.indexes_to_merge(0, 9).await.unwrap();
    for number in 0..12 {
        assert!(due().await.is_empty(), "{number}");
        push(&desk, number, &keys(number * 6000..number * 6000 + 6000), &mut expected).await;
    }
    // Together they are more than a push merges.
    let (merged, found) = if has_runs(&catalog) { (12, vec![desk.repo]) } else { (0, vec![]) };
    assert_eq!(due().await, found);
    assert!(catalog.indexes_to_merge(desk.repo, 9).await.unwrap().is_empty());
    let now = || at(10);
    let done = merge_index(catalog.as_ref(), desk.repo, RunsToMerge::Due, &now).await.unwrap();
    assert_eq!(done, merged);
    assert!(due().await.is_empty());
    check(&desk, &expected).await;
}

pub async fn a_merge_that_ends_anywhere_changes_no_answer_and_the_next_finishes(
    catalog: Arc<dyn Catalog>,
) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..5 {
        push(&desk, number, &keys(number * 7000..number * 7000 + 8000), &mut expected).await;
    }
    let mut done = None;
    for times in (0..).step_by(3) {
        // Each is given up by the time the next one begins.
        done = polled(times, merge(&desk, 400 * times as i64)).await;
        if done.is_some() {
            break;
        }
        if times % 12 == 0 {
            check(&desk, &expected).await;
        }
    }
    // 0: the one before had all but swept.
    assert!(matches!(done, Some(0 | 5)), "{done:?}");
    assert_eq!(merge(&desk, 1 << 32).await, 0, "they are one");
    check(&desk, &expected).await;
    assert!(catalog.indexes_to_merge(0, 9).await.unwrap().is_empty(), "nothing is left");
}

pub async fn a_merge_whose_process_died_is_given_up_after_five_minutes(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    let due = async || catalog.indexes_to_merge(0, 9).await.unwrap();
    for number in 0.. {
        push(&desk, number, &keys(number * 10..number * 10 + 10), &mut expected).await;
        polled(number as usize % 40, merge(&desk, 10)).await;
        // Nothing was begun, or it had ended.
        if merge(&desk, 10).await > 0 || due().await.is_empty() {
            assert!(number < 400, "no merge died on its way");
            if has_runs(&catalog) {
                continue;
            }
        }
        break;
    }
    assert_eq!(merge(&desk, 309).await, 0);
    // Also by a clock that was set back.
    assert_eq!(merge(&desk, -289).await, 0);
    check(&desk, &expected).await;
    assert_eq!(merge(&desk, 310).await > 0, has_runs(&catalog));
    assert!(due().await.is_empty());
    check(&desk, &expected).await;
}

pub async fn of_merges_at_once_one_is_done(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..5 {
        push(&desk, number, &keys(number * 300..number * 300 + 400), &mut expected).await;
        let merged = tokio::join!(merge(&desk, 10), merge(&desk, 10), merge(&desk, 10));
        let merged = [merged.0, merged.1, merged.2];
        let some = usize::from(number > 0 && has_runs(&catalog));
        assert_eq!(merged.iter().filter(|runs| **runs > 0).count(), some, "{merged:?}");
        check(&desk, &expected).await;
    }
}

pub async fn pushes_go_on_while_runs_are_merged(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..5 {
        push(&desk, number, &keys(number * 7000..number * 7000 + 8000), &mut expected).await;
    }
    let pushing = async {
        for number in 5..20 {
            push(&desk, number, &keys(number * 900..number * 900 + 1000), &mut expected).await;
        }
    };
    let merging = async {
        let mut merged = 0;
        for _ in 0..10 {
            merged += merge(&desk, 10).await;
            tokio::task::yield_now().await;
        }
        merged
    };
    let (merged, ()) = tokio::join!(merging, pushing);
    assert!(merged >= 5 || !has_runs(&catalog), "{merged}");
    check(&desk, &expected).await;
    desk.adds_up().await;
}

pub async fn a_merge_gives_way_to_what_replaces_its_sources(catalog: Arc<dyn Catalog>) {
    let (desk, mut expected) = (Desk::new(&catalog).await, Expected::new());
    for number in 0..5 {
        push(&desk, number, &keys(number * 7000..number * 7000 + 8000), &mut expected).await;
    }
    let index = rebuilt(&desk, &mut expected).await;
    let lock = desk.publishing().await;
    let (_, done) = tokio::join!(merge(&desk, 10), catalog.rebuild_index(&index, &lock));
    assert!(matches!(done.unwrap(), PublishOutcome::Done { .. }));
    drop(lock);
    check(&desk, &expected).await;
    // And what it had built is swept by the next.
    merge(&desk, 999).await;
    assert!(catalog.indexes_to_merge(0, 9).await.unwrap().is_empty());
    check(&desk, &expected).await;
}
