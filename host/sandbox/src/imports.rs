//! The imports, and the conversion between the types of the WIT and those of the core.
//!
//! Errors in the WIT are results; a fault of the host ends the run with a trap, and is stored in
//! the run for its caller.

use std::cmp::Ordering;

use packhouse_core as core;
use packhouse_core::{
    AccessError, BranchConflict, Counts, Edges, EntityId, Fault, Form, Head, Kind, Span, Step,
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
fn answer<T>(state: &State, answer: Result<T, AccessError>) -> ImportResult<T> {
    if state.host.fault().is_some() {
        wasmtime::bail!("the host failed");
    }
    Ok(answer.map_err(Into::into))
}

impl types::Host for State {}

impl storage::Host for State {
    fn directory_rows(&mut self, pack: u32, first: u64, limit: u32) -> ImportResult<Vec<u8>> {
        let rows = self.host()?.directory_rows(pack, first, limit);
        answer(self, rows)
    }

    fn read_records(&mut self, spans: Vec<types::Span>) -> ImportResult<Vec<Vec<u8>>> {
        let spans: Vec<Span> = spans.into_iter().map(Into::into).collect();
        let records = self.host()?.read_records(&spans);
        answer(self, records)
    }

    fn compare_records(
        &mut self,
        pairs: Vec<(types::Span, types::Span)>,
    ) -> ImportResult<Vec<storage::Ordering>> {
        let pairs: Vec<(Span, Span)> =
            pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
        let orders = self
            .host()?
            .compare_records(&pairs)
            .map(|orders| orders.into_iter().map(ordering).collect());
        answer(self, orders)
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> ImportResult<Vec<types::Head>> {
        let heads = self
            .host()?
            .branch_heads(pack, first, limit)
            .map(|heads| heads.iter().map(Into::into).collect());
        answer(self, heads)
    }
}

impl database::Host for State {
    fn packs(&mut self, first: u32, limit: u32) -> ImportResult<Vec<database::PackInfo>> {
        let packs = self.host()?.packs(first, limit).map(|packs| {
            packs
                .into_iter()
                .map(|p| database::PackInfo { key: p.key, bytes: p.bytes, rows: p.rows })
                .collect()
        });
        answer(self, packs)
    }

    fn heads(&mut self, after: Option<String>, limit: u32) -> ImportResult<Vec<types::Head>> {
        let heads = self
            .host()?
            .heads(after.as_deref(), limit)
            .map(|heads| heads.iter().map(Into::into).collect());
        answer(self, heads)
    }

    fn history(
        &mut self,
        commits: Vec<String>,
        limit: u32,
    ) -> ImportResult<Vec<types::CommitEdges>> {
        let ids: Vec<EntityId> = commits.iter().filter_map(|text| parsed(text)).collect();
        let edges =
            self.host()?.history(&ids, limit).map(|edges| edges.iter().map(Into::into).collect());
        answer(self, edges)
    }

    fn known(&mut self, kind: types::EntityKind, names: Vec<String>) -> ImportResult<Vec<bool>> {
        let ids: Vec<Option<EntityId>> = names.iter().map(|text| parsed(text)).collect();
        let asked: Vec<EntityId> = ids.iter().flatten().copied().collect();
        let known = self.host()?.known(kind.into(), &asked).map(|known| {
            let mut known = known.into_iter();
            ids.iter().map(|id| id.is_some() && known.next().unwrap_or(false)).collect()
        });
        answer(self, known)
    }

    fn rivals(&mut self, first: u64, limit: u32) -> ImportResult<Vec<database::Rival>> {
        let rivals = self.host()?.rivals(first, limit).map(|rivals| {
            let rival = |r: core::Rival| database::Rival {
                kind: r.kind.into(),
                pushed: r.pushed.into(),
                stored: r.stored.into(),
            };
            rivals.into_iter().map(rival).collect()
        });
        answer(self, rivals)
    }
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
            AccessError::TooMuch(limit) => types::AccessError::TooMuch(limit),
        }
    }
}

impl From<&Head> for types::Head {
    fn from(head: &Head) -> Self {
        types::Head { branch: head.branch.clone(), commit: head.commit.to_string() }
    }
}

impl From<&Edges> for types::CommitEdges {
    fn from(edges: &Edges) -> Self {
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

/// An id in a fault, which may be the digest of a text: it is used in messages only.
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

/// Converts a component's fault.
pub(super) fn fault(fault: types::Fault) -> Fault {
    match fault {
        types::Fault::Malformed(m) => Fault::Malformed {
            kind: m.kind.into(),
            id: named(&m.id),
            at: m.at.into(),
            offset: m.offset,
            reason: cut(m.reason),
        },
        types::Fault::Disagrees(d) => Fault::Disagrees {
            kind: d.kind.into(),
            id: named(&d.id),
            first: d.first.into(),
            second: d.second.into(),
            detail: cut(d.detail),
        },
        types::Fault::Lost(l) => {
            Fault::Lost { kind: l.kind.into(), id: named(&l.id), wanted_by: cut(l.wanted_by) }
        }
        types::Fault::UnknownWant(ids) => {
            Fault::UnknownWant(ids.iter().map(|id| named(id)).collect())
        }
        types::Fault::HeadConflict(conflicts) => Fault::HeadConflict(
            conflicts
                .into_iter()
                .map(|c| BranchConflict {
                    branch: c.branch,
                    stored: c.stored.as_deref().map(named),
                    given: c.given.iter().map(|id| named(id)).collect(),
                })
                .collect(),
        ),
        types::Fault::Access(e) => Fault::Access(match e {
            types::AccessError::NoSuchPack(pack) => AccessError::NoSuchPack(pack),
            types::AccessError::OutOfRange(span) => AccessError::OutOfRange(span.into()),
            types::AccessError::NotARecord(span) => AccessError::NotARecord(span.into()),
            types::AccessError::TooMuch(limit) => AccessError::TooMuch(limit),
        }),
    }
}
