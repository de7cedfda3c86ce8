//! Between the types of the WIT and those of the core, one to one.

use std::cmp::Ordering;

use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Counts, Edges, EncodingConflict, Entity, EntityId,
    Head, Kind, Limits, Location, PackInfo, Page, PlanError, Span, Step,
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
            types::AccessError::TooMany(limit) => AccessError::TooMany(limit),
            types::AccessError::TooLarge(limit) => AccessError::TooLarge(limit),
            types::AccessError::Other(text) => AccessError::Other(text),
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

impl From<AccessError> for types::PlanError {
    fn from(e: AccessError) -> Self {
        PlanError::from(e).into()
    }
}

impl From<storage::CallLimits> for Limits {
    fn from(l: storage::CallLimits) -> Self {
        Limits { items: l.items, ids: l.ids, rows: l.rows, record_bytes: l.record_bytes }
    }
}

impl From<types::Location> for Location {
    fn from(l: types::Location) -> Self {
        Location { at: l.at.into(), row: l.row }
    }
}

impl From<database::PackInfo> for PackInfo {
    fn from(p: database::PackInfo) -> Self {
        PackInfo { key: p.key, bytes: p.bytes, rows: p.rows }
    }
}

impl From<database::EncodingConflict> for EncodingConflict {
    fn from(c: database::EncodingConflict) -> Self {
        EncodingConflict { kind: c.kind.into(), pushed: c.pushed.into(), stored: c.stored.into() }
    }
}

impl TryFrom<types::Head> for Head {
    type Error = AccessError;

    fn try_from(head: types::Head) -> Result<Self, AccessError> {
        Ok(Head { commit: id(&head.commit)?, branch: head.branch })
    }
}

impl TryFrom<database::CommitTag> for CommitTag {
    type Error = AccessError;

    fn try_from(tag: database::CommitTag) -> Result<Self, AccessError> {
        Ok(CommitTag { commit: id(&tag.commit)?, tag: tag.tag })
    }
}

impl TryFrom<database::Ancestor> for Ancestor {
    type Error = AccessError;

    fn try_from(a: database::Ancestor) -> Result<Self, AccessError> {
        Ok(Ancestor { edges: a.edges.try_into()?, generation: a.generation })
    }
}

impl TryFrom<database::BasePack> for Base {
    type Error = AccessError;

    fn try_from(base: database::BasePack) -> Result<Self, AccessError> {
        let entity = |e: database::Entity| Ok(Entity { kind: e.kind.into(), id: id(&e.id)? });
        Ok(Base {
            pack: base.pack,
            records: base.records.into(),
            missing: base.missing.into_iter().map(entity).collect::<Result<_, AccessError>>()?,
        })
    }
}

impl From<types::Counts> for Counts {
    fn from(c: types::Counts) -> Self {
        Counts { commits: c.commits, snapshots: c.snapshots, objects: c.objects, tags: c.tags }
    }
}

impl From<Counts> for types::Counts {
    fn from(c: Counts) -> Self {
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
            let text = format!("the host answered a commit with {} parents", edges.parents.len());
            return Err(AccessError::Other(text));
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

/// A page that the host answered.
pub(crate) fn page<T, U: TryFrom<T>>(items: Vec<T>, done: bool) -> Result<Page<U>, AccessError>
where
    AccessError: From<U::Error>,
{
    let items = items.into_iter().map(U::try_from).collect::<Result<_, _>>()?;
    Ok(Page { items, done })
}

pub(crate) fn from_ids(ids: &[EntityId]) -> Vec<String> {
    ids.iter().map(EntityId::to_string).collect()
}

/// An ID that the host answered.
pub(crate) fn id(text: &str) -> Result<EntityId, AccessError> {
    EntityId::parse(text.as_bytes())
        .map_err(|_| AccessError::Other(format!("the host answered `{text}` as an ID")))
}

/// Wanted IDs. One that is malformed can't be known.
pub(crate) fn ids(texts: &[String]) -> Result<Vec<EntityId>, types::PlanError> {
    let id = |text: &String| {
        EntityId::parse(text.as_bytes())
            .map_err(|_| types::PlanError::UnknownWant(vec![text.clone()]))
    };
    texts.iter().map(id).collect()
}

impl From<PlanError> for types::PlanError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Malformed { kind, id, at, offset, reason } => {
                types::PlanError::Malformed(types::MalformedRecord {
                    kind: kind.into(),
                    id: id.to_string(),
                    at: at.into(),
                    offset,
                    reason,
                })
            }
            PlanError::Conflicting { kind, id, first, second, detail } => {
                types::PlanError::Conflicting(types::ConflictingEncodings {
                    kind: kind.into(),
                    id: id.to_string(),
                    first: first.into(),
                    second: second.into(),
                    detail,
                })
            }
            PlanError::Lost { kind, id, wanted_by } => types::PlanError::Lost(types::LostEntity {
                kind: kind.into(),
                id: id.to_string(),
                wanted_by,
            }),
            PlanError::UnknownWant(ids) => types::PlanError::UnknownWant(from_ids(&ids)),
            PlanError::HeadConflict(conflicts) => types::PlanError::HeadConflict(
                conflicts
                    .into_iter()
                    .map(|c| types::BranchConflict {
                        branch: c.branch,
                        stored: c.stored.map(|id| id.to_string()),
                        given: from_ids(&c.given),
                    })
                    .collect(),
            ),
            PlanError::Access(e) => types::PlanError::Access(e.into()),
            PlanError::Other(text) => types::PlanError::Other(text),
        }
    }
}
