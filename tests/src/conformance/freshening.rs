//! What clients were told to be in a repo.

use std::sync::Arc;

use jiff::SignedDuration;
use packhouse_core::Kind;
use packhouse_host::catalog::{
    Catalog, Consolidation, EntityKey, FRESH_FOR, Freshened, LockMode, PublishOutcome,
    RepoRestoration, RestoreOutcome,
};

use super::desk::{Desk, at, key, pack, row};

pub(super) fn objects(numbers: impl IntoIterator<Item = u64>) -> Vec<EntityKey> {
    numbers.into_iter().map(|number| row(Kind::Object, number).entity).collect()
}

pub(super) async fn tell(
    desk: &Desk,
    numbers: impl IntoIterator<Item = u64>,
    seconds: i64,
) -> bool {
    desk.catalog.freshen(&desk.row().await, &objects(numbers), at(seconds)).await.unwrap()
}

pub(super) async fn since(desk: &Desk, seconds: i64) -> Vec<EntityKey> {
    let freshened = desk.snapshot().await.freshened(at(seconds)).await.unwrap();
    assert!(!freshened.everything);
    freshened.entities
}

async fn drops(desk: &Desk, numbers: std::ops::Range<u64>, number: u64) -> Consolidation {
    Consolidation { dropped: desk.drops(Kind::Object, numbers).await, ..desk.plan(number).await }
}

pub async fn what_a_client_was_told_is_recent_since_then(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    desk.push(vec![pack(1, 0..9)]).await;
    other.push(vec![pack(1, 0..9)]).await;
    assert!(
        tell(&desk, [], 9).await && tell(&desk, [1, 2], 10).await && tell(&desk, [2, 5], 20).await
    );
    assert_eq!(since(&desk, 9).await, objects([1, 2, 5]));
    assert_eq!(
        since(&desk, 10).await,
        objects([5]),
        "later than a time; and what was recent is not written again"
    );
    let hour = FRESH_FOR.as_secs();
    assert!(tell(&desk, [1, 2], 11 + hour).await);
    assert_eq!(since(&desk, 20).await, objects([1, 2]), "an hour later it is");
    assert_eq!(since(&desk, 12 + hour).await, objects([]));
    assert_eq!(since(&other, 0).await, objects([]), "each repo has its own");
    desk.adds_up().await;
}

pub async fn what_may_have_been_dropped_since_it_was_looked_up_is_looked_up_again(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..9)]).await;
    let (before, plan) = (desk.row().await, drops(&desk, 0..2, 5).await);
    assert!(catalog.freshen(&before, &objects([7]), at(3)).await.unwrap());
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    for told in [3, 7] {
        assert!(
            !catalog.freshen(&before, &objects([told]), at(4)).await.unwrap(),
            "be it recent or not"
        );
    }
    assert_eq!(since(&desk, 0).await, objects([7]));
    desk.push(vec![pack(2, 10..12)]).await;
    assert!(tell(&desk, [3, 10], 5).await, "a push drops nothing");
    let before = desk.row().await;
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    assert!(!catalog.freshen(&before, &objects([3]), at(7)).await.unwrap());
}

pub async fn a_consolidation_drops_nothing_that_a_client_was_told_since_it_was_planned(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..9)]).await;
    assert!(tell(&desk, [1], 1).await);
    let plan = drops(&desk, 0..4, 5).await;
    let kept = drops(&desk, 0..3, 6).await;
    assert!(tell(&desk, [3, 8], 2).await);
    let before = desk.index().await;
    assert_eq!(desk.apply(&plan).await, PublishOutcome::Changed);
    assert_eq!(desk.index().await, before);
    assert_eq!(catalog.knows_packs(&[key(5)]).await.unwrap(), [false]);
    // 1 was reported before the plan was made: the planner takes care of that.
    assert!(
        matches!(desk.apply(&kept).await, PublishOutcome::Done { .. }),
        "what was told is kept by the plan"
    );
    assert_eq!(since(&desk, 0).await, objects([3, 8]), "what is dropped leaves no time behind");
}

pub async fn what_a_push_brings_again_is_recent(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..9)]).await;
    let mut push = desk.prepare(vec![pack(2, 9..10)]).await;
    (push.known, push.now) = (objects([2, 4]), at(5));
    desk.done(&push).await;
    assert_eq!(since(&desk, 4).await, objects([2, 4]));
    let mut late = desk.prepare(vec![pack(3, 10..11)]).await;
    late.known = objects([6]);
    desk.push(vec![pack(4, 11..12)]).await;
    assert_eq!(desk.publish(&late).await, PublishOutcome::Changed);
    assert_eq!(since(&desk, 0).await, objects([2, 4]), "what was not published tells nothing");
}

pub async fn all_of_a_restored_repo_is_recent(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(1, 0..9)]).await;
    assert!(tell(&desk, [1], 1).await);
    catalog.delete_repo(desk.repo, at(2)).await.unwrap().unwrap();
    let lock = catalog.lock(LockMode::Publishing).await.unwrap();
    assert_eq!(
        catalog.restore_repo(&RepoRestoration::latest(&desk.name), at(3), &lock).await.unwrap(),
        RestoreOutcome::Done
    );
    let told = async |seconds| desk.snapshot().await.freshened(at(seconds)).await.unwrap();
    assert_eq!(told(0).await, Freshened { everything: true, entities: objects([1]) });
    assert_eq!(told(2).await, Freshened { everything: true, entities: objects([]) });
    assert_eq!(told(3).await, Freshened::default());
}

pub async fn times_are_kept_to_the_millisecond(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let half = SignedDuration::from_millis(500);
    assert!(catalog.freshen(&desk.row().await, &objects([1]), at(2) + half).await.unwrap());
    assert_eq!(since(&desk, 2).await, objects([1]));
    assert_eq!(desk.snapshot().await.freshened(at(2) + half).await.unwrap(), Freshened::default());
}
