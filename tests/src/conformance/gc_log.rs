//! What is remembered of consolidations.

use std::sync::Arc;

use packhouse_host::catalog::{Catalog, GcLogQuery};
use packhouse_host::{GcDone, GcRecord, GcReport};

use super::desk::{Desk, at, key};

fn done(seconds: i64) -> GcRecord {
    GcRecord {
        finished_at: at(seconds),
        outcome: "consolidated".into(),
        packs_before: 3,
        packs_after: 1,
        consolidated_key: Some(key(seconds as u64).to_string()),
        bytes_before: 300,
        bytes_after: 100 + seconds as u64,
        elapsed_ms: seconds as u64,
        component: "digest".into(),
        error: None,
        error_code: None,
    }
}

fn failed(seconds: i64, error: &str) -> GcRecord {
    GcRecord {
        outcome: "failed".into(),
        consolidated_key: None,
        error: Some(error.into()),
        error_code: Some("refused".into()),
        ..done(seconds)
    }
}

fn skipped(seconds: i64, number: Option<u64>) -> GcRecord {
    GcRecord {
        outcome: "skipped".into(),
        consolidated_key: number.map(|number| key(number).to_string()),
        ..done(seconds)
    }
}

const ALL: GcLogQuery<'static> = GcLogQuery { repo: None, text: "", before: None, limit: 100 };

async fn found(catalog: &Arc<dyn Catalog>, query: GcLogQuery<'_>) -> Vec<GcRecord> {
    catalog.gc_log(query).await.unwrap().into_iter().map(|entry| entry.record).collect()
}

pub async fn runs_are_remembered_as_they_ended_newest_first(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let records = [done(1), failed(2, "a reason"), done(3)];
    for record in &records {
        catalog.record_gc(desk.repo, record, None).await.unwrap();
    }
    catalog.record_gc(other.repo, &done(4), None).await.unwrap();
    let [first, second, third] = records;
    assert_eq!(
        catalog.gc_history(desk.repo, 9).await.unwrap(),
        [third.clone(), second.clone(), first.clone()]
    );
    assert_eq!(catalog.gc_history(desk.repo, 1).await.unwrap(), std::slice::from_ref(&third));
    assert_eq!(found(&catalog, ALL).await, [done(4), third.clone(), second, first]);
    assert_eq!(found(&catalog, GcLogQuery { repo: Some(other.repo), ..ALL }).await, [done(4)]);
    assert_eq!(catalog.summary(&desk.name).await.unwrap().unwrap().last_gc, Some(third));
}

pub async fn doing_nothing_again_is_no_news(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for (seconds, number) in [(1, Some(1)), (2, Some(1)), (3, Some(2)), (4, None), (5, None)] {
        catalog.record_gc(desk.repo, &skipped(seconds, number), None).await.unwrap();
        catalog.record_gc(other.repo, &skipped(1, None), None).await.unwrap();
    }
    // The last time counts; another pack is news.
    let expected = [skipped(5, None), skipped(3, Some(2)), skipped(2, Some(1))];
    let times = |records: &[GcRecord]| {
        records.iter().map(|r| (r.finished_at, r.consolidated_key.clone())).collect::<Vec<_>>()
    };
    assert_eq!(times(&catalog.gc_history(desk.repo, 9).await.unwrap()), times(&expected));
    assert_eq!(catalog.gc_history(other.repo, 9).await.unwrap().len(), 1);
    catalog.record_gc(desk.repo, &failed(6, "e"), None).await.unwrap();
    catalog.record_gc(desk.repo, &skipped(7, None), None).await.unwrap();
    assert_eq!(
        catalog.gc_history(desk.repo, 9).await.unwrap().len(),
        5,
        "after something else it is news again"
    );
    for seconds in [8, 9] {
        catalog.record_gc(desk.repo, &skipped(seconds, None), Some(&report(&desk))).await.unwrap();
    }
    catalog.record_gc(desk.repo, &skipped(10, None), None).await.unwrap();
    assert_eq!(
        catalog.gc_history(desk.repo, 9).await.unwrap().len(),
        8,
        "what has a report is news"
    );
}

pub async fn runs_are_found_by_a_text_as_it_stands(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "Ann.B/X_y").await);
    let errors = ["100% of GRÖSSE", "a_b \\ 'quoted'", "axb 1000 of groesse", "two\nlines [x]"];
    for (seconds, error) in (1..).zip(errors) {
        catalog.record_gc(desk.repo, &failed(seconds, error), None).await.unwrap();
    }
    catalog.record_gc(other.repo, &done(9), None).await.unwrap();
    let stems = async |text: &str| -> Vec<i64> {
        let found = found(&catalog, GcLogQuery { text, ..ALL }).await;
        found.iter().map(|record| record.elapsed_ms as i64).collect()
    };
    // Nothing of it is a pattern.
    for (text, expected) in [
        ("100%", vec![1]),
        ("%", vec![1]),
        ("_", vec![9, 2]),
        ("A_B", vec![2]),
        ("\\", vec![2]),
        ("'", vec![2]),
        ("[X]", vec![4]),
        ("\n", vec![4]),
        ("OF GR", vec![3, 1]),
        ("grÖsse", vec![1]),
        ("größe", vec![]),
        ("grösse", vec![]),
        ("ann.b/x", vec![9]),
        ("A/B", vec![4, 3, 2, 1]),
        ("FAILED", vec![4, 3, 2, 1]),
        ("consolidated", vec![9]),
        ("SHA256:0000", vec![9]),
        ("nowhere", vec![]),
        ("", vec![9, 4, 3, 2, 1]),
    ] {
        assert_eq!(stems(text).await, expected, "{text:?}");
    }
    let of_one = GcLogQuery { repo: Some(desk.repo), text: "x", ..ALL };
    assert_eq!(found(&catalog, of_one).await.len(), 2, "of one repo, with a text");
}

pub async fn runs_are_listed_page_by_page(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for seconds in 1..=7 {
        catalog
            .record_gc(
                desk.repo,
                &failed(seconds, if seconds % 2 == 0 { "even" } else { "odd" }),
                None,
            )
            .await
            .unwrap();
    }
    for (text, expected) in [("", vec![7, 6, 5, 4, 3, 2, 1]), ("odd", vec![7, 5, 3, 1])] {
        let (mut before, mut listed) = (None, Vec::new());
        loop {
            let page = catalog.gc_log(GcLogQuery { text, before, limit: 2, ..ALL }).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 2 && page.iter().all(|entry| entry.repo == desk.name));
            before = Some(last.id);
            listed.extend(page.iter().map(|entry| entry.record.elapsed_ms));
        }
        assert_eq!(listed, expected);
    }
}

/// The report of a geometric consolidation.
fn report(desk: &Desk) -> GcReport {
    GcReport {
        repo: desk.name.clone(),
        packs_before: 3,
        packs_after: 1,
        consolidated_key: Some(key(1)),
        skipped: false,
        budget_reached: true,
        geometric: Some(3),
        objects: 4,
        commits: 3,
        snapshots: 2,
        tags: 1,
        bytes_before: 300,
        bytes_after: 100,
        bytes_written: 40,
        duplicates_dropped: 7,
        elapsed_ms: 5,
        component: "digest".into(),
        rows_changed: 9,
        phase: GcDone {
            plan_digest: None,
            proven: Some(packhouse_host::GcProof { entities: 10, ..Default::default() }),
        },
        dropped: None,
    }
}

pub async fn what_a_run_reported_is_kept_with_it(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let report = report(&desk);
    catalog.record_gc(desk.repo, &done(1), Some(&report)).await.unwrap();
    catalog.record_gc(desk.repo, &failed(2, "e"), None).await.unwrap();
    let reports: Vec<_> =
        catalog.gc_log(ALL).await.unwrap().into_iter().map(|entry| entry.report).collect();
    assert_eq!(reports, [None, Some(report)]);
}

pub async fn paces_are_of_runs_that_made_something(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for (desk, record) in [
        (&desk, done(1)),
        (&desk, failed(2, "e")),
        (&other, done(3)),
        (&desk, skipped(4, None)),
        (&desk, done(5)),
    ] {
        catalog.record_gc(desk.repo, &record, None).await.unwrap();
    }
    assert_eq!(catalog.gc_paces(9).await.unwrap(), [(105, 5), (103, 3), (101, 1)]);
    assert_eq!(catalog.gc_paces(2).await.unwrap(), [(105, 5), (103, 3)]);
    catalog.record_gc(desk.repo, &done(6), Some(&report(&desk))).await.unwrap();
    assert_eq!(catalog.gc_paces(1).await.unwrap(), [(40, 6)], "only the new pack was written");
}

pub async fn runs_of_a_deleted_repo_are_not_listed(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    catalog.record_gc(desk.repo, &done(1), None).await.unwrap();
    catalog.delete_repo(desk.repo, at(2)).await.unwrap();
    assert!(found(&catalog, ALL).await.is_empty());
    Desk::new(&catalog).await;
    assert!(
        found(&catalog, GcLogQuery { text: "a/b", ..ALL }).await.is_empty(),
        "nor under the name of another"
    );
}
