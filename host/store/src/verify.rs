//! `verify`: reads every pack on the repo's shelves, hashes every object, and compares with the
//! directories, the index and the graph. Changes nothing but the record of damage, and directories
//! that do not match their intact packs: a directory is a cache, and is rebuilt at once.
//! [`super::repair`] repairs what else it can.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use packhouse_catalog::{
    DamageFindings, IndexRow, PackRow, RepoRow, Shelf, Snapshot, Sums, entity_key, entity_of,
};
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::record::Commit;
use packhouse_core::{Counts, Edges, Kind, Row};
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName, ShelfId, unusable};
use packhouse_model::operation::VerifyOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{Damage, Problem, ProblemKind, Repaired, VerifyReport};
use packhouse_model::text::escaped;
use packhouse_pack::Directory;

use super::load::{distinct_packs, examine};
use super::{Store, blocking};

/// What to do about a pack that is not what it was.
pub(super) const WAY_OUT: &str =
    "run verify with --repair, push the same bytes again, or restore it from a backup";

/// Index rows that a page of the catalog holds.
const PAGE: u32 = 8192;

/// What was found in a pack that could be read.
pub(super) struct Contents {
    /// Its entities with the lengths of their records in bytes, in order.
    pub(super) entities: Vec<(IndexRow, u64)>,
    /// What its commits reach.
    edges: Vec<Edges>,
}

/// What a verification has seen.
pub(super) struct Seen {
    pub(super) report: VerifyReport,
    /// The repo and its shelves, as they were.
    pub(super) row: RepoRow,
    pub(super) shelves: Vec<Shelf>,
    /// What is in the packs that are intact, by the catalog's number of the pack.
    pub(super) contents: BTreeMap<i64, Contents>,
}

/// What the index was found to map to a shelf.
#[derive(Clone, Copy, Default)]
struct Mapped {
    /// How many entities.
    entities: Counts,
    /// Bytes of those records that the shelf's pack was found to hold.
    bytes: u64,
    /// How many those are.
    measured: u64,
}

impl Seen {
    /// Its packs, each once.
    pub(super) fn packs(&self) -> Vec<PackRow> {
        distinct_packs(&self.shelves)
    }

    /// The damage to record. A damaged directory is not recorded: it could not be rebuilt because
    /// nothing can be written, and the next verification rebuilds it.
    fn findings(&self, at: Timestamp) -> DamageFindings {
        let damage = |mpack_key, detail: &str| Damage {
            mpack_key,
            since: at,
            found_by: "verify".into(),
            detail: detail.to_owned(),
        };
        let mut findings = DamageFindings::at(at);
        let mut other = None;
        for problem in &self.report.problems {
            match problem.kind {
                ProblemKind::MissingPack | ProblemKind::DamagedPack => {
                    findings
                        .damaged
                        .extend(problem.pack.map(|key| damage(Some(key), &problem.detail)));
                }
                // Nothing of the packs is damaged.
                ProblemKind::DamagedDirectory | ProblemKind::BadBranchName => {}
                ProblemKind::LostEntity
                | ProblemKind::UnindexedEntity
                | ProblemKind::DamagedCatalog => {
                    other.get_or_insert_with(|| damage(None, &problem.detail));
                }
            }
        }
        findings.sound = self
            .packs()
            .iter()
            .filter(|pack| self.contents.contains_key(&pack.id))
            .map(|pack| pack.key)
            .collect();
        findings.repo = Some((self.row.id, other));
        findings
    }
}

impl Store {
    /// Checks everything of a repo; on request mends what it can, and then only reports as a problem
    /// what is left.
    ///
    /// # Errors
    /// When the catalog can't be read, or the work is stopped. Damage is no error here but a
    /// finding. [`packhouse_model::error::Error::Busy`] when a repo that is mended keeps changing.
    pub async fn verify(
        &self,
        repo: &RepoName,
        options: VerifyOptions,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        if options.repair {
            return self.repair(repo, progress).await;
        }
        let row = self.known_repo(repo).await?;
        Ok(self.verified(&row, WAY_OUT, progress).await?.report)
    }

    /// Checks everything of a repo, and remembers what it finds. `way_out` says what to do about a
    /// pack that is missing or damaged.
    pub(super) async fn verified(
        &self,
        row: &RepoRow,
        way_out: &'static str,
        progress: &Progress,
    ) -> Result<Seen> {
        let seen = self
            .until_current(row.id, || Box::pin(self.verify_once(row, way_out, progress)))
            .await?;
        self.note_found(&seen.findings(self.now())).await;
        Ok(seen)
    }

    async fn verify_once(
        &self,
        row: &RepoRow,
        way_out: &'static str,
        progress: &Progress,
    ) -> Result<Seen> {
        let repo = &row.name;
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let row = snapshot.repo().clone();
        let shelves = snapshot.shelves().await?;
        let packs = distinct_packs(&shelves);
        let mut report = VerifyReport {
            repo: repo.clone(),
            packs_checked: 0,
            objects_checked: 0,
            bytes_checked: 0,
            ok: true,
            problems: Vec::new(),
            repaired: None,
        };
        let total = packs.iter().map(|p| p.bytes).sum();
        let mut contents: BTreeMap<i64, Contents> = BTreeMap::new();
        for pack in &packs {
            let found =
                self.verify_pack(&row, pack, (total, way_out), &mut report, progress).await?;
            if let Some(found) = found {
                contents.insert(pack.id, found);
            }
        }

        let by_shelf: BTreeMap<ShelfId, &PackRow> =
            shelves.iter().map(|s| (s.id, &s.pack)).collect();
        let mapped = verify_index(snapshot.as_mut(), &by_shelf, &contents, &mut report).await?;
        for shelf in &shelves {
            verify_shelf(shelf, &mapped.get(&shelf.id).copied().unwrap_or_default(), &mut report);
        }
        if row.sums != Sums::of(&shelves, &snapshot.retired().await?) {
            let detail = "the catalog's totals for the repo do not match its shelves; restore the catalog from a backup".into();
            report.problems.push(Problem {
                kind: ProblemKind::DamagedCatalog,
                entity: None,
                pack: None,
                detail,
            });
        }
        for found in contents.values() {
            verify_edges(snapshot.as_mut(), &found.edges, &mut report).await?;
        }
        verify_branches(snapshot.as_mut(), &mut report).await?;
        report.ok = report.problems.is_empty();
        Ok(Seen { report, row, shelves, contents })
    }

    async fn verify_pack(
        &self,
        row: &RepoRow,
        pack: &PackRow,
        (total, way_out): (u64, &str),
        report: &mut VerifyReport,
        progress: &Progress,
    ) -> Result<Option<Contents>> {
        let (id, repo) = (row.id, &row.name);
        let place = self.vault.place_of(&pack.key);
        let mut problem = |kind, detail: String| {
            report.problems.push(Problem { kind, entity: None, pack: Some(pack.key), detail });
        };
        let Some(stored) = self.vault.open_uncached(&pack.key).await? else {
            let missing = self.missing(repo, &pack.key);
            if self.is_stale(id, &missing).await? {
                return Err(missing);
            }
            problem(ProblemKind::MissingPack, format!("{place} is missing; {way_out}"));
            return Ok(None);
        };
        let (progress, name, before) = (progress.clone(), repo.to_string(), report.bytes_checked);
        let (examined, stored) = blocking(move || {
            let examined =
                examine(&stored, |done| progress.at(&name, Phase::Verify, before + done, total))?;
            Ok((examined, stored))
        })
        .await?;
        report.packs_checked += 1;
        report.bytes_checked += examined.bytes;
        let mut problem = |kind, detail: String| {
            report.problems.push(Problem { kind, entity: None, pack: Some(pack.key), detail });
        };
        let bytes = examined.bytes;
        let scanned = match examined.sound(&pack.key) {
            Ok(scanned) => scanned,
            Err(detail) => {
                problem(ProblemKind::DamagedPack, format!("{detail}, in {place}; {way_out}"));
                return Ok(None);
            }
        };
        let directory = Directory::new(pack.key, bytes, &scanned.rows);
        if let Some(kept) = self.vault.directory(&pack.key).await?
            && kept != directory.as_bytes()
        {
            match self.put_directory(&directory).await {
                Ok(()) => report.repaired.get_or_insert_default().push(Repaired {
                    pack: pack.key,
                    entities: 0,
                    from: Vec::new(),
                    detail: "its directory did not match the pack, and was rebuilt".into(),
                }),
                Err(error) => problem(
                    ProblemKind::DamagedDirectory,
                    format!(
                        "its directory does not match the pack, and could not be rebuilt ({error}). Run verify where the store can be written, or remove the .dir file beside the pack"
                    ),
                ),
            }
        }
        report.objects_checked +=
            scanned.rows.iter().filter(|r| r.kind == Kind::Object).count() as u64;

        let mut edges = Vec::new();
        for row in scanned.rows.iter().filter(|r| r.kind == Kind::Commit) {
            let mut bytes = vec![0; row.length as usize];
            stored
                .file
                .read_exact_at(&mut bytes, row.offset)
                .map_err(packhouse_model::error::Error::io("reading", &stored.path))?;
            if let Ok(commit) = Commit::parse(&bytes) {
                edges.push(Edges {
                    commit: commit.id,
                    parents: commit.parents,
                    snapshot: commit.snapshot,
                });
            }
        }
        let row = |r: &Row| IndexRow { entity: entity_key(r.kind, r.id), fingerprint: r.print };
        let mut entities: Vec<(IndexRow, u64)> =
            scanned.rows.iter().map(|r| (row(r), r.length)).collect();
        entities.sort_unstable();
        Ok(Some(Contents { entities, edges }))
    }
}

fn finding(
    kind: ProblemKind,
    row: &IndexRow,
    pack: Option<MpackKey>,
    detail: impl Into<String>,
) -> Problem {
    let entity = entity_of(&row.entity).map(|(kind, id)| format!("{kind} {id}"));
    Problem { kind, entity, pack, detail: detail.into() }
}

/// The counts of a shelf are those of what the index maps to it.
fn verify_shelf(shelf: &Shelf, mapped: &Mapped, report: &mut VerifyReport) {
    let mut problem = |what: &str, counted: u64, found: u64| {
        report.problems.push(Problem {
            kind: ProblemKind::DamagedCatalog,
            entity: None,
            pack: Some(shelf.pack.key),
            detail: format!(
                "the catalog counts {counted} {what} on the shelf of this pack, but maps {found}; restore the catalog from a backup"
            ),
        });
    };
    if mapped.entities != shelf.mapped {
        problem("entities", shelf.mapped.total(), mapped.entities.total());
    }
    // Where a pack or a record is lost, that is the finding.
    if mapped.measured == mapped.entities.total()
        && let Some(counted) = shelf.mapped_bytes
        && counted != mapped.bytes
    {
        problem("bytes", counted, mapped.bytes);
    }
}

/// Checks that every row of the index is in its pack, and that every record of a pack is in the
/// index. Returns what each shelf maps.
async fn verify_index(
    snapshot: &mut dyn Snapshot,
    shelves: &BTreeMap<ShelfId, &PackRow>,
    contents: &BTreeMap<i64, Contents>,
    report: &mut VerifyReport,
) -> Result<BTreeMap<ShelfId, Mapped>> {
    let mut mapped: BTreeMap<ShelfId, Mapped> = BTreeMap::new();
    let mut known: Vec<packhouse_catalog::EntityKey> = Vec::new();
    loop {
        let page = snapshot.index_page(known.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for (row, shelf) in page {
            known.push(row.entity);
            if let Some((kind, _)) = entity_of(&row.entity) {
                *mapped.entry(shelf).or_default().entities.of(kind) += 1;
            }
            let Some(pack) = shelves.get(&shelf) else {
                let detail = format!(
                    "the index maps it to shelf {}, which does not exist; restore the catalog from a backup",
                    shelf.0
                );
                report.problems.push(finding(ProblemKind::DamagedCatalog, &row, None, detail));
                continue;
            };
            // A pack that could not be read is one finding, not one an entity.
            let Some(found) = contents.get(&pack.id) else { continue };
            if let Ok(at) = found.entities.binary_search_by_key(&row, |(row, _)| *row) {
                let mapped = mapped.entry(shelf).or_default();
                mapped.bytes += found.entities[at].1;
                mapped.measured += 1;
            } else {
                let detail = "the index maps it to this pack, which does not have it in this encoding; restore the catalog from a backup";
                report.problems.push(finding(
                    ProblemKind::LostEntity,
                    &row,
                    Some(pack.key),
                    detail,
                ));
            }
        }
    }
    let packs: BTreeMap<i64, MpackKey> = shelves.values().map(|p| (p.id, p.key)).collect();
    for (pack, found) in contents {
        for (row, _) in
            found.entities.iter().filter(|(row, _)| known.binary_search(&row.entity).is_err())
        {
            let detail =
                "it is in this pack, but not in the index; restore the catalog from a backup";
            report.problems.push(finding(
                ProblemKind::UnindexedEntity,
                row,
                packs.get(pack).copied(),
                detail,
            ));
        }
    }
    Ok(mapped)
}

/// Every branch has a name that clients can keep.
async fn verify_branches(snapshot: &mut dyn Snapshot, report: &mut VerifyReport) -> Result<()> {
    let heads = snapshot.heads().await?;
    let row = snapshot.repo();
    let unusable =
        unusable(heads.iter().map(|head| head.branch.as_str()), row.default_branch.as_deref());
    report.problems.extend(unusable.into_iter().map(|(branch, fault)| Problem {
        kind: ProblemKind::BadBranchName,
        entity: Some(format!("branch {branch}")),
        pack: None,
        detail: format!(
            "branch `{0}` is hidden from clients: {fault}. Push its head to another branch, then: packhouse branch delete {1} '{0}'",
            escaped(branch),
            row.name
        ),
    }));
    Ok(())
}

/// The graph that the catalog walks is the one that the records say.
async fn verify_edges(
    snapshot: &mut dyn Snapshot,
    edges: &[Edges],
    report: &mut VerifyReport,
) -> Result<()> {
    for chunk in edges.chunks(MAX_ITEMS as usize) {
        let ids: Vec<_> = chunk.iter().map(|e| e.commit).collect();
        let known: BTreeMap<_, _> =
            snapshot.history(&ids, MAX_ITEMS).await?.into_iter().map(|e| (e.commit, e)).collect();
        for expected in chunk {
            let same = known.get(&expected.commit).is_some_and(|found| {
                found.snapshot == expected.snapshot && found.parents().eq(expected.parents())
            });
            if !same {
                report.problems.push(Problem {
                    kind: ProblemKind::DamagedCatalog,
                    entity: Some(format!("commit {}", expected.commit)),
                    pack: None,
                    detail: "the catalog's graph does not match the commit; restore the catalog from a backup".into(),
                });
            }
        }
    }
    Ok(())
}
