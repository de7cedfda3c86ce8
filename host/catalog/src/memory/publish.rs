//! The two publications. Each compares first, and changes nothing until it has.

use std::collections::BTreeSet;

use jiff::Timestamp;
use packhouse_core::Kind;
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::Cause;

use super::state::{Mapped, OneShelf, Repo, State};
use crate::{
    BranchDeletion, CompletePack, Consolidation, EntityKey, IndexedEntity, PackChange, PackRow,
    PublishOutcome, Push, PushedPack, RebuiltIndex, RepoRow, Sums, entity_of,
};

impl State {
    pub(super) fn publish_push(&mut self, push: &Push) -> PublishOutcome {
        if !self.has_lease(push.fence) {
            return PublishOutcome::LeaseLost;
        }
        let number = push.repo.id;
        if self
            .repos
            .get(&number)
            .is_none_or(|repo| repo.is_deleted() || repo.row.revision != push.repo.revision)
        {
            return PublishOutcome::Changed;
        }
        let before = self.row(number).sums;
        push.packs.iter().for_each(|pack| self.shelve(number, pack, push.now));
        let repo = self.of(number);
        repo.row.revision += 1;
        repo.freshen(&push.known, push.now);
        repo.put_edges(&push.edges);
        for pack in &push.packs {
            repo.complete =
                push.complete.clone().map(|found| (pack.key, found)).or(repo.complete.take());
        }
        for head in &push.heads {
            let left = repo
                .heads
                .insert(head.branch.clone(), head.commit)
                .filter(|left| *left != head.commit);
            if push.forced {
                repo.left_heads.extend(left.map(|left| (left, push.now)));
            }
        }
        let first = push.heads.iter().find(|head| head.branch == "main").or(push.heads.first());
        if repo.row.default_branch.is_none() {
            repo.row.default_branch = first.map(|head| head.branch.clone());
        }
        push.broken.iter().for_each(|shelf| self.drop_if_empty(number, *shelf, push.now));
        self.note_change(number, Cause::Push, push.now, before);
        PublishOutcome::Done { rows: 1 + push.packs.len() as u64 }
    }

    pub(super) fn delete_branch(&mut self, given: &BranchDeletion) -> PublishOutcome {
        let number = given.repo.id;
        let current = |repo: &Repo| !repo.is_deleted() && repo.row.revision == given.repo.revision;
        if !self.repos.get(&number).is_some_and(current) {
            return PublishOutcome::Changed;
        }
        let repo = self.of(number);
        let Some(head) = repo.heads.remove(&given.branch) else { return PublishOutcome::Changed };
        repo.left_heads.push((head, given.now));
        repo.row.revision += 1;
        repo.row.default_branch.clone_from(&given.default_branch);
        PublishOutcome::Done { rows: 3 }
    }

    /// Puts a pushed pack on a shelf of its own.
    fn shelve(&mut self, number: i64, pack: &PushedPack, now: Timestamp) {
        self.put_pack(&pack.key, pack.bytes, pack.records, now);
        self.shelved += 1;
        let shelf = ShelfId(self.shelved);
        let repo = self.of(number);
        repo.retired.remove(&pack.key);
        repo.partial.remove(&pack.key);
        repo.shelves.insert(shelf, OneShelf { generation: 0, pack: pack.key, made_at: now });
        for fresh in &pack.fresh {
            let place = Mapped { shelf, fingerprint: fresh.row.fingerprint, bytes: fresh.bytes };
            assert!(
                repo.entities.insert(fresh.row.entity, place).is_none(),
                "what is fresh was there"
            );
        }
        for moved in &pack.moved {
            let place = Mapped { shelf, fingerprint: moved.row.fingerprint, bytes: moved.bytes };
            let left =
                repo.entities.insert(moved.row.entity, place).expect("what is moved was there");
            assert_eq!(
                (left.shelf, left.bytes),
                (moved.from, moved.bytes_there),
                "what is moved was elsewhere"
            );
        }
        for tag in &pack.tags {
            repo.tags.entry(tag.entity).or_insert_with(|| tag.clone());
        }
    }

    /// Takes a shelf away that nothing is mapped to; its pack is retired unless another shelf holds
    /// it.
    fn drop_if_empty(&mut self, number: i64, shelf: ShelfId, now: Timestamp) {
        let repo = self.of(number);
        if repo.entities.values().any(|place| place.shelf == shelf) {
            return;
        }
        let Some(gone) = repo.shelves.remove(&shelf) else { return };
        if repo.shelves.values().all(|other| other.pack != gone.pack) {
            repo.retired.insert(gone.pack, now);
        }
    }

    fn put_pack(&mut self, key: &MpackKey, bytes: u64, records: u64, now: Timestamp) {
        self.damaged_packs.remove(key);
        if !self.packs.contains_key(key) {
            self.stored += 1;
            let (id, consolidated) = (self.stored, false);
            let row = PackRow {
                id,
                key: *key,
                bytes,
                records,
                consolidated,
                stored_at: now,
                verified_at: None,
            };
            self.packs.insert(*key, row);
        }
        self.packs.entry(*key).and_modify(|pack| pack.verified_at = Some(now));
    }

    pub(super) fn publish_consolidation(&mut self, done: &Consolidation) -> PublishOutcome {
        if !self.has_lease(done.fence) {
            return PublishOutcome::LeaseLost;
        }
        let number = done.repo.id;
        if self.repos.get(&number).is_none_or(Repo::is_deleted) {
            return PublishOutcome::Changed;
        }
        let repo = self.of(number);
        let is_current = |(shelf, generation): &(ShelfId, i64)| {
            repo.shelves.get(shelf).is_some_and(|found| found.generation == *generation)
        };
        let pushed_since = repo.row.revision != done.repo.revision;
        let told = |entity: &EntityKey| {
            repo.freshened.get(entity).is_some_and(|(_, number)| *number > done.repo.freshenings)
        };
        let told_since = done.dropped.iter().any(|dropped| told(&dropped.entity));
        if !done.planned.iter().all(is_current)
            || (pushed_since && !done.dropped.is_empty())
            || told_since
        {
            return PublishOutcome::Changed;
        }
        let before = self.row(number).sums;
        self.put_pack(&done.key, done.bytes, done.records, done.now);
        self.packs.get_mut(&done.key).expect("it was just put there").consolidated = true;
        let repo = self.of(number);
        let mut replaced = BTreeSet::new();
        for (id, _) in &done.planned {
            let shelf = repo.shelves.get_mut(id).expect("it was just there");
            replaced.insert(std::mem::replace(&mut shelf.pack, done.key));
            shelf.generation += 1;
        }
        replaced.retain(|key| !repo.is_on_shelf(key));
        repo.retired.remove(&done.key);
        repo.retired.extend(replaced.iter().map(|key| (*key, done.now)));
        if !done.dropped.is_empty() {
            repo.partial = repo.retired.keys().copied().collect();
            repo.row.revision += 1;
            repo.row.drops += 1;
        }
        for dropped in &done.dropped {
            let gone = repo.entities.remove(&dropped.entity).expect("what is dropped was there");
            repo.freshened.remove(&dropped.entity);
            assert_eq!(
                (gone.shelf, gone.bytes),
                (dropped.shelf, dropped.bytes),
                "what is dropped was elsewhere"
            );
            if let Some((Kind::Commit, id)) = entity_of(&dropped.entity) {
                repo.commits.remove(&id);
            }
        }
        let repo = self.of(number);
        let kept = repo.complete.take().filter(|(key, _)| repo.is_on_shelf(key));
        repo.complete = done.complete.clone().map(|found| (done.key, found)).or(kept);
        self.note_change(number, Cause::Consolidation, done.now, before);
        let rows = 1 + replaced.len() + done.planned.len() + done.dropped.len();
        PublishOutcome::Done { rows: rows as u64 }
    }

    pub(super) fn rebuild_index(&mut self, index: &RebuiltIndex) -> PublishOutcome {
        if !self.has_lease(index.fence) {
            return PublishOutcome::LeaseLost;
        }
        let number = index.repo.id;
        let standing = |(id, shelf): (&ShelfId, &OneShelf)| (*id, shelf.generation);
        let is_current = |repo: &Repo| {
            !repo.is_deleted()
                && repo.row.revision == index.repo.revision
                && repo.shelves.iter().map(standing).eq(index.shelves.iter().copied())
        };
        if !self.repos.get(&number).is_some_and(is_current) {
            return PublishOutcome::Changed;
        }
        let before = self.row(number).sums;
        let repo = self.of(number);
        repo.row.revision += 1;
        let place = |one: &IndexedEntity| Mapped {
            shelf: one.shelf,
            fingerprint: one.row.fingerprint,
            bytes: one.bytes,
        };
        repo.entities = index.entities.iter().map(|one| (one.row.entity, place(one))).collect();
        self.note_change(number, Cause::Push, index.now, before);
        PublishOutcome::Done { rows: 1 + index.shelves.len() as u64 }
    }

    pub(super) fn note_complete_pack(
        &mut self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> PublishOutcome {
        let current = |there: &&mut Repo| {
            !there.is_deleted() && there.row.revision == repo.revision && there.is_on_shelf(pack)
        };
        let Some(there) = self.repos.get_mut(&repo.id).filter(current) else {
            return PublishOutcome::Changed;
        };
        there.complete = Some((*pack, complete.clone()));
        PublishOutcome::Done { rows: 1 }
    }

    fn note_change(&mut self, repo: i64, cause: Cause, at: Timestamp, before: Sums) {
        let after = self.row(repo).sums;
        let more = |before: u64, after: u64| after as i64 - before as i64;
        let change = PackChange {
            at,
            cause,
            packs: more(before.packs, after.packs),
            bytes: more(before.bytes, after.bytes),
        };
        self.of(repo).changes.push(change);
        self.changed.push(repo);
    }
}
