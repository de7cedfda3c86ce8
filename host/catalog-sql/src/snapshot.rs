//! One state of a repo: a read transaction that is held open.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{
    CompletePackRow, EntityKey, Freshened, IndexRow, PackChange, PackRow, RepoRow, RetiredPack,
    Shelf, Snapshot, TagRow,
};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, Counts, Edges, EntityId, Head};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::{Cause, Damage};

use super::columns::repo_columns;
use super::engine::{Arg, BATCH, Columns, Engine, Reading, Sql, args, numbers};
use super::index::Index;
use super::lines::{history_line, lines};
use super::restore::EVERYTHING;
use super::walk::Walk;
use super::{complete, damage, failed, graph, rows};

/// Index rows of a page.
const PAGE: u32 = 8192;

/// Commits of repo `$1` after `$2`, at most `$3`.
pub(super) const COMMITS: &str = "SELECT id, parent1, parent2, snapshot, generation FROM commits
    WHERE repo = $1 AND id > $2 ORDER BY id LIMIT $3";

/// Tags of repo `$1` without a commit, at most `$2`.
pub(super) const TAGS_WITHOUT_COMMIT: &str =
    "SELECT entity FROM tag_ids WHERE repo = $1 AND commit_id IS NULL LIMIT $2";

struct SqlSnapshot<E: Engine> {
    place: String,
    /// Converts an error of sqlx.
    failed: Box<dyn Fn(sqlx::Error) -> Error + Send + Sync>,
    transaction: Reading<E>,
    repo: RepoRow,
    walk_floor: Option<u64>,
    /// Read when it is first needed.
    index: Option<Index>,
}

/// Begins the transaction. The first statement fixes the state that the snapshot sees.
pub(super) async fn begin<E: Engine>(engine: &E, repo: i64) -> Result<Box<dyn Snapshot>> {
    let starting = |error| failed(engine, "beginning to read", &error);
    let mut transaction = Reading::of(engine).await.map_err(starting)?;
    let row = transaction
        .maybe(
            concat!("SELECT ", repo_columns!(), " FROM repos WHERE id = $1 AND deleted_at IS NULL"),
            args![repo],
        )
        .await
        .map_err(starting)?;
    let row = row.ok_or(Error::DeletedMeanwhile)?;
    let repo = rows::repo(engine.place(), &row)?;
    let walk_floor = row.maybe_int("walk_floor").map(|floor| floor as u64);
    let error_kind = engine.clone();
    let failed = Box::new(move |error| failed(&error_kind, "reading it", &error));
    let place = engine.place().to_owned();
    Ok(Box::new(SqlSnapshot::<E> { place, failed, transaction, repo, walk_floor, index: None }))
}

impl<E: Engine> SqlSnapshot<E> {
    /// Takes the index, which the caller puts back.
    async fn index(&mut self) -> Result<Index> {
        match self.index.take() {
            Some(index) => Ok(index),
            None => Index::read(&mut self.transaction, self.repo.id).await.map_err(&self.failed),
        }
    }

    async fn all(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<E::Row>> {
        self.transaction.all(sql, args).await.map_err(&self.failed)
    }

    async fn one(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<E::Row> {
        self.transaction.one(sql, args).await.map_err(&self.failed)
    }

    async fn maybe(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<E::Row>> {
        self.transaction.maybe(sql, args).await.map_err(&self.failed)
    }
}

#[async_trait]
impl<E: Engine> Snapshot for SqlSnapshot<E> {
    fn repo(&self) -> &RepoRow {
        &self.repo
    }

    async fn shelves(&mut self) -> Result<Vec<Shelf>> {
        let found = self
            .all(
                "SELECT s.id, s.generation, s.commits, s.snapshots, s.objects, s.tags,
                        s.mapped_bytes, s.made_at,
                        p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at, p.verified_at
                 FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = $1 ORDER BY s.id",
                args![self.repo.id],
            )
            .await?;
        found
            .iter()
            .map(|row| {
                Ok(Shelf {
                    id: ShelfId(row.int("id")),
                    generation: row.int("generation"),
                    pack: rows::pack(&self.place, row)?,
                    mapped: Counts {
                        commits: row.count("commits"),
                        snapshots: row.count("snapshots"),
                        objects: row.count("objects"),
                        tags: row.count("tags"),
                    },
                    mapped_bytes: row.maybe_int("mapped_bytes").map(|bytes| bytes as u64),
                    made_at: rows::maybe_time(&self.place, row, "made_at")?,
                })
            })
            .collect()
    }

    async fn packs_on(&mut self, shelves: &[ShelfId]) -> Result<BTreeMap<ShelfId, PackRow>> {
        if shelves.is_empty() {
            return Ok(BTreeMap::new());
        }
        let shelf_ids = numbers(shelves.iter().map(|shelf| shelf.0));
        let found = self.all(E::PACKS_ON, args![self.repo.id, &shelf_ids, shelves.len()]).await?;
        found
            .iter()
            .map(|row| Ok((ShelfId(row.int("id")), rows::pack(&self.place, row)?)))
            .collect()
    }

    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self
                .maybe(
                    "SELECT 1 FROM packs p WHERE p.key = $2 AND (
                        EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = $1)
                        OR EXISTS (SELECT 1 FROM retired r
                          WHERE r.repo = $1 AND r.pack = p.id AND r.partial = 0))",
                    args![self.repo.id, &key.digest()[..]],
                )
                .await?;
            held.push(found.is_some());
        }
        Ok(held)
    }

    async fn shelved(&mut self, keys: &[MpackKey]) -> Result<Vec<Option<PackRow>>> {
        let mut shelved = Vec::with_capacity(keys.len());
        for key in keys {
            let found = self
                .maybe(
                    "SELECT p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at,
                      p.verified_at
                     FROM packs p WHERE p.key = $2
                       AND EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id AND s.repo = $1)",
                    args![self.repo.id, &key.digest()[..]],
                )
                .await?;
            shelved.push(found.map(|row| rows::pack(&self.place, &row)).transpose()?);
        }
        Ok(shelved)
    }

    async fn damage(&mut self) -> Result<Vec<Damage>> {
        let mut found = self
            .all(
                "SELECT since, found_by, detail FROM damaged_repos WHERE repo = $1",
                args![self.repo.id],
            )
            .await?
            .iter()
            .map(|row| damage::read(&self.place, row, None))
            .collect::<Result<Vec<_>>>()?;
        // Few packs are damaged: start from those, and check whether a shelf of the repo has one.
        let packs = self
            .all(
                "SELECT p.key, d.since, d.found_by, d.detail FROM damaged_packs d
                  JOIN packs p ON p.id = d.pack
                 WHERE EXISTS (SELECT 1 FROM shelves s WHERE s.pack = d.pack AND s.repo = $1) ORDER BY p.key",
                args![self.repo.id],
            )
            .await?;
        for row in &packs {
            found.push(damage::read(&self.place, row, Some(rows::key(&self.place, row, "key")?))?);
        }
        Ok(found)
    }

    async fn retired(&mut self) -> Result<Vec<RetiredPack>> {
        let found = self
            .all(
                "SELECT r.retired_at, p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated,
                  p.stored_at, p.verified_at
                 FROM retired r JOIN packs p ON p.id = r.pack WHERE r.repo = $1 ORDER BY p.key",
                args![self.repo.id],
            )
            .await?;
        found.iter().map(|row| rows::retired(&self.place, row)).collect()
    }

    async fn changes(&mut self, limit: u32) -> Result<Vec<PackChange>> {
        let found = self
            .all(
                "SELECT at, cause, packs, bytes FROM changes WHERE repo = $1 ORDER BY id DESC LIMIT $2",
                args![self.repo.id, limit],
            )
            .await?;
        found
            .iter()
            .map(|row| {
                let cause = if row.text("cause") == Cause::Push.as_str() {
                    Cause::Push
                } else {
                    Cause::Consolidation
                };
                let at = rows::time(&self.place, row, "at")?;
                Ok(PackChange { at, cause, packs: row.int("packs"), bytes: row.int("bytes") })
            })
            .collect()
    }

    async fn heads(&mut self) -> Result<Vec<Head>> {
        let found = self
            .all(
                "SELECT name, head FROM branches WHERE repo = $1 ORDER BY name",
                args![self.repo.id],
            )
            .await?;
        found
            .iter()
            .map(|row| {
                Ok(Head {
                    branch: row.text("name").to_owned(),
                    commit: rows::id(&self.place, row, "head")?,
                })
            })
            .collect()
    }

    async fn freshened(&mut self, since: Timestamp) -> Result<Freshened> {
        let found = self
            .all(
                "SELECT entity FROM freshened WHERE repo = $1 AND at > $2 ORDER BY entity",
                args![self.repo.id, since.as_millisecond()],
            )
            .await?;
        let mut freshened = Freshened::default();
        for row in &found {
            match row.bytes("entity") {
                EVERYTHING => freshened.everything = true,
                entity => {
                    let entity = entity
                        .try_into()
                        .map_err(|_| rows::damaged(&self.place, "a row of `freshened`"))?;
                    freshened.entities.push(entity);
                }
            }
        }
        Ok(freshened)
    }

    async fn left_heads(&mut self, since: Timestamp) -> Result<Vec<EntityId>> {
        let found = self
            .all(
                "SELECT head, left_at FROM left_heads WHERE repo = $1 ORDER BY id",
                args![self.repo.id],
            )
            .await?;
        let mut heads = Vec::new();
        for row in &found {
            // Compared as times: their texts have fractions of any length.
            if rows::time(&self.place, row, "left_at")? > since {
                heads.push(rows::id(&self.place, row, "head")?);
            }
        }
        Ok(heads)
    }

    async fn released(&mut self) -> Result<Vec<EntityId>> {
        let found =
            self.all("SELECT commit_id FROM releases WHERE repo = $1", args![self.repo.id]).await?;
        found.iter().map(|row| rows::id(&self.place, row, "commit_id")).collect()
    }

    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        // The order is established here, regardless of the order that the database returns: a
        // statement returns the requested commits, and the next ones in advance.
        let mut walk = Walk::from(commits, limit as usize);
        loop {
            let Some((asked, ahead)) = walk.next() else { return Ok(walk.done) };
            let ids = graph::packed(asked.iter().copied());
            let found = self.one(E::HISTORY, args![self.repo.id, &ids, asked.len(), ahead]).await?;
            let mut ancestors = 0;
            let mut commits = Vec::new();
            for line in lines(&found) {
                let damaged = || rows::damaged(&self.place, "a row of `commits`");
                let (commit, is_ancestor) = history_line(line).ok_or_else(damaged)?;
                ancestors += usize::from(is_ancestor);
                commits.push(commit);
            }
            walk.add(&asked, commits, ancestors < ahead);
        }
    }

    async fn commits(&mut self, after: Option<EntityId>, limit: u32) -> Result<Vec<Ancestor>> {
        let after = graph::packed(after);
        let found = self.all(COMMITS, args![self.repo.id, &after, limit]).await?;
        found.iter().map(|row| ancestor(&self.place, row)).collect()
    }

    async fn walk_floor(&mut self) -> Result<Option<u64>> {
        Ok(self.walk_floor)
    }

    async fn complete_pack(&mut self) -> Result<Option<CompletePackRow>> {
        let row = self.maybe(complete::COMPLETE_PACK, args![self.repo.id]).await?;
        row.map(|row| complete::read(&self.place, &row)).transpose()
    }

    async fn lookup(
        &mut self,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<(ShelfId, Fingerprint)>>> {
        let mut index = self.index().await?;
        let found = index.lookup::<E, _>(&mut self.transaction, entities).await;
        self.index = Some(index);
        found.map_err(&self.failed)
    }

    async fn index_page(
        &mut self,
        after: Option<&EntityKey>,
        limit: u32,
    ) -> Result<Vec<(IndexRow, ShelfId)>> {
        let mut index = self.index().await?;
        let page = index.page::<E, _>(&mut self.transaction, after, limit.min(PAGE) as usize).await;
        self.index = Some(index);
        page.map_err(&self.failed)
    }

    async fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<TagRow>> {
        let mut asked = commits.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let mut tags = Vec::new();
        for chunk in asked.chunks(BATCH) {
            let ids = graph::packed(chunk.iter().copied());
            for row in self.all(E::TAGS_OF, args![self.repo.id, &ids, chunk.len()]).await? {
                tags.push(TagRow {
                    entity: rows::id(&self.place, &row, "entity")?,
                    text: row.text("tag_id").to_owned(),
                    commit: rows::id(&self.place, &row, "commit_id")?,
                });
            }
        }
        tags.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        Ok(tags)
    }

    async fn tags_without_commit(&mut self, limit: u32) -> Result<Vec<EntityId>> {
        let found = self.all(TAGS_WITHOUT_COMMIT, args![self.repo.id, limit]).await?;
        found.iter().map(|row| rows::id(&self.place, row, "entity")).collect()
    }

    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>> {
        let row = self
            .maybe(
                "SELECT tag_id FROM tag_ids WHERE repo = $1 AND entity = $2",
                args![self.repo.id, &id.to_bytes()[..]],
            )
            .await?;
        Ok(row.map(|row| row.text("tag_id").to_owned()))
    }

    async fn edge_count(&mut self) -> Result<u64> {
        let row = self
            .one("SELECT count(*) AS edges FROM commits WHERE repo = $1", args![self.repo.id])
            .await?;
        Ok(row.count("edges"))
    }
}

/// Reads a row of `commits`.
fn ancestor(place: &str, row: &impl Columns) -> Result<Ancestor> {
    let parents = [rows::maybe_id(place, row, "parent1")?, rows::maybe_id(place, row, "parent2")?];
    let (commit, snapshot) = (rows::id(place, row, "id")?, rows::maybe_id(place, row, "snapshot")?);
    let edges = Edges { commit, parents, snapshot };
    Ok(Ancestor { edges, generation: row.count("generation") })
}
