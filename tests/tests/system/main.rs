//! What is tested once: the program from outside, tapes and hosts, other components, full disks,
//! and ports one at a time. One binary, since each links wasmtime and sqlx.

#![allow(clippy::unwrap_used, missing_docs)]

mod admin;
mod assembly;
mod backup;
mod branches;
mod config;
mod contents;
mod copy;
mod core_faults;
mod core_properties;
mod encodings;
mod export;
mod foreign;
mod full_disk;
mod geometric_growth;
mod host_calls;
mod hostile_component;
mod hosts;
mod import;
mod import_circles;
mod law_9;
mod laws_page;
mod many;
mod mirror;
mod model_checks;
mod musehub;
mod no_store;
mod older;
mod older_migrations;
mod on_base;
mod openapi;
mod other_component;
mod output;
mod policy_watch;
mod privacy;
mod remote;
mod retention;
mod soak;
mod storage;
mod tapes;
mod trouble;
mod trouble_store;
mod upgrade;
mod vault;
