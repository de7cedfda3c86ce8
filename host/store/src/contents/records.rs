//! The records of a pack, in its order: from its directory, page by page.

use std::collections::BTreeSet;

use packhouse_catalog::{EntityKey, PackRow, entity_key};
use packhouse_core::{EntityId, Kind, Row};
use packhouse_model::contents::{MAX_RECORDS, MAX_SEARCHED};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::report::{PackRecord, PackRecordsPage, PackRecordsQuery};
use packhouse_pack::scan::tag_entity;
use packhouse_run::{Directories, RowCursor};

use super::Inside;

impl Inside {
    /// A page of the records of a pack. It reads a part of the directory, and nothing of the pack,
    /// unless the directory is missing and must be rebuilt.
    pub(super) async fn pack_records(
        &mut self,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        let pack = self.pack(&query.pack).await?;
        let directories = Directories::new(self.repo.name.clone(), self.vault.clone());
        let (bytes, records) = (pack.bytes, pack.records);
        let mut cursor = RowCursor::open(directories, self.heads.clone(), pack).await?;
        cursor.seek(query.from).await?;
        let limit = query.limit.clamp(1, MAX_RECORDS) as usize;
        let (wanted, mut rows, mut next) = (Wanted::of(query), Vec::new(), None);
        for searched in 0.. {
            let Some((_, row)) = cursor.peek().await? else { break };
            if rows.len() == limit || searched == MAX_SEARCHED {
                next = Some(row.offset);
                break;
            }
            if wanted.fits(&row) {
                rows.push(row);
            }
            cursor.next().await?;
        }
        let found = self.mapped(&query.pack, &rows).await?;
        Ok(PackRecordsPage { records: found, next, pack_bytes: bytes, pack_records: records })
    }

    /// A pack that the repo has, or that waits for deletion.
    pub(super) async fn pack(&mut self, key: &MpackKey) -> Result<PackRow> {
        let shelves = self.snapshot.shelves().await?.into_iter().map(|shelf| shelf.pack);
        if let Some(pack) = shelves.into_iter().find(|pack| pack.key == *key) {
            return Ok(pack);
        }
        let retired = self.snapshot.retired().await?.into_iter().map(|retired| retired.pack);
        retired.into_iter().find(|pack| pack.key == *key).ok_or_else(|| {
            let (repo, id) = (self.repo.name.clone(), key.to_string());
            Error::UnknownRecord { repo, what: "pack", id }
        })
    }

    /// What the index says of rows of a pack. A pack may repeat a record: then each copy is the one
    /// that is needed.
    async fn mapped(&mut self, pack: &MpackKey, rows: &[Row]) -> Result<Vec<PackRecord>> {
        let keys: Vec<EntityKey> = rows.iter().map(|row| entity_key(row.kind, row.id)).collect();
        let indexed = self.snapshot.lookup(&keys).await?;
        let shelves: BTreeSet<_> = indexed.iter().flatten().map(|(shelf, _)| *shelf).collect();
        let packs = self.snapshot.packs_on(&Vec::from_iter(shelves)).await?;
        let mut records = Vec::new();
        for (row, indexed) in rows.iter().zip(indexed) {
            let mpack_key = indexed.and_then(|(shelf, _)| Some(packs.get(&shelf)?.key));
            let is_its_encoding = indexed.is_some_and(|(_, print)| print == row.fingerprint);
            records.push(PackRecord {
                kind: row.kind,
                id: self.text_of(row.kind, row.id).await?,
                offset: row.offset,
                length: row.length,
                mpack_key,
                needed: mpack_key == Some(*pack) && is_its_encoding,
            });
        }
        Ok(records)
    }
}

/// Which rows are wanted.
struct Wanted {
    kind: Option<Kind>,
    /// The beginning of an ID, as clients write it.
    id: Option<String>,
    /// The ID that this text has as a tag.
    tag: Option<EntityId>,
}

impl Wanted {
    fn of(query: &PackRecordsQuery) -> Wanted {
        let id = query.id.as_deref().filter(|id| !id.is_empty());
        let digits = id.map(|id| id.strip_prefix("sha256:").unwrap_or(id).to_ascii_lowercase());
        Wanted { kind: query.kind, tag: id.map(tag_entity), id: digits }
    }

    fn fits(&self, row: &Row) -> bool {
        self.kind.is_none_or(|kind| kind == row.kind)
            && self.id.as_ref().is_none_or(|digits| match row.kind {
                Kind::Tag => Some(row.id) == self.tag,
                _ => hex::encode(row.id.digest()).starts_with(digits.as_str()),
            })
    }
}
