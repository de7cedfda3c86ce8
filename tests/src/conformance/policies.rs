//! Policies, and what speaks for consolidating.

use std::sync::Arc;

use packhouse_host::Policy;
use packhouse_host::catalog::{Catalog, ChangedRepos, Pressure, PushedPack};

use super::desk::{Desk, at, moved, pack};

pub async fn a_policy_is_kept_as_it_was_set_until_it_is_taken_back(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    assert!(catalog.policies().await.unwrap().is_empty());
    let one = Policy {
        max_packs: Some(7),
        growth: Some(0.1),
        max_age_seconds: None,
        scrub_age_seconds: None,
    };
    let two = Policy {
        max_packs: None,
        growth: Some(1e-9),
        max_age_seconds: Some(u64::from(u32::MAX) * 9),
        scrub_age_seconds: Some(0),
    };
    catalog.set_policy(desk.repo, Some(&one)).await.unwrap();
    catalog.set_policy(0, Some(&two)).await.unwrap();
    catalog.set_policy(other.repo, Some(&Policy::OFF)).await.unwrap();
    assert_eq!(
        catalog.policies().await.unwrap(),
        [(0, two), (desk.repo, one), (other.repo, Policy::OFF)]
    );
    catalog.set_policy(desk.repo, Some(&two)).await.unwrap();
    catalog.set_policy(0, None).await.unwrap();
    catalog.set_policy(0, None).await.unwrap();
    assert_eq!(catalog.policies().await.unwrap(), [(desk.repo, two), (other.repo, Policy::OFF)]);
}

pub async fn a_trial_write_leaves_nothing(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    catalog.set_policy(desk.repo, Some(&Policy::OFF)).await.unwrap();
    for _ in 0..3 {
        catalog.probe_writing().await.unwrap();
    }
    assert_eq!(catalog.policies().await.unwrap(), [(desk.repo, Policy::OFF)]);
    assert_eq!(catalog.repos(None, 9).await.unwrap().len(), 1);
    desk.adds_up().await;
}

pub async fn pressure_is_told_of_repos_with_more_than_one_pack(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let push_at = async |desk: &Desk, one: PushedPack, seconds| {
        let mut push = desk.prepare(vec![one]).await;
        push.now = at(seconds);
        desk.done(&push).await;
    };
    push_at(&desk, pack(1, 0..1), 10).await;
    push_at(&other, pack(2, 0..1), 11).await;
    assert!(
        catalog.pressures(None).await.unwrap().is_empty()
            && catalog.pressures(Some(desk.repo)).await.unwrap().is_empty()
    );
    push_at(&desk, pack(3, 1..2), 20).await;
    let pressure = |repo, consolidated_bytes, oldest: Option<i64>| Pressure {
        repo,
        consolidated_bytes,
        oldest_unconsolidated: oldest.map(at),
    };
    assert_eq!(catalog.pressures(None).await.unwrap(), [pressure(desk.repo, 0, Some(10))]);
    desk.consolidate(4).await;
    assert!(catalog.pressures(None).await.unwrap().is_empty(), "one pack, on two shelves");
    push_at(&desk, pack(5, 2..3), 30).await;
    push_at(&other, pack(6, 2..3), 31).await;
    let both = [pressure(desk.repo, 1004, Some(30)), pressure(other.repo, 0, Some(11))];
    assert_eq!(catalog.pressures(None).await.unwrap(), both);
    assert_eq!(catalog.pressures(Some(other.repo)).await.unwrap(), both[1..]);
    // A pack that nothing is mapped to speaks for nothing.
    let from = other.shelf(0).await;
    push_at(&other, PushedPack { moved: moved(0..1, from), ..pack(7, 0..0) }, 40).await;
    assert_eq!(
        catalog.pressures(Some(other.repo)).await.unwrap(),
        [pressure(other.repo, 0, Some(31))]
    );
}

pub async fn the_oldest_is_the_oldest_within_a_second_as_well(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    // As texts, `09:00:02.25Z` is before `09:00:02.5Z`, and both are before `09:00:02Z`.
    let moments =
        [500, 0, 250, 750].map(|millis| at(2) + jiff::SignedDuration::from_millis(millis));
    for (number, moment) in (0..).zip(moments) {
        let mut push = desk.prepare(vec![pack(number, number..number + 1)]).await;
        push.now = moment;
        desk.done(&push).await;
    }
    assert_eq!(catalog.pressures(None).await.unwrap()[0].oldest_unconsolidated, Some(at(2)));
}

pub async fn repos_with_changes_since_a_number_are_named_and_no_others(catalog: Arc<dyn Catalog>) {
    let since = async |number| catalog.changed_repos(number).await.unwrap();
    assert_eq!(since(0).await, ChangedRepos { repos: Vec::new(), last: 0 });
    let (desk, other) = (Desk::named(&catalog, "c/d").await, Desk::new(&catalog).await);
    assert_eq!(since(0).await.repos, [], "nothing was published");
    desk.push(vec![pack(1, 0..1)]).await;
    let first = since(0).await;
    let only = |desk: &Desk| vec![desk.name.clone()];
    assert_eq!((&first.repos, first.last > 0), (&only(&desk), true));
    other.push(vec![pack(2, 0..1)]).await;
    other.push(vec![pack(3, 1..2)]).await;
    let second = since(first.last).await;
    assert_eq!((&second.repos, second.last > first.last), (&only(&other), true));
    assert_eq!(since(first.last - 1).await.repos, [only(&other), only(&desk)].concat());
    other.consolidate(4).await;
    assert_eq!(since(second.last).await.repos, only(&other));
    catalog.delete_repo(other.repo, at(6)).await.unwrap().unwrap();
    assert_eq!(since(0).await.repos, only(&desk));
    let none = since(i64::MAX).await;
    assert!(none.repos.is_empty() && none.last > second.last);
}
