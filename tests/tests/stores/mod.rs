//! What holds wherever the catalog is: `on_sqlite` and `on_postgres` run these same tests, each
//! with catalogs of its own kind (see `packhouse_tests::place`).

#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod complete;
mod contents;
mod damage;
mod expire;
mod generations;
mod geometric;
mod jobs;
mod last_copy;
mod law_5;
mod laws;
mod overview;
mod policies;
mod properties;
mod prune;
mod s3;
mod salvage;
mod samples;
mod scenarios;
mod scrubs;
mod seed_properties;
pub(crate) mod serve;
mod tokens;
