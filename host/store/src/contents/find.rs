//! Finds records by ID, or by the beginning of one.

use packhouse_catalog::{EntityKey, entity_key, entity_of};
use packhouse_core::id::Form;
use packhouse_core::{EntityId, Kind};
use packhouse_model::contents::MAX_FOUND;
use packhouse_model::error::{Error, Result};
use packhouse_model::report::FoundRecord;
use packhouse_pack::scan::tag_entity;

use super::Inside;

/// Fewest digits that stand for an ID.
const MIN_DIGITS: usize = 4;

/// Candidates that the error about an ambiguous ID names.
const NAMED: usize = 5;

impl Inside {
    pub(super) async fn find(&mut self, id: &str) -> Result<Vec<FoundRecord>> {
        let mut found = Vec::new();
        for (kind, id) in self.matching(id, &Kind::ALL, MAX_FOUND).await? {
            found.push(self.found(kind, id).await?.0);
        }
        Ok(found)
    }

    /// The only record of these kinds with an ID, or with an ID that begins so.
    ///
    /// # Errors
    /// [`Error::UnknownRecord`], [`Error::AmbiguousId`].
    pub(super) async fn only(
        &mut self,
        id: &str,
        kinds: &[Kind],
        what: &'static str,
    ) -> Result<(Kind, EntityId)> {
        let matching = self.matching(id, kinds, NAMED).await?;
        let repo = self.repo.name.clone();
        match matching[..] {
            [] => Err(Error::UnknownRecord { repo, what, id: id.to_owned() }),
            [one] => Ok(one),
            _ => {
                let mut found = Vec::new();
                for (kind, id) in matching {
                    found.push(format!("{kind} {}", self.text_of(kind, id).await?));
                }
                Err(Error::AmbiguousId { repo, id: id.to_owned(), found })
            }
        }
    }

    /// The records with an ID, otherwise those whose IDs begin so, at most `limit`.
    async fn matching(
        &mut self,
        text: &str,
        kinds: &[Kind],
        limit: usize,
    ) -> Result<Vec<(Kind, EntityId)>> {
        let whole = EntityId::parse(text.as_bytes()).ok();
        let of_kind = |kind: &Kind| match kind {
            Kind::Tag => Some((Kind::Tag, tag_entity(text))),
            kind => Some((*kind, whole?)),
        };
        let sought: Vec<(Kind, EntityId)> = kinds.iter().filter_map(of_kind).collect();
        let keys: Vec<EntityKey> = sought.iter().map(|(kind, id)| entity_key(*kind, *id)).collect();
        let indexed = self.snapshot.lookup(&keys).await?;
        let exact: Vec<_> =
            sought.into_iter().zip(indexed).filter_map(|(one, at)| at.map(|_| one)).collect();
        if whole.is_some() || !exact.is_empty() {
            return Ok(exact);
        }
        let mut found = Vec::new();
        for beginning in Beginning::all(text, kinds) {
            self.collect(&beginning, limit, &mut found).await?;
        }
        Ok(found)
    }

    /// Adds the entities whose keys begin so.
    async fn collect(
        &mut self,
        beginning: &Beginning,
        limit: usize,
        found: &mut Vec<(Kind, EntityId)>,
    ) -> Result<()> {
        let mut after = beginning.before();
        while found.len() < limit {
            let most = (limit - found.len()) as u32;
            let page = self.snapshot.index_page(after.as_ref(), most).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.entity);
            let within = page.iter().take_while(|(row, _)| row.entity <= beginning.last);
            found.extend(within.filter_map(|(row, _)| entity_of(&row.entity)));
            if last.entity > beginning.last {
                break;
            }
        }
        found.truncate(limit);
        Ok(())
    }
}

/// The keys of one kind and form whose digits begin so: from one to another.
struct Beginning {
    first: EntityKey,
    last: EntityKey,
}

impl Beginning {
    /// For every kind, in both forms unless the text says which. None if it is no beginning of an ID.
    fn all(text: &str, kinds: &[Kind]) -> Vec<Beginning> {
        let (forms, digits) = match text.strip_prefix("sha256:") {
            Some(digits) => (&[Form::Prefixed][..], digits),
            None => (&[Form::Bare, Form::Prefixed][..], text),
        };
        if !(MIN_DIGITS..64).contains(&digits.len()) {
            return Vec::new();
        }
        let filled = |digit: char| {
            EntityId::parse(
                format!("{digits}{}", digit.to_string().repeat(64 - digits.len())).as_bytes(),
            )
        };
        let (Ok(first), Ok(last)) = (filled('0'), filled('f')) else { return Vec::new() };
        let key = |kind, form, id: EntityId| entity_key(kind, EntityId::new(form, *id.digest()));
        let hashed = kinds.iter().filter(|kind| **kind != Kind::Tag);
        hashed
            .flat_map(|kind| forms.iter().map(move |form| (*kind, *form)))
            .map(|(kind, form)| Beginning {
                first: key(kind, form, first),
                last: key(kind, form, last),
            })
            .collect()
    }

    /// The greatest key before the first; none if there is none.
    fn before(&self) -> Option<EntityKey> {
        let mut key = self.first;
        for byte in key.iter_mut().rev() {
            let (lower, borrows) = byte.overflowing_sub(1);
            *byte = lower;
            if !borrows {
                return Some(key);
            }
        }
        None
    }
}
