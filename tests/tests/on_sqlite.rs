//! The tests of stores, with catalogs on SQLite.

mod stores;
