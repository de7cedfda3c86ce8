//! Fetch requests that are too long for a URL.

use std::sync::Arc;

use packhouse_host::Error;
use packhouse_host::catalog::{Catalog, LockMode, NewFetchRequest, RequestBudget};
use packhouse_host::error::ExhaustedBudget;

use super::desk::{Desk, at};

/// A request of a number, of some bytes, for a caller.
fn request(desk: &Desk, number: u8, bytes: usize, caller: &str, until: i64) -> NewFetchRequest {
    NewFetchRequest {
        repo: desk.repo,
        digest: [number; 32],
        request: vec![number; bytes],
        caller: caller.into(),
        expires_at: at(until),
    }
}

async fn note(desk: &Desk, request: &NewFetchRequest, now: i64, budget: Option<RequestBudget>) {
    let noted = desk.catalog.note_fetch_request(request, at(now), budget).await.unwrap();
    assert_eq!(noted, None);
}

/// The length of a request.
async fn found(desk: &Desk, number: u8, now: i64) -> Option<usize> {
    let found = desk.catalog.fetch_request(desk.repo, &[number; 32], at(now)).await.unwrap();
    found.map(|request| {
        assert!(request.iter().all(|byte| *byte == number), "another request");
        request.len()
    })
}

pub async fn a_request_is_found_until_the_latest_time_that_was_noted(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    note(&one, &request(&one, 1, 10_000, "", 20), 1, None).await;
    assert_eq!(found(&one, 1, 20).await, Some(10_000), "it is good until then");
    assert_eq!((found(&one, 1, 21).await, found(&one, 2, 1).await), (None, None));
    assert_eq!(found(&other, 1, 1).await, None, "each repo has its own");
    note(&one, &request(&one, 1, 10_000, "token:a", 40), 1, None).await;
    note(&one, &request(&one, 1, 10_000, "token:a", 30), 1, None).await;
    assert_eq!((found(&one, 1, 40).await, found(&one, 1, 41).await), (Some(10_000), None));
    // One that has expired is not renewed, but recorded again.
    note(&one, &request(&one, 1, 10_000, "", 60), 50, None).await;
    assert_eq!(found(&one, 1, 60).await, Some(10_000));
}

pub async fn requests_that_expired_are_removed(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    for (number, until) in [(1, 10), (2, 20), (3, 30)] {
        note(&one, &request(&one, number, 5000, "", until), 1, None).await;
        note(&other, &request(&other, number, 5000, "", until), 1, None).await;
    }
    let expire = async |now| catalog.expire_fetch_requests(at(now)).await.unwrap();
    assert_eq!((expire(10).await, expire(11).await, expire(11).await), (0, 2, 0));
    assert_eq!((found(&one, 1, 1).await, found(&other, 2, 1).await), (None, Some(5000)));
    note(&one, &request(&one, 4, 5000, "", 90), 21, None).await;
    assert_eq!((found(&one, 2, 1).await, found(&other, 2, 1).await), (None, None));
    assert_eq!(expire(31).await, 2);
}

pub async fn requests_keep_to_their_budget(catalog: Arc<dyn Catalog>) {
    let (one, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let budget = RequestBudget { all: 100, strangers: 60, caller: 40 };
    let take = async |request: &NewFetchRequest, now| {
        catalog.note_fetch_request(request, at(now), Some(budget)).await.unwrap()
    };
    let large = request(&one, 1, 101, "token:a", 50);
    assert_eq!(take(&large, 1).await, Some(ExhaustedBudget::All));
    assert_eq!(found(&one, 1, 1).await, None, "nothing is recorded");
    let large = request(&one, 1, 61, "address:1", 50);
    assert_eq!(take(&large, 1).await, Some(ExhaustedBudget::Strangers));
    let first = request(&one, 1, 55, "token:a", 50);
    assert_eq!(take(&first, 1).await, None, "one there may be, whatever its size");
    let second = request(&other, 2, 1, "token:a", 50);
    assert_eq!(take(&second, 1).await, Some(ExhaustedBudget::Caller), "whatever the repo");
    // The same again takes no more, and lasts longer.
    let again = NewFetchRequest { expires_at: at(60), ..first };
    assert_eq!(take(&again, 1).await, None);
    assert_eq!(found(&one, 1, 60).await, Some(55));
    assert_eq!(take(&request(&one, 3, 30, "address:1", 55), 1).await, None);
    let strangers = request(&one, 4, 31, "address:2", 50);
    assert_eq!(take(&strangers, 1).await, Some(ExhaustedBudget::Strangers));
    let all = request(&one, 5, 16, "token:b", 50);
    assert_eq!(take(&all, 1).await, Some(ExhaustedBudget::All));
    // What has expired takes no space.
    assert_eq!(take(&all, 56).await, None);
    assert_eq!(take(&second, 61).await, None);
}

/// However many ask at once.
pub async fn room_for_requests_is_given_once(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let budget = RequestBudget { all: 50, strangers: 50, caller: 50 };
    let asking = (0..20).map(|number| {
        let (desk, catalog) = (desk.clone(), catalog.clone());
        tokio::spawn(async move {
            // Each of them twice.
            let number = number / 2;
            let request = request(&desk, number, 10, &format!("token:{number}"), 50);
            let noted = catalog.note_fetch_request(&request, at(1), Some(budget)).await;
            noted.unwrap().is_none().then_some(number)
        })
    });
    let mut given = std::collections::BTreeSet::new();
    for asked in asking.collect::<Vec<_>>() {
        given.extend(asked.await.unwrap());
    }
    assert_eq!(given.len(), 5);
}

pub async fn requests_go_with_their_repo(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let kept = request(&desk, 1, 10, "", 50);
    note(&desk, &kept, 1, None).await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let refused = catalog.note_fetch_request(&kept, at(7), None).await;
    assert!(matches!(refused, Err(Error::DeletedMeanwhile)), "{refused:?}");
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert!(catalog.forget_repo(desk.repo, at(8), &lock).await.unwrap());
    assert_eq!(found(&desk, 1, 1).await, None);
}
