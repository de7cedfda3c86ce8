//! The tests of stores, with catalogs on SQLite; and those of the server that need any store.

mod http;
mod stores;
