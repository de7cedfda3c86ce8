//! Generations of commits: walks that go from high to low, and end above the walk floor or below it,
//! find the right commits.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use packhouse_core::{Ancestor, EntityId, Kind};
use packhouse_host::catalog::generations::{CommitParents, number};
use packhouse_host::catalog::{
    AwaitedParent, Catalog, Consolidation, PublishOutcome, RepoRow, TagRow,
};
use packhouse_host::sample::Random;

use super::desk::{Desk, edges, fresh, head, id, pack, tag};

/// Commits by number, each with its parents.
type Graph = BTreeMap<u64, Vec<u64>>;

/// Pushes commits of a graph.
async fn push(desk: &Desk, graph: &Graph, commits: &[u64]) {
    let mut push = desk.prepare(vec![]).await;
    push.edges = commits.iter().map(|commit| edges(*commit, &graph[commit])).collect();
    push.heads = vec![head("main", commits[0])];
    desk.done(&push).await;
}

fn number_of(id: EntityId) -> u64 {
    u64::from_be_bytes(std::array::from_fn(|at| id.digest()[at]))
}

/// All commits of a repo.
async fn commits(desk: &Desk) -> Vec<Ancestor> {
    desk.snapshot().await.commits(None, u32::MAX).await.unwrap()
}

/// Generations by number.
async fn generations(desk: &Desk) -> BTreeMap<u64, u64> {
    let found = commits(desk).await;
    found.iter().map(|one| (number_of(one.edges.commit), one.generation)).collect()
}

async fn floor(desk: &Desk) -> Option<u64> {
    desk.snapshot().await.walk_floor().await.unwrap()
}

/// Numbers all commits of a repo as they are now: as `gc` does, in steps of three.
struct Renumbering {
    repo: RepoRow,
    generations: Vec<(EntityId, u64)>,
    floor: Option<u64>,
    awaited: Vec<AwaitedParent>,
}

impl Renumbering {
    async fn of(desk: &Desk) -> Renumbering {
        let mut snapshot = desk.snapshot().await;
        let all = snapshot.commits(None, u32::MAX).await.unwrap();
        let parents = |one: &Ancestor| CommitParents {
            commit: one.edges.commit,
            parents: one.edges.parents,
            least: one.generation,
        };
        let numbering = number(all.iter().map(parents).collect(), |_| None);
        let mut generations = numbering.generations;
        generations.sort_by_key(|(_, generation)| Reverse(*generation));
        Renumbering {
            repo: snapshot.repo().clone(),
            generations,
            floor: numbering.floor,
            awaited: numbering.awaited,
        }
    }

    /// Writes the next few numbers; false at the end.
    async fn step(&mut self, desk: &Desk) -> bool {
        let few: Vec<_> = self.generations.drain(..self.generations.len().min(3)).collect();
        let renumbered = desk.catalog.renumber(&self.repo, &few).await.unwrap();
        assert!(matches!(renumbered, PublishOutcome::Done { .. }));
        !self.generations.is_empty()
    }

    async fn end(&self, desk: &Desk) -> PublishOutcome {
        desk.catalog.end_renumbering(&self.repo, self.floor, &self.awaited).await.unwrap()
    }
}

async fn renumber(desk: &Desk) {
    let mut numbering = Renumbering::of(desk).await;
    while numbering.step(desk).await {}
    assert!(matches!(numbering.end(desk).await, PublishOutcome::Done { .. }));
}

pub async fn a_commit_is_numbered_above_its_known_parents(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph =
        [(1, vec![]), (5, vec![1]), (3, vec![5]), (4, vec![1, 3]), (2, vec![4, 9]), (6, vec![1])]
            .into();
    push(&desk, &graph, &[4, 1, 3, 5]).await;
    assert_eq!(generations(&desk).await, [(1, 1), (3, 3), (4, 4), (5, 2)].into());
    push(&desk, &graph, &[2, 6, 4]).await;
    let expected = [(1, 1), (2, 5), (3, 3), (4, 4), (5, 2), (6, 2)];
    assert_eq!(
        generations(&desk).await,
        expected.into(),
        "known ones stay, unknown ones don't count"
    );
    assert_eq!(floor(&desk).await, None);
    let found = desk.snapshot().await.history(&[id(2)], 9).await.unwrap();
    let order: Vec<_> =
        found.iter().map(|one| (number_of(one.edges.commit), one.generation)).collect();
    assert_eq!(order, [(2, 5), (4, 4), (1, 1), (3, 3), (5, 2)]);
}

pub async fn a_parent_that_comes_late_lowers_the_floor(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph = [
        (1, vec![]),
        (2, vec![1]),
        (3, vec![2]),
        (4, vec![3]),
        (5, vec![4]),
        (6, vec![5]),
        (9, vec![]),
        (8, vec![9, 4]),
    ]
    .into();
    push(&desk, &graph, &[8, 9]).await;
    push(&desk, &graph, &[6, 5]).await;
    assert_eq!((generations(&desk).await[&5], floor(&desk).await), (1, None));
    push(&desk, &graph, &[4]).await;
    assert_eq!(floor(&desk).await, Some(1), "5 has the parent 4 of the same generation");
    push(&desk, &graph, &[3, 2, 1]).await;
    assert_eq!(floor(&desk).await, Some(1));
    assert_eq!(
        generations(&desk).await,
        [(1, 1), (2, 2), (3, 3), (4, 1), (5, 1), (6, 2), (8, 2), (9, 1)].into()
    );
    renumber(&desk).await;
    assert_eq!(
        generations(&desk).await,
        [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (8, 5), (9, 1)].into()
    );
    assert_eq!(floor(&desk).await, None);
}

pub async fn a_parent_that_comes_late_with_a_lower_generation_leaves_the_floor(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph =
        [(1, vec![]), (2, vec![1]), (3, vec![2]), (4, vec![3, 7]), (7, vec![8]), (8, vec![])]
            .into();
    push(&desk, &graph, &[4, 3, 2, 1]).await;
    push(&desk, &graph, &[7]).await;
    assert_eq!((generations(&desk).await[&7], floor(&desk).await), (1, None));
    push(&desk, &graph, &[8]).await;
    assert_eq!(floor(&desk).await, Some(1), "that one had a child of its generation");
}

pub async fn a_cycle_lowers_the_floor(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph =
        [(1, vec![]), (2, vec![1, 4]), (3, vec![2]), (4, vec![3]), (5, vec![4])].into();
    push(&desk, &graph, &[5, 4, 3, 2, 1]).await;
    assert_eq!(generations(&desk).await, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)].into());
    assert_eq!(floor(&desk).await, Some(2));
    renumber(&desk).await;
    assert_eq!(floor(&desk).await, Some(2), "it stays a cycle");
}

/// A random graph, and the order in which its commits are pushed.
fn random_graph(random: &mut Random) -> (Graph, Vec<Vec<u64>>) {
    let size = 4 + random.below(12) as u64;
    let mut graph = Graph::new();
    for commit in 1..=size {
        let parents = random.below(3).min(commit as usize - 1);
        // Numbers below 200 come before, those above never come.
        let parent = |random: &mut Random| match random.below(9) {
            0 => 200 + random.below(3) as u64,
            1 if random.below(3) == 0 => 1 + random.below(size as usize) as u64,
            _ => 1 + random.below(commit as usize - 1) as u64,
        };
        graph.insert(commit, (0..parents).map(|_| parent(random)).collect());
    }
    let mut order: Vec<u64> = graph.keys().copied().collect();
    match random.below(3) {
        0 => {}
        1 => order.reverse(),
        _ => random.shuffle(&mut order),
    }
    let mut pushes: Vec<Vec<u64>> = Vec::new();
    for commit in order {
        match pushes.last_mut() {
            Some(last) if random.below(3) > 0 => last.push(commit),
            _ => pushes.push(vec![commit]),
        }
    }
    (graph, pushes)
}

/// All ancestors of some commits, and these.
fn reach(graph: &Graph, from: &[u64]) -> BTreeSet<u64> {
    let (mut open, mut reached) = (from.to_vec(), BTreeSet::new());
    while let Some(commit) = open.pop() {
        if graph.contains_key(&commit) && reached.insert(commit) {
            open.extend(&graph[&commit]);
        }
    }
    reached
}

/// The walk of decision 27, over what a catalog says.
struct Walk<'a> {
    commits: BTreeMap<u64, &'a Ancestor>,
    /// Whether a commit is had; the others are wanted.
    had: BTreeMap<u64, bool>,
    /// By generation.
    queue: BTreeSet<(u64, u64)>,
}

impl<'a> Walk<'a> {
    fn new(all: &'a [Ancestor]) -> Walk<'a> {
        let commits = all.iter().map(|one| (number_of(one.edges.commit), one)).collect();
        Walk { commits, had: BTreeMap::new(), queue: BTreeSet::new() }
    }

    /// What is had is passed on also to commits that were passed as wanted.
    fn put(&mut self, commit: u64, is_had: bool) {
        let Some(known) = self.commits.get(&commit) else { return };
        let before = self.had.get(&commit).copied();
        if before.is_none_or(|before| is_had && !before) {
            self.had.insert(commit, is_had);
            self.queue.insert((known.generation, commit));
        }
    }

    /// What is wanted and not had.
    fn walk(mut self, floor: Option<u64>, want: &[u64], have: &[u64]) -> BTreeSet<u64> {
        want.iter().for_each(|commit| self.put(*commit, false));
        have.iter().for_each(|commit| self.put(*commit, true));
        let mut passed = BTreeSet::new();
        while let Some((highest, commit)) = self.queue.last().copied() {
            let all_had = self.queue.iter().all(|(_, commit)| self.had[commit]);
            if all_had && floor.is_none_or(|floor| highest < floor) {
                break;
            }
            self.queue.pop_last();
            passed.insert(commit);
            for parent in self.commits[&commit].edges.parents() {
                self.put(number_of(parent), self.had[&commit]);
            }
        }
        passed.retain(|commit| !self.had[commit]);
        passed
    }
}

/// Walks of any wants and haves find what is to be found.
async fn check_walks(desk: &Desk, graph: &Graph, pushed: &[u64], random: &mut Random) {
    let known: Graph = pushed.iter().map(|commit| (*commit, graph[commit].clone())).collect();
    let (all, floor) = (commits(desk).await, floor(desk).await);
    for _ in 0..12 {
        let some = |random: &mut Random| -> Vec<u64> {
            (0..1 + random.below(2)).map(|_| pushed[random.below(pushed.len())]).collect()
        };
        let (want, have) = (some(random), some(random));
        let expected: BTreeSet<u64> =
            reach(&known, &want).difference(&reach(&known, &have)).copied().collect();
        let found = Walk::new(&all).walk(floor, &want, &have);
        assert_eq!(found, expected, "want {want:?}, have {have:?}, floor {floor:?}, {all:?}");
    }
}

pub async fn pushes_in_any_order_end_with_the_same_numbers_after_renumbering(
    catalog: Arc<dyn Catalog>,
) {
    let mut random = Random::new(20_27);
    for round in 0..20 {
        let (mut graph, pushes) = random_graph(&mut random);
        // Without cycles the numbers are those of the graph, whatever the order.
        for (commit, parents) in &mut graph {
            parents.retain(|parent| parent < commit || *parent >= 200);
        }
        let (shuffled, ordered) = (
            Desk::named(&catalog, &format!("any/{round}")).await,
            Desk::named(&catalog, &format!("in-order/{round}")).await,
        );
        for commits in &pushes {
            push(&shuffled, &graph, commits).await;
        }
        let all: Vec<u64> = graph.keys().copied().collect();
        push(&ordered, &graph, &all).await;
        assert_eq!(floor(&ordered).await, None);
        let exact = generations(&ordered).await;
        if floor(&shuffled).await.is_none() {
            assert_eq!(generations(&shuffled).await, exact, "no floor: {graph:?} by {pushes:?}");
        }
        renumber(&shuffled).await;
        assert_eq!(generations(&shuffled).await, exact, "{graph:?} by {pushes:?}");
        assert_eq!(floor(&shuffled).await, None);
    }
}

pub async fn renumbering_meanwhile_does_not_mislead_a_walk(catalog: Arc<dyn Catalog>) {
    let mut random = Random::new(1_527);
    for round in 0..20 {
        let (graph, pushes) = random_graph(&mut random);
        let desk = Desk::named(&catalog, &format!("walks/{round}")).await;
        let (mut pushed, mut numbering): (Vec<u64>, Option<Renumbering>) = Default::default();
        for commits in &pushes {
            push(&desk, &graph, commits).await;
            pushed.extend(commits);
            check_walks(&desk, &graph, &pushed, &mut random).await;
            // A renumbering begins, goes on, and ends at any time.
            let under_way = match numbering.take() {
                Some(under_way) => Some(under_way),
                None if random.below(2) == 0 => Some(Renumbering::of(&desk).await),
                None => None,
            };
            if let Some(mut under_way) = under_way {
                let goes_on = under_way.step(&desk).await;
                check_walks(&desk, &graph, &pushed, &mut random).await;
                match goes_on {
                    true => numbering = Some(under_way),
                    false => _ = under_way.end(&desk).await,
                }
                check_walks(&desk, &graph, &pushed, &mut random).await;
            }
        }
        renumber(&desk).await;
        check_walks(&desk, &graph, &pushed, &mut random).await;
    }
}

pub async fn a_push_meanwhile_keeps_the_floor(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph = [(1, vec![]), (2, vec![1]), (3, vec![2]), (4, vec![3])].into();
    push(&desk, &graph, &[3]).await;
    push(&desk, &graph, &[2]).await;
    let mut numbering = Renumbering::of(&desk).await;
    numbering.step(&desk).await;
    push(&desk, &graph, &[4]).await;
    assert_eq!(numbering.end(&desk).await, PublishOutcome::Changed);
    assert_eq!(floor(&desk).await, Some(1));
    renumber(&desk).await;
    assert_eq!(floor(&desk).await, None);
    // 2 is awaited from then on as well: by the same number.
    push(&desk, &graph, &[1]).await;
    assert_eq!(floor(&desk).await, Some(1));
}

pub async fn after_a_consolidation_that_dropped_something_nothing_is_renumbered(
    catalog: Arc<dyn Catalog>,
) {
    let desk = Desk::new(&catalog).await;
    let mut push = desk.prepare(vec![pack(1, 0..2)]).await;
    push.packs[0].fresh.extend(fresh(Kind::Commit, 1..4));
    push.packs[0].fresh.sort_unstable_by_key(|fresh| fresh.row);
    push.edges = vec![edges(1, &[]), edges(2, &[1]), edges(3, &[2])];
    desk.done(&push).await;
    let before = desk.row().await;
    let plan =
        Consolidation { dropped: desk.drops(Kind::Commit, 3..4).await, ..desk.plan(9).await };
    assert!(matches!(desk.apply(&plan).await, PublishOutcome::Done { .. }));
    let ahead = [(id(1), 7), (id(2), 8), (id(3), 9)];
    assert_eq!(catalog.renumber(&before, &ahead).await.unwrap(), PublishOutcome::Changed);
    assert_eq!(
        catalog.end_renumbering(&before, Some(4), &[]).await.unwrap(),
        PublishOutcome::Changed
    );
    assert_eq!((generations(&desk).await, floor(&desk).await), ([(1, 1), (2, 2)].into(), None));
    // Numbers are raised, never lowered, and those of commits that are gone are of no use.
    let now = desk.row().await;
    let some = [(id(1), 7), (id(2), 1), (id(3), 9)];
    assert_eq!(catalog.renumber(&now, &some).await.unwrap(), PublishOutcome::Done { rows: 1 });
    assert_eq!(generations(&desk).await, [(1, 7), (2, 2)].into());
    catalog.delete_repo(desk.repo, super::desk::at(9)).await.unwrap().unwrap();
    assert_eq!(catalog.renumber(&now, &some).await.unwrap(), PublishOutcome::Changed);
    assert_eq!(catalog.end_renumbering(&now, None, &[]).await.unwrap(), PublishOutcome::Changed);
}

pub async fn a_renumbering_says_which_parents_are_awaited(catalog: Arc<dyn Catalog>) {
    let desk = Desk::new(&catalog).await;
    let graph: Graph = [(4, vec![3]), (5, vec![4, 2]), (2, vec![]), (3, vec![])].into();
    push(&desk, &graph, &[5, 4]).await;
    let now = desk.row().await;
    // As if nothing were awaited, as in a repo that an older packhouse wrote.
    assert!(matches!(
        catalog.end_renumbering(&now, Some(0), &[]).await.unwrap(),
        PublishOutcome::Done { .. }
    ));
    assert_eq!(floor(&desk).await, Some(0), "such a repo is walked to its end");
    push(&desk, &graph, &[2]).await;
    assert_eq!(floor(&desk).await, Some(0));
    renumber(&desk).await;
    assert_eq!(floor(&desk).await, None);
    push(&desk, &graph, &[3]).await;
    assert_eq!(floor(&desk).await, Some(1), "4 awaited it");
}

pub async fn commits_are_listed_by_id_page_by_page(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let graph: Graph = (1..8).map(|commit| (commit, vec![commit + 1])).collect();
    push(&desk, &graph, &[5, 1, 2, 7, 6, 3, 4]).await;
    push(&other, &graph, &[3, 6]).await;
    let (mut snapshot, mut found) = (desk.snapshot().await, Vec::new());
    loop {
        let after = found.last().map(|one: &Ancestor| one.edges.commit);
        let page = snapshot.commits(after, 3).await.unwrap();
        assert!(page.len() <= 3);
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(
        found.iter().map(|one| number_of(one.edges.commit)).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(found, snapshot.commits(None, 99).await.unwrap());
    assert_eq!(found[0], Ancestor { edges: edges(1, &[2]), generation: 7 });
}

pub async fn tags_are_found_by_commit(catalog: Arc<dyn Catalog>) {
    let (desk, other) = (Desk::new(&catalog).await, Desk::named(&catalog, "c/d").await);
    let mut push = desk.prepare(vec![pack(1, 0..2), pack(2, 2..3)]).await;
    let named = |text: &str, number, commit| TagRow { text: text.into(), ..tag(number, commit) };
    let (first, second) = (named("b", 1, 5), named("a", 2, 5));
    push.packs[0].tags = vec![first.clone(), tag(3, 6)];
    push.packs[1].tags = vec![second.clone()];
    desk.done(&push).await;
    let mut theirs = other.prepare(vec![pack(3, 0..1)]).await;
    theirs.packs[0].tags = vec![tag(9, 5)];
    other.done(&theirs).await;

    let mut snapshot = desk.snapshot().await;
    assert_eq!(
        snapshot.tags_of(&[id(5)]).await.unwrap(),
        [second.clone(), first.clone()],
        "by text"
    );
    let asked = [id(7), id(6), id(5), id(6)];
    assert_eq!(snapshot.tags_of(&asked).await.unwrap(), [second, first, tag(3, 6)]);
    assert_eq!(snapshot.tags_of(&[]).await.unwrap(), []);
    assert_eq!(snapshot.tags_without_commit(9).await.unwrap(), []);
    drop(snapshot);
    // What is known of a tag stays.
    catalog.tell_tags(desk.repo, &[(id(3), id(8)), (id(99), id(8))]).await.unwrap();
    let mut again = desk.prepare(vec![pack(4, 3..4)]).await;
    again.packs[0].tags = vec![tag(3, 7)];
    desk.done(&again).await;
    assert_eq!(desk.snapshot().await.tags_of(&[id(6), id(7), id(8)]).await.unwrap(), [tag(3, 6)]);
}
