//! The imports, and the conversion between the types of the WIT and those of the core.
//!
//! Errors in the WIT are results; a fault of the host ends the run with a trap, and is stored in
//! the run for its caller.

use std::cmp::Ordering;

use packhouse_core::{
    AccessError, Ancestor, Base, BranchConflict, CommitTag, Counts, Edges, EncodingConflict,
    EntityId, Form, Head, Kind, Location, PackInfo, Page, PlanError, Span, Step,
};
use packhouse_model::text::escaped;
use packhouse_run::Host;

use super::State;
use super::bindings::packhouse::engine::{database, storage, types};

type ImportResult<T> = wasmtime::Result<Result<T, types::AccessError>>;

impl State {
    /// Counts a call, and returns the host for it.
    fn host(&mut self) -> wasmtime::Result<&mut dyn Host> {
        let (most, left) = &mut self.calls;
        wasmtime::ensure!(*left > 0, "it made more than {most} calls");
        *left -= 1;
        Ok(self.host.as_mut())
    }
}

/// Converts a result of the host to one of the WIT.
fn answer<T, U>(
    state: &State,
    answer: Result<T, AccessError>,
    convert: impl FnOnce(T) -> U,
) -> ImportResult<U> {
    if state.host.fault().is_some() {
        wasmtime::bail!("the host failed");
    }
    Ok(answer.map(convert).map_err(Into::into))
}

/// As [`answer`], for pages: `$page` is the page of the WIT.
macro_rules! page {
    ($state:expr, $answer:expr, $($page:ident)::+) => {
        answer($state, $answer, |page: Page<_>| $($page)::+ {
            items: page.items.into_iter().map(Into::into).collect(),
            done: page.done,
        })
    };
}

impl types::Host for State {}

impl storage::Host for State {
    fn limits(&mut self) -> wasmtime::Result<storage::CallLimits> {
        let limits = self.host()?.limits();
        wasmtime::ensure!(self.host.fault().is_none(), "the host failed");
        Ok(storage::CallLimits {
            items: limits.items,
            ids: limits.ids,
            rows: limits.rows,
            record_bytes: limits.record_bytes,
        })
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> ImportResult<storage::RowsPage> {
        let rows = self.host()?.pack_index(pack, first, limit);
        answer(self, rows, |page| storage::RowsPage { items: page.items, done: page.done })
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> ImportResult<storage::SpinePage> {
        let spine = self.host()?.spine(pack, first, limit);
        answer(self, spine, |page| storage::SpinePage { items: page.items, done: page.done })
    }

    fn read_records(&mut self, spans: Vec<types::Span>) -> ImportResult<Vec<Vec<u8>>> {
        let spans: Vec<Span> = spans.into_iter().map(Into::into).collect();
        let records = self.host()?.read_records(&spans);
        answer(self, records, |records| records)
    }

    fn compare_records(
        &mut self,
        pairs: Vec<(types::Span, types::Span)>,
    ) -> ImportResult<Vec<storage::Ordering>> {
        let pairs: Vec<(Span, Span)> =
            pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
        let orders = self.host()?.compare_records(&pairs);
        answer(self, orders, |orders| orders.into_iter().map(ordering).collect())
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> ImportResult<types::HeadsPage> {
        let heads = self.host()?.branch_heads(pack, first, limit);
        page!(self, heads, types::HeadsPage)
    }
}

impl database::Host for State {
    fn packs(&mut self, first: u32, limit: u32) -> ImportResult<database::PacksPage> {
        let packs = self.host()?.packs(first, limit);
        page!(self, packs, database::PacksPage)
    }

    fn heads(&mut self, after: Option<String>, limit: u32) -> ImportResult<types::HeadsPage> {
        let heads = self.host()?.heads(after.as_deref(), limit);
        page!(self, heads, types::HeadsPage)
    }

    fn history(&mut self, commits: Vec<String>, limit: u32) -> ImportResult<database::HistoryPage> {
        let ancestors = self.host()?.history(&known_forms(&commits), limit);
        page!(self, ancestors, database::HistoryPage)
    }

    fn walk_floor(&mut self) -> ImportResult<Option<u64>> {
        let floor = self.host()?.walk_floor();
        answer(self, floor, |floor| floor)
    }

    fn locate(
        &mut self,
        kind: types::EntityKind,
        ids: Vec<String>,
    ) -> ImportResult<Vec<Option<database::Location>>> {
        let places = match Kind::from(kind) {
            Kind::Tag => {
                let tags: Vec<&str> = ids.iter().map(String::as_str).collect();
                self.host()?.locate_tags(&tags)
            }
            kind => {
                let host = self.host()?;
                each_well_formed(&ids, |ids| host.locate(kind, ids))
            }
        };
        answer(self, places, |places| places.into_iter().map(|p| p.map(Into::into)).collect())
    }

    fn tags(
        &mut self,
        commits: Vec<String>,
        after: Option<String>,
        limit: u32,
    ) -> ImportResult<database::TagsPage> {
        let tags = self.host()?.tags(&known_forms(&commits), after.as_deref(), limit);
        page!(self, tags, database::TagsPage)
    }

    fn base(&mut self) -> ImportResult<Option<database::BasePack>> {
        let base = self.host()?.base();
        answer(self, base, |base| base.map(Into::into))
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> ImportResult<database::IdsPage> {
        let heads = self.host()?.base_heads(first, limit);
        answer(self, heads, |page| database::IdsPage {
            items: page.items.iter().map(EntityId::to_string).collect(),
            done: page.done,
        })
    }

    fn known(&mut self, kind: types::EntityKind, ids: Vec<String>) -> ImportResult<Vec<bool>> {
        let host = self.host()?;
        let known = each_well_formed(&ids, |ids| {
            Ok(host.known(kind.into(), ids)?.into_iter().map(|known| known.then_some(())).collect())
        });
        answer(self, known, |known| known.iter().map(Option::is_some).collect())
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> ImportResult<database::ConflictsPage> {
        let conflicts = self.host()?.conflicts(first, limit);
        page!(self, conflicts, database::ConflictsPage)
    }
}

/// The well-formed IDs among those of a component.
fn known_forms(ids: &[String]) -> Vec<EntityId> {
    ids.iter().filter_map(|text| parsed(text)).collect()
}

/// Calls the host for the well-formed IDs among those of a component. The others have no result.
fn each_well_formed<T>(
    ids: &[String],
    call: impl FnOnce(&[EntityId]) -> Result<Vec<Option<T>>, AccessError>,
) -> Result<Vec<Option<T>>, AccessError> {
    let ids: Vec<Option<EntityId>> = ids.iter().map(|text| parsed(text)).collect();
    let well_formed: Vec<EntityId> = ids.iter().flatten().copied().collect();
    let mut results = call(&well_formed)?.into_iter();
    Ok(ids.iter().map(|id| id.and_then(|_| results.next().flatten())).collect())
}

/// An id from a component. No index contains a malformed id.
fn parsed(text: &str) -> Option<EntityId> {
    EntityId::parse(text.as_bytes()).ok()
}

fn ordering(ordering: Ordering) -> storage::Ordering {
    match ordering {
        Ordering::Less => storage::Ordering::Less,
        Ordering::Equal => storage::Ordering::Equal,
        Ordering::Greater => storage::Ordering::Greater,
    }
}

impl From<types::Span> for Span {
    fn from(s: types::Span) -> Self {
        Span { pack: s.pack, offset: s.offset, length: s.length }
    }
}

impl From<Span> for types::Span {
    fn from(s: Span) -> Self {
        types::Span { pack: s.pack, offset: s.offset, length: s.length }
    }
}

impl From<Kind> for types::EntityKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Commit => types::EntityKind::Commit,
            Kind::Snapshot => types::EntityKind::Snapshot,
            Kind::Object => types::EntityKind::Object,
            Kind::Tag => types::EntityKind::Tag,
        }
    }
}

impl From<types::EntityKind> for Kind {
    fn from(kind: types::EntityKind) -> Self {
        match kind {
            types::EntityKind::Commit => Kind::Commit,
            types::EntityKind::Snapshot => Kind::Snapshot,
            types::EntityKind::Object => Kind::Object,
            types::EntityKind::Tag => Kind::Tag,
        }
    }
}

impl From<AccessError> for types::AccessError {
    fn from(e: AccessError) -> Self {
        match e {
            AccessError::NoSuchPack(pack) => types::AccessError::NoSuchPack(pack),
            AccessError::OutOfRange(span) => types::AccessError::OutOfRange(span.into()),
            AccessError::NotARecord(span) => types::AccessError::NotARecord(span.into()),
            AccessError::TooMany(limit) => types::AccessError::TooMany(limit),
            AccessError::TooLarge(limit) => types::AccessError::TooLarge(limit),
            AccessError::Other(text) => types::AccessError::Other(text),
        }
    }
}

impl From<Head> for types::Head {
    fn from(head: Head) -> Self {
        types::Head { branch: head.branch, commit: head.commit.to_string() }
    }
}

impl From<PackInfo> for database::PackInfo {
    fn from(pack: PackInfo) -> Self {
        database::PackInfo { key: pack.key, bytes: pack.bytes, rows: pack.rows }
    }
}

impl From<Ancestor> for database::Ancestor {
    fn from(ancestor: Ancestor) -> Self {
        database::Ancestor { edges: ancestor.edges.into(), generation: ancestor.generation }
    }
}

impl From<Location> for database::Location {
    fn from(location: Location) -> Self {
        database::Location { at: location.at.into(), row: location.row }
    }
}

impl From<Base> for database::BasePack {
    fn from(base: Base) -> Self {
        let Counts { commits, snapshots, objects, tags } = base.records;
        let missing = base
            .missing
            .iter()
            .map(|entity| database::Entity { kind: entity.kind.into(), id: entity.id.to_string() });
        database::BasePack {
            pack: base.pack,
            records: types::Counts { commits, snapshots, objects, tags },
            missing: missing.collect(),
        }
    }
}

impl From<CommitTag> for database::CommitTag {
    fn from(tag: CommitTag) -> Self {
        database::CommitTag { tag: tag.tag, commit: tag.commit.to_string() }
    }
}

impl From<EncodingConflict> for database::EncodingConflict {
    fn from(conflict: EncodingConflict) -> Self {
        database::EncodingConflict {
            kind: conflict.kind.into(),
            pushed: conflict.pushed.into(),
            stored: conflict.stored.into(),
        }
    }
}

impl From<Edges> for types::CommitEdges {
    fn from(edges: Edges) -> Self {
        types::CommitEdges {
            commit: edges.commit.to_string(),
            parents: edges.parents().map(|p| p.to_string()).collect(),
            snapshot: edges.snapshot.map(|s| s.to_string()),
        }
    }
}

fn id(text: &str) -> wasmtime::Result<EntityId> {
    EntityId::parse(text.as_bytes())
        .map_err(|_| wasmtime::format_err!("it returned `{}` as an id", escaped(text)))
}

pub(super) fn head(head: &types::Head) -> wasmtime::Result<Head> {
    Ok(Head { branch: head.branch.clone(), commit: id(&head.commit)? })
}

pub(super) fn edges(edges: &types::CommitEdges) -> wasmtime::Result<Edges> {
    wasmtime::ensure!(
        edges.parents.len() <= 2,
        "it returned a commit with {} parents",
        edges.parents.len()
    );
    let mut parents = [None; 2];
    for (slot, parent) in parents.iter_mut().zip(&edges.parents) {
        *slot = Some(id(parent)?);
    }
    Ok(Edges {
        commit: id(&edges.commit)?,
        parents,
        snapshot: edges.snapshot.as_deref().map(id).transpose()?,
    })
}

pub(super) fn counts(counts: &types::Counts) -> Counts {
    Counts {
        commits: counts.commits,
        snapshots: counts.snapshots,
        objects: counts.objects,
        tags: counts.tags,
    }
}

pub(super) fn step(step: types::Step) -> Step {
    match step {
        types::Step::Literal(bytes) => Step::Literal(bytes),
        types::Step::Copy(span) => Step::Copy(span.into()),
    }
}

/// An ID in a plan error, which may be the digest of a text: it is used in messages only.
fn named(text: &str) -> EntityId {
    let unknown = EntityId::new(Form::Text, [0; 32]);
    let hex = text.strip_prefix("text:").unwrap_or(text);
    match EntityId::parse(hex.as_bytes()) {
        Ok(id) if text.starts_with("text:") => EntityId::new(Form::Text, *id.digest()),
        Ok(id) => id,
        Err(_) => unknown,
    }
}

/// Maximum characters of a component's text that are kept: it is used in messages and in the
/// catalog.
const TEXT: usize = 1000;

/// The part of a text that is kept.
fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Converts the reason why a component has no plan.
pub(super) fn plan_error(error: types::PlanError) -> PlanError {
    match error {
        types::PlanError::Malformed(m) => PlanError::Malformed {
            kind: m.kind.into(),
            id: named(&m.id),
            at: m.at.into(),
            offset: m.offset,
            reason: cut(m.reason),
        },
        types::PlanError::Conflicting(c) => PlanError::Conflicting {
            kind: c.kind.into(),
            id: named(&c.id),
            first: c.first.into(),
            second: c.second.into(),
            detail: cut(c.detail),
        },
        types::PlanError::Lost(l) => {
            PlanError::Lost { kind: l.kind.into(), id: named(&l.id), wanted_by: cut(l.wanted_by) }
        }
        types::PlanError::UnknownWant(ids) => {
            PlanError::UnknownWant(ids.iter().map(|id| named(id)).collect())
        }
        types::PlanError::HeadConflict(conflicts) => PlanError::HeadConflict(
            conflicts
                .into_iter()
                .map(|c| BranchConflict {
                    branch: c.branch,
                    stored: c.stored.as_deref().map(named),
                    given: c.given.iter().map(|id| named(id)).collect(),
                })
                .collect(),
        ),
        types::PlanError::Access(error) => PlanError::Access(access_error(error)),
        types::PlanError::Other(text) => PlanError::Other(cut(text)),
    }
}

fn access_error(error: types::AccessError) -> AccessError {
    match error {
        types::AccessError::NoSuchPack(pack) => AccessError::NoSuchPack(pack),
        types::AccessError::OutOfRange(span) => AccessError::OutOfRange(span.into()),
        types::AccessError::NotARecord(span) => AccessError::NotARecord(span.into()),
        types::AccessError::TooMany(limit) => AccessError::TooMany(limit),
        types::AccessError::TooLarge(limit) => AccessError::TooLarge(limit),
        types::AccessError::Other(text) => AccessError::Other(cut(text)),
    }
}
