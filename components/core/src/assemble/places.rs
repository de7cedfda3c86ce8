//! Where the records of an answer are.

use super::bounds::Bounds;
use crate::id::{EntityId, Kind};
use crate::plan_error::PlanError;
use crate::ports::{AccessError, Database, Limits, Span, Storage, all_packs};
use crate::table::Table;

/// Of so many rows one must be located for the pack-indexes to be read.
const ROWS_PER_LOCATED: u64 = 8;

/// Finds records: asks the index for each, until it has asked for so many that it takes less time to
/// read the pack-indexes of all packs once. So an answer that holds little of a large repo costs
/// what it holds, and a clone costs no more than its rows.
#[derive(Debug)]
pub(super) struct Places {
    limits: Limits,
    /// Ids for which the index is asked in any case.
    few: u64,
    asked: u64,
    /// Rows of all packs, once more than a few ids were asked for.
    rows: Option<u64>,
    table: Option<Table>,
}

impl Places {
    pub(super) fn new(limits: Limits, bounds: &Bounds) -> Places {
        Places { limits, few: bounds.located, asked: 0, rows: None, table: None }
    }

    /// Where the index has each entity, in the order of `ids`; `None` for one that it does not have.
    pub(super) fn locate<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Span>>, PlanError> {
        self.asked += ids.len() as u64;
        self.read_table(host)?;
        let Some(table) = &self.table else { return self.ask(host, kind, ids) };
        let find = |id: &EntityId| Some(table.span(table.find(kind, *id)?));
        let spans: Vec<Option<Span>> = ids.iter().map(find).collect();
        let absent = ids.iter().zip(&spans).filter(|(_, span)| span.is_none());
        let absent: Vec<EntityId> = absent.map(|(id, _)| *id).collect();
        self.refuse_lost(host, kind, &absent)?;
        Ok(spans)
    }

    fn read_table<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
    ) -> Result<(), PlanError> {
        if self.table.is_some() || self.asked <= self.few {
            return Ok(());
        }
        if self.rows.is_none() {
            self.rows = Some(all_packs(host)?.iter().map(|pack| pack.rows).sum());
        }
        if self.rows.is_some_and(|rows| self.asked > rows / ROWS_PER_LOCATED) {
            self.table = Some(Table::read(host)?);
        }
        Ok(())
    }

    fn ask<H: Database + ?Sized>(
        &self,
        host: &mut H,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Span>>, PlanError> {
        let mut spans = Vec::with_capacity(ids.len());
        for page in ids.chunks(self.limits.ids.max(1) as usize) {
            let locations = host.locate(kind, page)?;
            if locations.len() != page.len() {
                let (got, asked) = (locations.len(), page.len());
                let reason = format!("the host located {got} of {asked} {kind}s");
                return Err(AccessError::Other(reason).into());
            }
            spans.extend(locations.into_iter().map(|location| location.map(|found| found.at)));
        }
        Ok(spans)
    }

    /// Law 12: what no pack has is unknown to the index, too.
    fn refuse_lost<H: Database + ?Sized>(
        &self,
        host: &mut H,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<(), PlanError> {
        for page in ids.chunks(self.limits.ids.max(1) as usize) {
            let known = host.known(kind, page)?;
            if let Some((id, _)) = page.iter().zip(known).find(|(_, known)| *known) {
                return Err(lost(kind, *id));
            }
        }
        Ok(())
    }
}

/// The index has an entity, and no pack has it.
pub(super) fn lost(kind: Kind, id: EntityId) -> PlanError {
    PlanError::Lost { kind, id, wanted_by: "the request".into() }
}
