//! The state of the console. Plain data: nothing here draws, waits, reads a clock or makes effects.
//!
//! [`Model`] is the whole, and the files are its parts. A method that asks for something (a page, a
//! plan, a run) returns what it asks for; [`super::update`] makes the effect.

mod choice;
mod column;
mod commits;
mod condition;
mod confirm;
mod connection;
mod cursor;
mod enabled;
mod entity;
mod export;
mod extent;
mod files;
mod filter;
mod find;
mod findings;
mod graph;
mod health;
mod history;
mod input;
mod inside;
mod jobs;
mod log;
mod model;
mod pace;
mod packs;
mod palette;
mod policies;
mod policy_form;
mod prompt;
mod prune;
mod repo;
mod repos;
mod run;
mod runs;
mod screen;
mod speed;
mod ticket;
mod tokens;
mod totals;
mod workers;

pub(super) use choice::{Choice, Why};
pub(super) use column::Column;
pub(super) use commits::Commits;
pub(super) use condition::{Condition, is_worn};
pub(super) use confirm::{Asks, Branch, ConfirmDialog, Confirmed, Permit, PlanState, Subject};
pub(super) use connection::RECONNECTING;
pub(super) use cursor::Cursor;
pub(super) use entity::{Entity, Opened, PREVIEW};
pub(super) use export::Export;
pub(super) use extent::Extent;
pub(super) use files::Files;
#[cfg(test)]
pub(super) use filter::Filter;
pub(super) use find::{Find, FoundIn, MOST_FOUND};
pub(super) use findings::Finding;
pub(super) use health::Disk;
pub(super) use jobs::{JOBS_PAGE, Job, JobChange};
pub(super) use log::{Level, LogLine};
pub(super) use model::Model;
pub(super) use pace::Pace;
pub(super) use packs::{Packs, pack_state};
pub(super) use palette::Palette;
pub(super) use policy_form::{Field, PolicyChange, PolicyForm};
pub(super) use prompt::{Prompt, Wanted};
pub(super) use prune::Prune;
pub(super) use repo::{Item, Repo};
pub(super) use repos::PAGE;
pub(super) use run::{Call, Outcome, Run, RunState, Work, step_text};
pub(super) use runs::Started;
pub(super) use screen::{Leave, Screen};
pub(super) use ticket::{Abandoned, Ticket};
pub(super) use tokens::read_token;
pub(super) use totals::Totals;
