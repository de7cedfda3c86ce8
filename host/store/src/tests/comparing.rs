//! Two packs compared through the store. Here, a window has eight rows.

use std::collections::BTreeMap;

use packhouse_model::contents::Contents;
use packhouse_model::report::{ComparedTotals, PackComparisonQuery, RecordClass};
use packhouse_sample::PackBuilder;

use super::Fixture;

/// A pack of objects with these numbers.
fn pack_of(numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut pack = PackBuilder::new();
    for number in numbers {
        pack.object(format!("object {number}").as_bytes());
    }
    pack.finish()
}

#[tokio::test]
async fn each_record_is_on_one_page_of_its_class_however_many_windows_there_are() {
    let fixture = Fixture::new().await;
    for (name, numbers) in [("a", 0..60), ("b", 45..100)] {
        fixture.push(name, &pack_of(numbers)).await;
    }
    let [a, b] = ["a", "b"].map(|name| {
        let bytes = std::fs::read(fixture.folder.path().join(name)).unwrap();
        packhouse_model::names::MpackKey::new(packhouse_model::digest::sha256(&bytes))
    });
    let mut counted = BTreeMap::new();
    for class in [None, Some(RecordClass::OnlyA), Some(RecordClass::OnlyB), Some(RecordClass::Same)]
    {
        let mut query = PackComparisonQuery { a, b, class, after: None, limit: 3, totals: true };
        let (mut ids, mut totals) = (Vec::new(), None);
        loop {
            let page = fixture.store.compare_packs(&fixture.repo, &query).await.unwrap();
            assert!(page.records.len() <= 3);
            assert!(page.records.iter().all(|record| class.is_none_or(|it| it == record.class)));
            ids.extend(page.records.into_iter().map(|record| record.id));
            totals = totals.or(page.totals);
            (query.after, query.totals) = (page.next, false);
            if query.after.is_none() {
                break;
            }
        }
        let found = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), found, "each once");
        counted.insert(class.map(RecordClass::as_str), found);
        let ComparedTotals { only_a, only_b, same, other_encoding, .. } = totals.unwrap();
        let sums = [only_a, only_b, same, other_encoding].map(|sum| sum.records);
        assert_eq!(sums, [45, 40, 15, 0], "totals are of both packs, whatever the class");
    }
    let expected = [(None, 100), (Some("only_a"), 45), (Some("only_b"), 40), (Some("same"), 15)];
    assert_eq!(counted, expected.into_iter().collect());
}
