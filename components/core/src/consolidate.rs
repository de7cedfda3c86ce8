//! The plan that makes one pack of all the packs of a repo.

use crate::id::Kind;
use crate::order::{SnapshotWalk, order_commits, read_links, read_tags};
use crate::plan::{Layout, Plan};
use crate::plan_error::PlanError;
use crate::ports::{Database, Storage, all_heads};
use crate::table::{Number, Table};

/// Plans the canonical pack of all the packs of the run.
///
/// # Errors
/// [`PlanError`] when a record can't be read, or the host does not answer as promised.
pub fn consolidate<H: Storage + Database + ?Sized>(host: &mut H) -> Result<Plan, PlanError> {
    let table = Table::read(host)?;
    let heads = all_heads(host)?;

    let links = read_links(host, &table)?;
    let commits = order_commits(&links, &table.of_kind(Kind::Commit).collect::<Vec<Number>>());

    let mut walk = SnapshotWalk::new(&table);
    let mut roots: Vec<Number> =
        commits.iter().filter_map(|c| links[*c as usize].snapshot).collect();
    drop(links);
    roots.extend(table.of_kind(Kind::Snapshot));
    walk.place(host, &roots)?;
    drop(roots);

    let SnapshotWalk { snapshots, mut objects, met, .. } = walk;
    objects.extend(table.of_kind(Kind::Object).zip(met).filter(|(_, met)| !met).map(|(o, _)| o));
    let tags: Vec<Number> =
        read_tags(host, &table)?.into_iter().map(|(_, number)| number).collect();

    let mut layout = Layout::new(!tags.is_empty());
    let duplicates = table.rows - table.len() as u64;
    let spans = table.into_spans();
    let sections = [commits, snapshots, objects, tags];
    for (kind, numbers) in Kind::ALL.into_iter().zip(sections) {
        layout.section(kind, numbers.iter().map(|number| spans.of(*number)));
    }
    let mut plan = layout.end(&heads);
    plan.duplicates = duplicates;
    Ok(plan)
}
