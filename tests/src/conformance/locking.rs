//! The locks for publishing and for deleting.
//!
//! A waiting lock can't be seen, only that nothing happens for a while: `A_WHILE` is too short to
//! fail a law that holds, and long enough that one which does not hold fails in most runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use packhouse_host::catalog::{Catalog, LockGuard, LockMode};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const A_WHILE: Duration = Duration::from_millis(150);

/// Longer than a free lock ever takes, on however busy a machine.
const LONG: Duration = Duration::from_secs(20);

async fn at_once(catalog: &Arc<dyn Catalog>, mode: LockMode) -> LockGuard {
    timeout(LONG, catalog.lock(mode)).await.expect("nobody is in the way").unwrap()
}

fn waiting(catalog: &Arc<dyn Catalog>, mode: LockMode) -> JoinHandle<LockGuard> {
    let catalog = catalog.clone();
    tokio::spawn(async move { catalog.lock(mode).await.unwrap() })
}

/// Whether it still waits after a while.
async fn waits(waiting: &mut JoinHandle<LockGuard>) -> bool {
    timeout(A_WHILE, waiting).await.is_err()
}

async fn gets_it(waiting: JoinHandle<LockGuard>) -> LockGuard {
    timeout(LONG, waiting).await.expect("what was in the way is gone").unwrap()
}

pub async fn many_publish_together(catalog: Arc<dyn Catalog>) {
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(at_once(&catalog, LockMode::Publishing).await);
    }
    assert_eq!(held.len(), 6);
}

pub async fn who_deletes_is_alone(catalog: Arc<dyn Catalog>) {
    let publishing = [
        at_once(&catalog, LockMode::Publishing).await,
        at_once(&catalog, LockMode::Publishing).await,
    ];
    let mut deleting = waiting(&catalog, LockMode::Deleting);
    assert!(waits(&mut deleting).await);
    let [first, second] = publishing;
    drop(first);
    assert!(waits(&mut deleting).await, "one still publishes");
    drop(second);
    let deleting = gets_it(deleting).await;
    let (mut publisher, mut deleter) =
        (waiting(&catalog, LockMode::Publishing), waiting(&catalog, LockMode::Deleting));
    assert!(waits(&mut publisher).await && waits(&mut deleter).await);
    drop(deleting);
    // In either order: each releases it to the other.
    tokio::select! {
        one = &mut publisher => { drop(one.unwrap()); drop(gets_it(deleter).await); }
        one = &mut deleter => { drop(one.unwrap()); drop(gets_it(publisher).await); }
    }
}

pub async fn a_right_is_given_back_when_it_is_dropped_even_by_who_still_waits(
    catalog: Arc<dyn Catalog>,
) {
    let publishing = at_once(&catalog, LockMode::Publishing).await;
    for _ in 0..3 {
        let gave_up = timeout(Duration::from_millis(30), catalog.lock(LockMode::Deleting)).await;
        assert!(gave_up.is_err());
    }
    drop(at_once(&catalog, LockMode::Publishing).await);
    drop(publishing);
    for mode in [LockMode::Deleting, LockMode::Publishing, LockMode::Deleting, LockMode::Deleting] {
        drop(at_once(&catalog, mode).await);
    }
    // Also when it is dropped with what it was taken along with.
    let (told, heard) = tokio::sync::oneshot::channel::<()>();
    drop(at_once(&catalog, LockMode::Deleting).await.along(told));
    assert!(heard.await.is_err());
    drop(at_once(&catalog, LockMode::Publishing).await);
}

pub async fn who_waits_to_delete_is_not_starved_by_those_who_keep_publishing(
    catalog: Arc<dyn Catalog>,
) {
    let over = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..4)
        .map(|number| {
            let (catalog, over) = (catalog.clone(), over.clone());
            tokio::spawn(async move {
                let mut turns = 0;
                while !over.load(Ordering::SeqCst) {
                    let lock = at_once(&catalog, LockMode::Publishing).await;
                    tokio::time::sleep(Duration::from_millis(20 + 7 * number)).await;
                    drop(lock);
                    turns += 1;
                }
                turns
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..3 {
        drop(
            timeout(LONG, catalog.lock(LockMode::Deleting))
                .await
                .expect("it is its turn some time")
                .unwrap(),
        );
    }
    over.store(true, Ordering::SeqCst);
    for publisher in publishers {
        assert!(publisher.await.unwrap() > 0, "nor are they");
    }
}
