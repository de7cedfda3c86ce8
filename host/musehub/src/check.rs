//! Reads and hashes the objects of a step. Nothing is changed.

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_core::Kind;
use packhouse_model::error::Result;

use crate::objects::{Found, HubObjects};
use crate::problem::{Fault, Problem, Problems};
use crate::steps::{Findings, Step, Wanted};

/// Objects that are read at once.
const AT_ONCE: usize = 8;

/// Checks the objects of a step; returns their sizes, in bytes. Those that are not found, or whose
/// bytes are others, are left out from now on.
///
/// # Errors
/// If something can't be read.
pub(crate) async fn check(
    objects: &HubObjects,
    step: &mut Step,
    findings: &mut Findings,
    problems: &mut Problems,
) -> Result<Vec<u64>> {
    let looked = step.objects.iter().map(|wanted| find(objects, wanted));
    let found: Vec<Found> = stream::iter(looked).buffered(AT_ONCE).try_collect().await?;
    let mut sizes = Vec::with_capacity(found.len());
    for (wanted, found) in step.objects.iter().zip(&found) {
        match found {
            Found::Bytes { place, bytes } => {
                sizes.push(*bytes);
                if *place > 0 {
                    findings.places.insert(wanted.id, *place);
                }
            }
            lost => {
                findings.left_out.insert((Kind::Object, wanted.id));
                problems.add(lost_object(objects, wanted, lost));
            }
        }
    }
    step.objects.retain(|wanted| !findings.left_out.contains(&(Kind::Object, wanted.id)));
    Ok(sizes)
}

async fn find(objects: &HubObjects, wanted: &Wanted) -> Result<Found> {
    match &wanted.row {
        None => Ok(Found::Bytes { place: 0, bytes: 0 }),
        Some(row) => objects.find(wanted.id, row).await,
    }
}

fn lost_object(objects: &HubObjects, wanted: &Wanted, found: &Found) -> Problem {
    let id = wanted.id.to_string();
    let problem = match found {
        Found::Others { place, hash } => {
            let detail = format!("hash mismatch: the bytes at {place} have the hash {hash}");
            Problem::of(Fault::WrongBytes, id, detail)
        }
        _ => {
            let places = wanted.row.iter().flat_map(|row| objects.places(row));
            let places: Vec<String> = places.map(|place| objects.shown(&place)).collect();
            let detail = format!("there is nothing at {}", places.join(", "));
            Problem::of(Fault::MissingBytes, id, detail)
        }
    };
    problem.at(&wanted.path)
}
