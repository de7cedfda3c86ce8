//! The tests of stores, with catalogs on Postgres.

mod stores;
