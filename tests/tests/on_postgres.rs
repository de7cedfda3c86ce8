//! What holds on SQLite holds on Postgres: the same tests, with catalogs there (see `packhouse_tests::place`).

#[path = "accounts.rs"]
mod accounts;
#[path = "damage.rs"]
mod damage;
#[path = "expire.rs"]
mod expire;
#[path = "jobs.rs"]
mod jobs;
#[path = "law_5.rs"]
mod law_5;
#[path = "laws.rs"]
mod laws;
#[path = "overview.rs"]
mod overview;
#[path = "policies.rs"]
mod policies;
#[path = "properties.rs"]
mod properties;
#[path = "prune.rs"]
mod prune;
#[path = "s3.rs"]
mod s3;
#[path = "samples.rs"]
mod samples;
#[path = "scenarios.rs"]
mod scenarios;
#[path = "seed_properties.rs"]
mod seed_properties;
#[path = "serve/main.rs"]
mod serve;
#[path = "tokens.rs"]
mod tokens;
