//! Concurrent calls. What each may get is a law; who is first is not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use packhouse_core::Kind;
use packhouse_host::Visibility;
use packhouse_host::catalog::{Again, Catalog, JobEnd, LockMode, NewJob, PublishOutcome};
use packhouse_host::{JobStatus, MpackKey, Operation, VerifyOptions};
use serde_json::json;

use super::desk::{Desk, at, fresh, head, key, name, pack, unused_id};
use super::jobs::{GC, PRUNE, add, failed};
use super::{is_model, polled};

/// Does it so many times at once, each with its number.
pub(super) async fn together<T: Send + 'static, F>(tasks: u64, what: impl Fn(u64) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..tasks).map(|number| tokio::spawn(what(number))).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

fn won(published: &[PublishOutcome]) -> usize {
    assert!(
        published
            .iter()
            .all(|one| matches!(one, PublishOutcome::Done { .. } | PublishOutcome::Changed)),
        "{published:?}"
    );
    published.iter().filter(|one| matches!(one, PublishOutcome::Done { .. })).count()
}

pub async fn of_those_who_make_one_repo_at_once_one_makes_it(catalog: Arc<dyn Catalog>) {
    let made = together(8, |_| {
        let catalog = catalog.clone();
        async move {
            catalog.create_repo(&name("a/b"), unused_id(), Visibility::Public, at(0)).await.unwrap()
        }
    })
    .await;
    assert_eq!(made.iter().flatten().count(), 1);
    assert_eq!(catalog.repos(None, 9).await.unwrap().len(), 1);
}

pub async fn of_pushes_on_one_revision_one_is_published(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for round in 0..6 {
        let row = desk.row().await;
        let published = together(6, |number| {
            let (desk, row, number) = (desk.clone(), row.clone(), 10 * round + number);
            async move {
                // All have the same new object, so two would conflict.
                let mut push = desk.prepare(vec![pack(number, round..round + 1)]).await;
                push.repo = row;
                push.heads = vec![head("main", number)];
                desk.publish(&push).await
            }
        })
        .await;
        assert_eq!(won(&published), 1, "{published:?}");
        assert_eq!(desk.row().await.revision, round as i64 + 1);
        assert_eq!(desk.index().await.len() as u64, round + 1);
        desk.adds_up().await;
    }
    assert_eq!(desk.on_shelves().await.len(), 6);
}

pub async fn pushes_that_begin_anew_are_all_published(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    together(6, |number| {
        let desk = desk.clone();
        async move {
            for turn in 0..5 {
                let number = 10 * number + turn;
                loop {
                    let push = desk.prepare(vec![pack(number, number..number + 1)]).await;
                    if matches!(desk.publish(&push).await, PublishOutcome::Done { .. }) {
                        break;
                    }
                }
            }
        }
    })
    .await;
    assert_eq!(
        (desk.row().await.revision, desk.index().await.len(), desk.row().await.sums.packs),
        (30, 30, 30)
    );
    desk.adds_up().await;
}

pub async fn of_consolidations_of_the_same_shelves_one_is_published(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for round in 0..6 {
        desk.push(vec![pack(100 + round, 2 * round..2 * round + 2)]).await;
        desk.push(vec![pack(200 + round, 1000 + round..1001 + round)]).await;
        let planned: BTreeSet<MpackKey> = desk.on_shelves().await.into_iter().collect();
        let published = together(5, |number| {
            let (desk, catalog) = (desk.clone(), catalog.clone());
            async move {
                let plan = desk.plan(1000 + 10 * round + number).await;
                let published =
                    catalog.publish_consolidation(&plan, &desk.publishing().await).await.unwrap();
                (plan.planned, published)
            }
        })
        .await;
        // Each plan is one of a generation, and each generation is replaced once.
        let mut winners = BTreeMap::new();
        for (planned, published) in &published {
            assert_ne!(*published, PublishOutcome::LeaseLost);
            *winners.entry(planned.clone()).or_insert(0) +=
                usize::from(matches!(published, PublishOutcome::Done { .. }));
        }
        assert!(
            winners.values().all(|winners| *winners <= 1) && winners.values().sum::<usize>() >= 1,
            "{published:?}"
        );
        let held: BTreeSet<MpackKey> = desk.on_shelves().await.into_iter().collect();
        assert!(held.len() == 1 && held.is_disjoint(&planned));
        desk.adds_up().await;
    }
    assert_eq!(desk.index().await.len(), 18);
}

pub async fn pushes_and_consolidations_at_once_lose_nothing(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    desk.push(vec![pack(999, 9990..9991)]).await;
    together(6, |number| {
        let (desk, catalog) = (desk.clone(), catalog.clone());
        async move {
            for turn in 0..6 {
                let pushed = 10 * number + turn;
                if number < 4 {
                    loop {
                        let push = desk.prepare(vec![pack(pushed, pushed..pushed + 1)]).await;
                        if matches!(desk.publish(&push).await, PublishOutcome::Done { .. }) {
                            break;
                        }
                    }
                } else {
                    let plan = desk.plan(1000 + pushed).await;
                    let lock = desk.publishing().await;
                    let published = catalog.publish_consolidation(&plan, &lock).await.unwrap();
                    assert_ne!(published, PublishOutcome::LeaseLost);
                }
            }
        }
    })
    .await;
    let expected: u64 = 4 * 6 + 1;
    assert_eq!(desk.index().await.len() as u64, expected);
    desk.adds_up().await;
    desk.consolidate(7777).await;
    desk.adds_up().await;
    let (held, retired) = (catalog.held_packs().await.unwrap(), desk.retired().await);
    assert_eq!(held, [key(7777)]);
    assert!(retired.len() as u64 >= expected, "every pack that was ever on a shelf");
}

pub async fn deleting_a_repo_while_others_publish_to_it_leaves_no_half(catalog: Arc<dyn Catalog>) {
    for round in 0..4 {
        let desk = Desk::new(&catalog).await;
        desk.push(vec![pack(100 * round, 0..1)]).await;
        let done = together(5, |number| {
            let (desk, catalog) = (desk.clone(), catalog.clone());
            async move {
                let number = 100 * round + number + 1;
                // Who comes too late finds no repo.
                let Ok(snapshot) = catalog.snapshot(desk.repo).await else { return 0 };
                let row = snapshot.repo().clone();
                drop(snapshot);
                if number % 5 == 0 {
                    return usize::from(
                        catalog.delete_repo(desk.repo, at(9)).await.unwrap().is_some(),
                    );
                }
                let mut push = packhouse_host::catalog::Push {
                    complete: None,
                    repo: row,
                    packs: vec![],
                    known: vec![],
                    edges: vec![],
                    heads: vec![],
                    broken: vec![],
                    forced: false,
                    fence: None,
                    now: at(1),
                };
                push.packs.push(pack(number, number..number + 1));
                assert_ne!(desk.publish(&push).await, PublishOutcome::LeaseLost);
                0
            }
        })
        .await;
        assert_eq!(done.iter().sum::<usize>(), 1);
        assert!(
            catalog.held_packs().await.unwrap().is_empty()
                && catalog.repo(&desk.name).await.unwrap().is_none()
        );
    }
}

pub async fn packs_are_forgotten_and_pushed_at_once_and_none_is_lost(catalog: Arc<dyn Catalog>) {
    let desks = [Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await];
    for desk in &desks {
        desk.push((0..8).map(|number| pack(number, number..number + 1)).collect()).await;
        desk.consolidate(desk.repo as u64 + 100).await;
    }
    together(6, |number| {
        let (desk, catalog) = (desks[number as usize % 2].clone(), catalog.clone());
        async move {
            for turn in 0..4 {
                if number < 4 {
                    // What was retired is pushed again; a deletion finds it in use, or it is stored
                    // again.
                    let number = (number + turn) % 8;
                    loop {
                        let push = desk.prepare(vec![pack(number, 0..0)]).await;
                        if matches!(desk.publish(&push).await, PublishOutcome::Done { .. }) {
                            break;
                        }
                    }
                    assert!(desk.on_shelves().await.contains(&key(number)));
                } else {
                    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
                    let unneeded: Vec<_> = catalog
                        .unneeded_packs()
                        .await
                        .unwrap()
                        .iter()
                        .map(|r| r.pack.key)
                        .collect();
                    let forgotten = catalog.forget_packs(&unneeded, at(99), &lock).await.unwrap();
                    let held = catalog.held_packs().await.unwrap();
                    assert!(forgotten.iter().all(|key| !held.contains(key)));
                    drop(lock);
                }
            }
        }
    })
    .await;
    for desk in &desks {
        desk.adds_up().await;
    }
}

pub async fn each_job_is_given_to_one_of_many_workers(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for _ in 0..24 {
        add(&catalog, Some(desk.repo), Operation::Verify(VerifyOptions::default()), 0).await;
    }
    let taken = together(6, |number| {
        let catalog = catalog.clone();
        async move {
            let mut taken = Vec::new();
            while let Some((job, fence)) =
                catalog.take_job(&format!("{number}"), at(1), at(60)).await.unwrap()
            {
                assert_eq!(job.worker, Some(format!("{number}")));
                if job.id % 2 == 0 {
                    catalog
                        .end_job(fence, &JobEnd::Done(json!(number)), at(2))
                        .await
                        .unwrap()
                        .expect("it is its own");
                }
                taken.push((job.id, fence.number));
            }
            taken
        }
    })
    .await;
    let mut ids: Vec<_> = taken.into_iter().flatten().collect();
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup_by_key(|(id, _)| *id);
    assert_eq!((before, ids.len()), (24, 24), "each once");
}

pub async fn of_workers_who_take_over_a_job_one_gets_it(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    add(&catalog, Some(desk.repo), GC, 0).await;
    let (_, mut last) = catalog.take_job("w", at(0), at(10)).await.unwrap().unwrap();
    for round in 1..5 {
        let now = 100 * round;
        let taken = together(6, |_| {
            let catalog = catalog.clone();
            async move { catalog.take_job("w", at(now), at(now + 10)).await.unwrap() }
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        let [(job, fence)] = taken.as_slice() else { panic!("{taken:?}") };
        assert!(fence.number > last.number && i64::from(job.attempt) == round + 1);
        assert!(!catalog.renew_lease(last, at(9999)).await.unwrap());
        last = *fence;
    }
}

pub async fn however_often_it_is_asked_for_one_consolidation_runs_and_one_waits(
    catalog: Arc<dyn Catalog>,
) {
    let desks = [Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await];
    let running: Arc<Mutex<BTreeSet<Option<String>>>> = Arc::default();
    let ends = together(6, |number| {
        let (desk, catalog, running) =
            (desks[number as usize % 2].clone(), catalog.clone(), running.clone());
        async move {
            let mut ended = 0;
            for turn in 0..10 {
                let (repo, operation) =
                    if turn % 5 == 4 { (None, PRUNE) } else { (Some(desk.repo), GC) };
                let asked = catalog
                    .add_job(&NewJob { repo, operation, now: at(0), traceparent: None })
                    .await
                    .unwrap();
                assert!(matches!(asked.operation, Operation::Gc(_) | Operation::Prune(_)));
                let Some((job, fence)) = catalog.take_job("w", at(1), at(60)).await.unwrap() else {
                    continue;
                };
                let gc_of = matches!(job.operation, Operation::Gc(_))
                    .then(|| job.repo.as_ref().map(ToString::to_string));
                if let Some(repo) = &gc_of {
                    assert!(running.lock().unwrap().insert(repo.clone()), "two run");
                }
                tokio::task::yield_now().await;
                if let Some(repo) = &gc_of {
                    running.lock().unwrap().remove(repo);
                }
                let end = match turn % 3 {
                    0 => JobEnd::Again(Again {
                        at: at(1),
                        reason: "again".into(),
                        code: None,
                        attempt: 1,
                    }),
                    1 => failed("broken"),
                    _ => JobEnd::Done(json!(1)),
                };
                let told =
                    catalog.end_job(fence, &end, at(2)).await.unwrap().expect("nobody else has it");
                if told.status == JobStatus::Failed {
                    catalog.retry_job(told.id, at(1)).await.unwrap();
                }
                ended += 1;
            }
            ended
        }
    })
    .await;
    assert!(ends.iter().sum::<i32>() > 10, "{ends:?}");
    let query = packhouse_host::catalog::JobQuery {
        repo: None,
        status: Some(JobStatus::Queued),
        before: None,
        limit: 99,
    };
    assert!(catalog.jobs(query).await.unwrap().len() <= 3, "one of each repo, and one that prunes");
}

/// A server drops what it does for a client that goes away.
pub async fn calls_that_nobody_waits_for_leave_no_transaction_behind(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    for times in 0..40 {
        let number = times as u64;
        let push = desk.prepare(vec![pack(number, number..number + 1)]).await;
        polled(times, catalog.snapshot(desk.repo)).await;
        polled(times, desk.publish(&push)).await;
        polled(times, catalog.summaries(None, 9)).await;
        let others = together(3, |_| {
            let desk = desk.clone();
            async move { desk.index().await.len() }
        });
        let found = others.await;
        assert!(found.iter().all(|entities| *entities <= times + 1), "{times}: {found:?}");
    }
    desk.push(vec![pack(99, 99..100)]).await;
    desk.adds_up().await;
}

/// They may share a transaction.
pub async fn of_writers_at_once_each_succeeds_or_fails_for_itself(catalog: Arc<dyn Catalog>) {
    const REPOS: u64 = 24;
    let mut desks = Vec::new();
    for number in 0..REPOS {
        desks.push(Desk::named(&catalog, &format!("a/r{number}")).await);
    }
    for round in 0..4 {
        let (number_of, rounds) = (|repo: u64| 100 * round + repo, round + 1);
        let has_faults = !is_model(&catalog);
        let published = together(REPOS, |repo| {
            let desk = desks[repo as usize].clone();
            let number = number_of(repo);
            async move {
                let mut push = desk.prepare(vec![pack(number, number..number + 1)]).await;
                match repo % 4 {
                    // No push has an entity twice. The model takes that for a fault of its caller.
                    1 if has_faults => push.packs[0].fresh = fresh(Kind::Object, 0..2).repeat(2),
                    // Who asks has gone away.
                    2 => return polled(number as usize % 23, desk.publish(&push)).await.is_some(),
                    _ => {}
                }
                let lock = desk.publishing().await;
                desk.catalog.publish_push(&push, &lock).await.is_ok()
            }
        })
        .await;
        for (repo, published) in (0..).zip(published) {
            let desk = &desks[repo as usize];
            let packs = desk.on_shelves().await.len() as u64;
            match repo % 4 {
                1 if has_faults => assert!(!published && packs == 0, "{repo}"),
                2 => assert!(packs <= rounds, "{repo}"),
                _ => assert!(published && packs == rounds, "{repo}: {packs} of {rounds}"),
            }
        }
    }
    for desk in &desks {
        desk.adds_up().await;
    }
}
