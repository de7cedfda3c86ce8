//! Between the types of the WIT and those of the core, one to one.

use std::cmp::Ordering;

use packhouse_core as core;
use packhouse_core::{
    AccessError, Edges, EntityId, Fault, Head, Kind, PackInfo, Rival, Span, Step,
};

use crate::packhouse::engine::{database, storage, types};

impl From<Span> for types::Span {
    fn from(s: Span) -> Self {
        types::Span { pack: s.pack, offset: s.offset, length: s.length }
    }
}

impl From<types::Span> for Span {
    fn from(s: types::Span) -> Self {
        Span { pack: s.pack, offset: s.offset, length: s.length }
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

impl From<storage::Ordering> for Ordering {
    fn from(ordering: storage::Ordering) -> Self {
        match ordering {
            storage::Ordering::Less => Ordering::Less,
            storage::Ordering::Equal => Ordering::Equal,
            storage::Ordering::Greater => Ordering::Greater,
        }
    }
}

impl From<types::AccessError> for AccessError {
    fn from(e: types::AccessError) -> Self {
        match e {
            types::AccessError::NoSuchPack(pack) => AccessError::NoSuchPack(pack),
            types::AccessError::OutOfRange(span) => AccessError::OutOfRange(span.into()),
            types::AccessError::NotARecord(span) => AccessError::NotARecord(span.into()),
            types::AccessError::TooMuch(limit) => AccessError::TooMuch(limit),
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

impl From<AccessError> for types::Fault {
    fn from(e: AccessError) -> Self {
        types::Fault::Access(e.into())
    }
}

impl From<database::PackInfo> for PackInfo {
    fn from(p: database::PackInfo) -> Self {
        PackInfo { key: p.key, bytes: p.bytes, rows: p.rows }
    }
}

impl From<database::Rival> for Rival {
    fn from(r: database::Rival) -> Self {
        Rival { kind: r.kind.into(), pushed: r.pushed.into(), stored: r.stored.into() }
    }
}

impl From<core::Counts> for types::Counts {
    fn from(c: core::Counts) -> Self {
        types::Counts {
            commits: c.commits,
            snapshots: c.snapshots,
            objects: c.objects,
            tags: c.tags,
        }
    }
}

impl From<&Step> for types::Step {
    fn from(step: &Step) -> Self {
        match step {
            Step::Literal(bytes) => types::Step::Literal(bytes.clone()),
            Step::Copy(span) => types::Step::Copy((*span).into()),
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

impl TryFrom<types::CommitEdges> for Edges {
    type Error = AccessError;

    fn try_from(edges: types::CommitEdges) -> Result<Self, AccessError> {
        if edges.parents.len() > 2 {
            return Err(AccessError::TooMuch(2));
        }
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
}

/// Heads that the host answered.
pub(crate) fn heads(heads: Vec<types::Head>) -> Result<Vec<Head>, AccessError> {
    heads.into_iter().map(|h| Ok(Head { commit: id(&h.commit)?, branch: h.branch })).collect()
}

pub(crate) fn from_ids(ids: &[EntityId]) -> Vec<String> {
    ids.iter().map(EntityId::to_string).collect()
}

/// An id that the host answered; one that is none means that the host broke its word.
fn id(text: &str) -> Result<EntityId, AccessError> {
    let nowhere = Span { pack: u32::MAX, offset: 0, length: text.len() as u64 };
    EntityId::parse(text.as_bytes()).map_err(|_| AccessError::NotARecord(nowhere))
}

/// Ids that were asked for.
pub(crate) fn ids(texts: &[String]) -> Result<Vec<EntityId>, types::Fault> {
    texts
        .iter()
        .map(|text| {
            EntityId::parse(text.as_bytes())
                .map_err(|_| types::Fault::UnknownWant(vec![text.clone()]))
        })
        .collect()
}

impl From<Fault> for types::Fault {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed { kind, id, at, offset, reason } => {
                types::Fault::Malformed(types::MalformedRecord {
                    kind: kind.into(),
                    id: id.to_string(),
                    at: at.into(),
                    offset,
                    reason,
                })
            }
            Fault::Disagrees { kind, id, first, second, detail } => {
                types::Fault::Disagrees(types::Disagreement {
                    kind: kind.into(),
                    id: id.to_string(),
                    first: first.into(),
                    second: second.into(),
                    detail,
                })
            }
            Fault::Lost { kind, id, wanted_by } => types::Fault::Lost(types::LostEntity {
                kind: kind.into(),
                id: id.to_string(),
                wanted_by,
            }),
            Fault::UnknownWant(ids) => types::Fault::UnknownWant(from_ids(&ids)),
            Fault::HeadConflict(conflicts) => types::Fault::HeadConflict(
                conflicts
                    .into_iter()
                    .map(|c| types::BranchConflict {
                        branch: c.branch,
                        stored: c.stored.map(|id| id.to_string()),
                        given: from_ids(&c.given),
                    })
                    .collect(),
            ),
            Fault::Access(e) => types::Fault::Access(e.into()),
        }
    }
}
