//! Rows of the catalog's tables, as values.

use jiff::Timestamp;
use packhouse_catalog::{PackRow, RepoRow, RetiredPack, Sums};
use packhouse_core::{Counts, EntityId};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, Visibility};

use super::engine::{Columns, RESTORE};

/// An error for a row with a value that packhouse never writes.
pub(super) fn damaged(place: &str, what: &str) -> Error {
    Error::Damage(DamageError::DamagedCatalog {
        catalog: place.to_owned(),
        doing: "reading it".into(),
        reason: format!("{what} is corrupt{RESTORE}"),
    })
}

/// A time as it is written in the catalog.
pub(super) fn time(place: &str, row: &impl Columns, column: &str) -> Result<Timestamp> {
    row.text(column).parse().map_err(|_| damaged(place, "a time"))
}

/// An optional time.
pub(super) fn maybe_time(
    place: &str,
    row: &impl Columns,
    column: &str,
) -> Result<Option<Timestamp>> {
    row.maybe_text(column)
        .map(|text| text.parse().map_err(|_| damaged(place, "a time")))
        .transpose()
}

pub(super) fn repo_name(place: &str, row: &impl Columns) -> Result<RepoName> {
    // The name of a deleted repo is followed by `~`, which names can't contain, and its id.
    let slug = row.text("slug").split('~').next().unwrap_or_default();
    let name = format!("{}/{slug}", row.text("owner"));
    name.parse().map_err(|_| damaged(place, "a repo's name"))
}

pub(super) fn repo(place: &str, row: &impl Columns) -> Result<RepoRow> {
    Ok(RepoRow {
        id: row.int("id"),
        repo_id: RepoId(row.text("repo_id").to_owned()),
        name: repo_name(place, row)?,
        visibility: if row.text("visibility") == "private" {
            Visibility::Private
        } else {
            Visibility::Public
        },
        accepts_shallow: row.int("accepts_shallow") != 0,
        default_branch: row.maybe_text("default_branch").map(str::to_owned),
        created_at: time(place, row, "created_at")?,
        revision: row.int("revision"),
        drops: row.int("drops"),
        freshenings: row.int("freshenings"),
        sums: sums(place, row)?,
    })
}

/// The sums of a row of `repos`.
pub(super) fn sums(place: &str, row: &impl Columns) -> Result<Sums> {
    let number =
        |name: &str| u64::try_from(row.int(name)).map_err(|_| damaged(place, "a sum of `repos`"));
    Ok(Sums {
        packs: number("packs")?,
        mapped: Counts {
            commits: number("commits")?,
            snapshots: number("snapshots")?,
            objects: number("objects")?,
            tags: number("tags")?,
        },
        bytes: number("bytes")?,
        needed_bytes: row.maybe_int("needed_bytes").map(|_| number("needed_bytes")).transpose()?,
        stored_bytes: number("stored_bytes")?,
    })
}

/// A pack's key.
pub(super) fn key(place: &str, row: &impl Columns, column: &str) -> Result<MpackKey> {
    let digest = row.bytes(column).try_into().map_err(|_| damaged(place, "a pack's key"))?;
    Ok(MpackKey::new(digest))
}

pub(super) fn pack(place: &str, row: &impl Columns) -> Result<PackRow> {
    Ok(PackRow {
        id: row.int("pack_id"),
        key: key(place, row, "key")?,
        bytes: row.count("bytes"),
        records: row.count("records"),
        consolidated: row.int("consolidated") != 0,
        stored_at: time(place, row, "stored_at")?,
        verified_at: maybe_time(place, row, "verified_at")?,
    })
}

pub(super) fn retired(place: &str, row: &impl Columns) -> Result<RetiredPack> {
    Ok(RetiredPack { pack: pack(place, row)?, at: time(place, row, "retired_at")? })
}

/// An optional id of an entity.
pub(super) fn maybe_id(place: &str, row: &impl Columns, column: &str) -> Result<Option<EntityId>> {
    match row.maybe_bytes(column) {
        None => Ok(None),
        Some(bytes) => EntityId::from_bytes(bytes).map(Some).ok_or_else(|| damaged(place, "an id")),
    }
}

/// An entity's id.
pub(super) fn id(place: &str, row: &impl Columns, column: &str) -> Result<EntityId> {
    maybe_id(place, row, column)?.ok_or_else(|| damaged(place, "an id"))
}
