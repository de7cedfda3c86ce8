//! Intact copies of lost records, gathered into a new pack of the repo.
//!
//! ```text
//! lost ─▶ what is left of the repo's damaged packs
//!      ─▶ packs of other repos, by their indexes ─▶ every stored pack, by its directory
//!      ─▶ each checked, byte for byte ─▶ a new pack: written, read back, stored; on no shelf yet
//! ```
//!
//! A damaged pack is rarely damaged everywhere: its directory says where its other records are. A
//! pack of another repo never becomes one of this repo's, it has other records too (law 10);
//! records that this repo's index has are copied out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error as IoError, ErrorKind};

use packhouse_catalog::{EntityKey, IndexRow, PackRow, RepoRow, Snapshot, entity_of};
use packhouse_core::{EntityId, Kind, Row, Span};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::Repaired;
use packhouse_pack::gather::{has_record, steps_of};
use packhouse_pack::pieces::{Piece, read_run};
use packhouse_pack::pipeline::WriteError;
use packhouse_pack::splice::{Sources, Splice};
use packhouse_pack::{Directory, WrittenPack, write_and_read_back};
use packhouse_vault::{StagedFile, StoredPack};

use super::lost::{Candidate, Lost};
use super::verify::Seen;
use super::verify_catalog::entities;
use super::{Store, blocking};

/// Packs that are open at once. The records of so many become one new pack.
const SOURCES: usize = 128;
/// Entities that are looked up at once.
const LOOKED_UP: usize = 4096;
/// Repos that are listed at once.
const REPOS: u32 = 1000;

/// Where copies of lost records were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// In what is left of a damaged pack of the repo.
    DamagedPack,
    /// In any other pack: of another repo, of a deleted one, or of none.
    Elsewhere,
}

/// A new pack of salvaged records, in staging.
pub(super) struct CopiedRecords {
    staged: StagedFile,
    written: WrittenPack,
    /// How many of its records are copied from other packs than the repo's.
    from_elsewhere: u64,
}

/// The same, stored, and on no shelf yet.
pub(super) struct SalvagedPack {
    pub(super) pack: Candidate,
    /// How many of its records are copied from other packs than the repo's.
    from_elsewhere: u64,
}

impl SalvagedPack {
    /// The line of a report about it. Other repos and their packs are not named: who may repair a
    /// repo may not know them.
    pub(super) fn repaired(&self) -> Repaired {
        let Candidate { key, records, .. } = self.pack;
        let left = records - self.from_elsewhere;
        let origins = match (left, self.from_elsewhere) {
            (_, 0) => "what is left of damaged packs".to_owned(),
            (0, _) => "other packs of the store".to_owned(),
            (left, others) => format!(
                "what is left of damaged packs ({left}) and from other packs of the store ({others})"
            ),
        };
        let records_of = if records == 1 { "1 record" } else { &format!("{records} records") };
        let detail = format!(
            "a new pack, with copies of {records_of} that missing or damaged packs of the repo held, from {origins}"
        );
        Repaired { pack: Some(key), entities: records, from: Vec::new(), detail }
    }
}

/// Copies that were found, and are not yet written.
#[derive(Default)]
struct Found {
    packs: Vec<StoredPack>,
    records: BTreeMap<(Kind, EntityId), Span>,
    from_elsewhere: u64,
}

/// The search for copies.
struct Search<'a> {
    repo: &'a RepoRow,
    /// What has not been found yet.
    wanted: BTreeSet<IndexRow>,
    found: Found,
    written: Vec<CopiedRecords>,
    progress: &'a Progress,
}

impl Search<'_> {
    /// The rows that are wanted.
    fn wanted_of(&self, rows: impl Iterator<Item = Row>) -> Vec<Row> {
        rows.filter(|row| self.wanted.contains(&IndexRow::of(row))).collect()
    }

    fn tick(&self) -> Result<()> {
        self.progress.at(&self.repo.name.to_string(), Phase::Verify, 0, 0)
    }
}

impl Store {
    /// Copies lost records into new packs, from wherever the store has them. `retired` are the packs
    /// of the repo that are pending deletion.
    pub(super) async fn copy_lost(
        &self,
        seen: &Seen,
        retired: Vec<PackRow>,
        lost: &Lost,
        progress: &Progress,
    ) -> Result<Vec<CopiedRecords>> {
        let mut search = Search {
            repo: &seen.row,
            wanted: lost.keys().copied().collect(),
            found: Found::default(),
            written: Vec::new(),
            progress,
        };
        let shelved = seen.packs().into_iter().filter(|p| !seen.contents.contains_key(&p.id));
        for pack in shelved.chain(retired) {
            self.search_rest_of(&pack, &mut search).await?;
        }
        let mut after: Option<RepoName> = None;
        while !search.wanted.is_empty() {
            let repos = self.catalog.repos(after.as_ref(), REPOS).await?;
            let Some(last) = repos.last() else { break };
            after = Some(last.name.clone());
            for other in repos.iter().filter(|other| other.id != seen.row.id) {
                self.search_repo(other, &mut search).await?;
            }
        }
        self.search_everything(&mut search).await?;
        self.write_found(&mut search).await?;
        Ok(search.written)
    }

    /// Searches every stored pack: those of deleted repos, those that other repos have replaced, and
    /// those that no catalog knows. Each costs a look into its directory.
    async fn search_everything(&self, search: &mut Search<'_>) -> Result<()> {
        if search.wanted.is_empty() {
            return Ok(());
        }
        for listed in self.vault.list().await? {
            search.tick()?;
            if search.wanted.is_empty() {
                break;
            }
            let Some(file) = self.vault.directory(&listed.key).await? else { continue };
            let read = blocking(move || Ok(Directory::read(listed.key, file))).await?;
            let Some(directory) = read else { continue };
            let rows = search.wanted_of(directory.rows());
            self.take_intact(&listed.key, rows, Origin::Elsewhere, search).await?;
        }
        Ok(())
    }

    /// Searches what is left of a pack of the repo itself.
    async fn search_rest_of(&self, pack: &PackRow, search: &mut Search<'_>) -> Result<()> {
        search.tick()?;
        if search.wanted.is_empty() {
            return Ok(());
        }
        let directories = self.directories_of(&search.repo.name);
        // Without a directory nothing says where the records are.
        let Some(directory) = directories.stored(pack).await? else { return Ok(()) };
        let rows = search.wanted_of(directory.rows());
        self.take_intact(&pack.key, rows, Origin::DamagedPack, search).await
    }

    /// Searches the packs of another repo for what its index has.
    async fn search_repo(&self, other: &RepoRow, search: &mut Search<'_>) -> Result<()> {
        search.tick()?;
        let mut snapshot = match self.catalog.snapshot(other.id).await {
            Err(Error::UnknownRepo(_) | Error::DeletedMeanwhile | Error::Damage(_)) => {
                return Ok(());
            }
            snapshot => snapshot?,
        };
        let wanted: Vec<IndexRow> = search.wanted.iter().copied().collect();
        for wanted in wanted.chunks(LOOKED_UP) {
            let mut by_pack: BTreeMap<i64, (PackRow, Vec<IndexRow>)> = BTreeMap::new();
            match packs_with(snapshot.as_mut(), wanted).await {
                // Another repo's damage is not this repair's.
                Err(Error::Damage(_)) => return Ok(()),
                found => {
                    for (row, pack) in found? {
                        by_pack.entry(pack.id).or_insert_with(|| (pack, Vec::new())).1.push(row);
                    }
                }
            }
            for (pack, wanted) in by_pack.into_values() {
                let located = self.locate_in(&pack, other, &wanted, snapshot.as_mut()).await;
                let rows = match located {
                    Err(Error::Damage(_)) => continue,
                    rows => rows?,
                };
                let rows = search.wanted_of(rows.into_iter());
                self.take_intact(&pack.key, rows, Origin::Elsewhere, search).await?;
            }
        }
        Ok(())
    }

    /// The rows of entities in a pack of another repo.
    async fn locate_in(
        &self,
        pack: &PackRow,
        other: &RepoRow,
        wanted: &[IndexRow],
        snapshot: &mut dyn Snapshot,
    ) -> Result<Vec<Row>> {
        let mut locator = self.locator(&other.name, vec![pack.clone()]);
        let mut rows = Vec::new();
        for kind in Kind::ALL {
            let of_kind = wanted.iter().filter_map(|row| entity_of(&row.entity));
            let ids: Vec<EntityId> =
                of_kind.filter(|(found, _)| *found == kind).map(|(_, id)| id).collect();
            let located = locator.locate(snapshot, kind, &ids).await?;
            rows.extend(located.into_iter().flatten().map(|located| located.row));
        }
        Ok(rows)
    }

    /// Takes the records that are intact in a pack.
    async fn take_intact(
        &self,
        pack: &MpackKey,
        rows: Vec<Row>,
        origin: Origin,
        search: &mut Search<'_>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let Some(stored) = self.vault.open_uncached(pack).await? else { return Ok(()) };
        let (stored, rows): (StoredPack, Vec<Row>) = blocking(move || {
            let intact = rows.into_iter().filter(|row| has_record(&stored.file, row)).collect();
            Ok((stored, intact))
        })
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let found = &mut search.found;
        let number = found.packs.len() as u32;
        found.packs.push(stored);
        for row in rows {
            found.records.insert((row.kind, row.id), row.span(number));
            found.from_elsewhere += u64::from(origin == Origin::Elsewhere);
            search.wanted.remove(&IndexRow::of(&row));
        }
        if found.packs.len() == SOURCES {
            self.write_found(search).await?;
        }
        Ok(())
    }

    /// Writes what was found as a new pack, and reads it back.
    async fn write_found(&self, search: &mut Search<'_>) -> Result<()> {
        let Found { packs, records, from_elsewhere } = std::mem::take(&mut search.found);
        if records.is_empty() {
            return Ok(());
        }
        let bytes: u64 = records.values().map(|span| span.length).sum();
        self.need_space(bytes.saturating_add(bytes / 16))?;
        let staged = self.stage().await?;
        let (name, progress) = (search.repo.name.clone(), search.progress.clone());
        let (mut staged, written): (StagedFile, Result<WrittenPack, WriteError>) =
            blocking(move || {
                let steps = steps_of(&records);
                let mut tick = |done| progress.at(&name.to_string(), Phase::Splice, done, bytes);
                let mut splice = Splice::new(&steps, OpenPacks { packs, scratch: Vec::new() });
                let written =
                    write_and_read_back(&staged.file, staged.path(), &mut splice, &mut tick);
                Ok((staged, written))
            })
            .await?;
        let written = match written {
            Ok(written) => written,
            Err(WriteError::Failed(error)) => return Err(error),
            // It was intact a moment ago.
            Err(WriteError::Bad(bad)) => {
                let failing = std::io::Error::other(format!("{bad}; the disk may be failing"));
                return Err(Error::io("reading back", staged.path())(failing));
            }
        };
        self.vault.start_store(&mut staged);
        search.written.push(CopiedRecords { staged, written, from_elsewhere });
        Ok(())
    }

    /// Stores new packs. The lock for publishing is held, until they are on a shelf.
    pub(super) async fn store_salvaged(
        &self,
        repo: &RepoRow,
        copied: Vec<CopiedRecords>,
    ) -> Result<Vec<SalvagedPack>> {
        let mut stored = Vec::with_capacity(copied.len());
        for CopiedRecords { staged, written, from_elsewhere } in copied {
            let WrittenPack { key, bytes, ref scanned } = written;
            let (records, entities) = (scanned.rows.len() as u64, entities(scanned));
            self.vault.store(staged, &key).await?;
            self.keep_directory(Directory::of(key, bytes, scanned)).await;
            tracing::info!(repo = %repo.name, "copied {records} lost records into the new pack {key}");
            let pack = Candidate { key, bytes, records, entities };
            stored.push(SalvagedPack { pack, from_elsewhere });
        }
        Ok(stored)
    }
}

/// The packs to which a repo's index maps entities, in the same encoding.
async fn packs_with(
    snapshot: &mut dyn Snapshot,
    wanted: &[IndexRow],
) -> Result<Vec<(IndexRow, PackRow)>> {
    let keys: Vec<EntityKey> = wanted.iter().map(|row| row.entity).collect();
    let indexed = snapshot.lookup(&keys).await?;
    let same = |(row, indexed): (&IndexRow, Option<(_, _)>)| {
        indexed.filter(|(_, print)| *print == row.fingerprint).map(|(shelf, _)| (*row, shelf))
    };
    let found: Vec<_> = wanted.iter().zip(indexed).filter_map(same).collect();
    let mut shelves: Vec<_> = found.iter().map(|(_, shelf)| *shelf).collect();
    shelves.sort_unstable();
    shelves.dedup();
    let packs = snapshot.packs_on(&shelves).await?;
    Ok(found.into_iter().filter_map(|(row, at)| Some((row, packs.get(&at)?.clone()))).collect())
}

/// Packs that are open, by number.
struct OpenPacks {
    packs: Vec<StoredPack>,
    scratch: Vec<u8>,
}

impl Sources for OpenPacks {
    fn read_run(&mut self, run: &[Piece], buffer: &mut [u8]) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let StoredPack { file, path, .. } = &self.packs[first.span.pack as usize];
        let named = |error: IoError| match error.kind() {
            ErrorKind::UnexpectedEof => {
                IoError::other(format!("it ends before byte {}", last.end()))
            }
            _ => error,
        };
        let read = read_run(file, run, buffer, &mut self.scratch);
        read.map_err(named).map_err(Error::io("reading", path))
    }
}
