//! Planned answers: equal requests on the same state of a repo share one plan.
//!
//! A plan is shared while it is made, while one of its answers is sent, and as long as it is among
//! the plans that were used last, up to [`KEPT_BYTES`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use packhouse_catalog::RepoRow;
use tokio::sync::watch;

/// Bytes of plans that are kept when no answer of theirs is sent.
const KEPT_BYTES: u64 = 64 << 20;

/// A request on a state of a repo: the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PlanKey {
    repo: i64,
    /// Pushes, and what was dropped.
    revision: (i64, i64),
    /// Packs of the repo, their bytes, and those of packs pending deletion, too: a consolidation or
    /// a deletion changes them.
    packs: (u64, u64, u64),
    request: [u8; 32],
}

impl PlanKey {
    /// The key of a request with a digest.
    pub(super) fn new(row: &RepoRow, request: [u8; 32]) -> PlanKey {
        let sums = &row.sums;
        PlanKey {
            repo: row.id,
            revision: (row.revision, row.drops),
            packs: (sums.packs, sums.bytes, sums.stored_bytes),
            request,
        }
    }
}

/// What a plan takes in memory.
pub(in super::super) trait Held {
    /// Bytes.
    fn held_bytes(&self) -> u64;
}

/// Plans of a store. Its clones share them.
#[derive(Debug)]
pub(in super::super) struct Plans<P>(Mutex<State<P>>);

#[derive(Debug)]
struct State<P> {
    made: HashMap<PlanKey, Made<P>>,
    /// Those that are being made.
    making: HashMap<PlanKey, watch::Receiver<()>>,
    kept_bytes: u64,
    uses: u64,
}

#[derive(Debug)]
struct Made<P> {
    plan: Weak<P>,
    /// The plan, with its bytes, as long as it is kept.
    kept: Option<(Arc<P>, u64)>,
    used: u64,
}

/// What is known of a plan.
#[derive(Debug)]
pub(super) enum Found<P: Held> {
    /// It is made.
    Ready(Arc<P>),
    /// Another request makes it: this ends when that has ended.
    InProgress(watch::Receiver<()>),
    /// It is to be made.
    Nothing(Making<P>),
}

/// The right to make a plan. Others with the same request wait until it is dropped.
#[derive(Debug)]
pub(super) struct Making<P: Held> {
    plans: Arc<Plans<P>>,
    key: PlanKey,
    _ends: watch::Sender<()>,
}

impl<P> Default for Plans<P> {
    fn default() -> Plans<P> {
        Plans(Mutex::new(State {
            made: HashMap::new(),
            making: HashMap::new(),
            kept_bytes: 0,
            uses: 0,
        }))
    }
}

impl<P: Held> Plans<P> {
    /// The plan of a key, or the right to make it.
    pub(super) fn find(self: &Arc<Self>, key: &PlanKey) -> Found<P> {
        let mut state = self.state();
        state.uses += 1;
        let uses = state.uses;
        if let Some(made) = state.made.get_mut(key)
            && let Some(plan) = made.plan.upgrade()
        {
            made.used = uses;
            return Found::Ready(plan);
        }
        if let Some(making) = state.making.get(key) {
            return Found::InProgress(making.clone());
        }
        let (ends, end) = watch::channel(());
        state.making.insert(key.clone(), end);
        Found::Nothing(Making { plans: self.clone(), key: key.clone(), _ends: ends })
    }

    /// A plan that was made for a request on any state of the repo.
    pub(super) fn find_any(
        &self,
        repo: i64,
        request: &[u8; 32],
        is_it: impl Fn(&P) -> bool,
    ) -> Option<Arc<P>> {
        let mut state = self.state();
        state.uses += 1;
        let uses = state.uses;
        let of_request = |key: &PlanKey| key.repo == repo && key.request == *request;
        let made = state.made.iter_mut().filter(|(key, _)| of_request(key));
        made.map(|(_, made)| made).find_map(|made| {
            let plan = made.plan.upgrade().filter(|plan| is_it(plan))?;
            made.used = uses;
            Some(plan)
        })
    }

    /// Forgets a plan that is of no use any more.
    pub(super) fn forget(&self, plan: &Arc<P>) {
        let mut state = self.state();
        let is_it = |made: &Made<P>| std::ptr::eq(made.plan.as_ptr(), Arc::as_ptr(plan));
        let keys: Vec<_> = state.made.iter().filter(|(_, made)| is_it(made)).collect();
        let keys: Vec<PlanKey> = keys.into_iter().map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| state.remove(key));
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Held> State<P> {
    fn remove(&mut self, key: &PlanKey) {
        if let Some((_, bytes)) = self.made.remove(key).and_then(|made| made.kept) {
            self.kept_bytes -= bytes;
        }
    }

    /// Keeps a plan, and no longer those that were not used for the longest time.
    fn keep(&mut self, key: PlanKey, plan: &Arc<P>) {
        self.remove(&key);
        self.made.retain(|_, made| made.plan.strong_count() > 0);
        self.uses += 1;
        let bytes = plan.held_bytes();
        let fits = bytes <= KEPT_BYTES;
        while fits && self.kept_bytes + bytes > KEPT_BYTES {
            let kept = self.made.values_mut().filter(|made| made.kept.is_some());
            let Some(oldest) = kept.min_by_key(|made| made.used) else { break };
            if let Some((_, bytes)) = oldest.kept.take() {
                self.kept_bytes -= bytes;
            }
        }
        if fits {
            self.kept_bytes += bytes;
        }
        let kept = fits.then(|| (plan.clone(), bytes));
        self.made.insert(key, Made { plan: Arc::downgrade(plan), kept, used: self.uses });
    }
}

impl<P: Held> Making<P> {
    /// The plan is made: others find it from now on.
    pub(super) fn made(self, plan: P) -> Arc<P> {
        let plan = Arc::new(plan);
        self.plans.state().keep(self.key.clone(), &plan);
        plan
    }
}

impl<P: Held> Drop for Making<P> {
    fn drop(&mut self) {
        self.plans.state().making.remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Plan(u64);

    impl Held for Plan {
        fn held_bytes(&self) -> u64 {
            self.0
        }
    }

    fn key(request: u8) -> PlanKey {
        PlanKey { repo: 1, revision: (1, 0), packs: (1, 1, 1), request: [request; 32] }
    }

    fn make(plans: &Arc<Plans<Plan>>, request: u8, bytes: u64) -> Arc<Plan> {
        match plans.find(&key(request)) {
            Found::Nothing(making) => making.made(Plan(bytes)),
            other => panic!("{other:?}"),
        }
    }

    fn is_made(plans: &Arc<Plans<Plan>>, request: u8) -> bool {
        matches!(plans.find(&key(request)), Found::Ready(_))
    }

    #[test]
    fn plans_are_kept_up_to_a_bound_and_those_in_use_are_shared_beyond_it() {
        let plans = Arc::new(Plans::default());
        let third = KEPT_BYTES / 3;
        for request in 0..3 {
            drop(make(&plans, request, third));
        }
        assert!(is_made(&plans, 0) && is_made(&plans, 1) && is_made(&plans, 2));
        // The first of these is the one that was used last.
        assert!(is_made(&plans, 0));
        drop(make(&plans, 3, third));
        assert!(!is_made(&plans, 1), "it was not used for the longest time");
        assert!(is_made(&plans, 0) && is_made(&plans, 2) && is_made(&plans, 3));
        let large = make(&plans, 4, KEPT_BYTES + 1);
        assert!(is_made(&plans, 4), "it is in use");
        assert!(is_made(&plans, 0), "one that does not fit displaces none");
        drop(large);
        assert!(!is_made(&plans, 4));
        let state = plans.state();
        let kept = state.made.values().filter_map(|made| made.kept.as_ref()).map(|(_, n)| n);
        assert_eq!(state.kept_bytes, kept.sum::<u64>());
        assert!(state.kept_bytes <= KEPT_BYTES);
    }

    #[test]
    fn a_plan_is_found_when_the_repo_has_changed_as_long_as_it_is_kept() {
        let plans = Arc::new(Plans::default());
        let plan = make(&plans, 0, 10);
        let later = PlanKey { revision: (2, 0), ..key(0) };
        let Found::Nothing(making) = plans.find(&later) else { panic!("another state") };
        drop(making.made(Plan(20)));
        let found = |repo, request, bytes| {
            plans.find_any(repo, &[request; 32], |plan| plan.0 == bytes).map(|plan| plan.0)
        };
        assert_eq!((found(1, 0, 10), found(1, 0, 20)), (Some(10), Some(20)));
        assert_eq!((found(1, 0, 30), found(2, 0, 10), found(1, 1, 10)), (None, None, None));
        plans.forget(&plan);
        assert_eq!((found(1, 0, 10), found(1, 0, 20)), (None, Some(20)));
    }

    #[test]
    fn a_plan_that_is_forgotten_is_made_again() {
        let plans = Arc::new(Plans::default());
        let (plan, other) = (make(&plans, 0, 10), make(&plans, 1, 20));
        plans.forget(&plan);
        assert!(!is_made(&plans, 0) && is_made(&plans, 1));
        assert_eq!(plans.state().kept_bytes, 20);
        drop(other);
    }

    #[tokio::test]
    async fn one_request_makes_a_plan_and_the_others_wait_for_it() {
        let plans: Arc<Plans<Plan>> = Arc::default();
        let Found::Nothing(making) = plans.find(&key(0)) else { panic!("it is not made") };
        let Found::InProgress(mut end) = plans.find(&key(0)) else { panic!("it is being made") };
        let plan = making.made(Plan(1));
        assert!(end.changed().await.is_err(), "it has ended");
        let Found::Ready(found) = plans.find(&key(0)) else { panic!("it is made") };
        assert!(Arc::ptr_eq(&found, &plan));
        // One that ends without a plan leaves the right to the next.
        let Found::Nothing(failing) = plans.find(&key(1)) else { panic!("it is not made") };
        let Found::InProgress(mut end) = plans.find(&key(1)) else { panic!("it is being made") };
        drop(failing);
        assert!(end.changed().await.is_err());
        let Found::Nothing(_next) = plans.find(&key(1)) else { panic!("the next one makes it") };
    }
}
