//! What the tests of packhouse share. The tests themselves are in `tests/`, one file a subject.
//!
//! * [`model`] and [`value`]: the format page written down naively, sharing nothing with the core.
//! * [`memory`]: a host in memory, for the core without its component.
//! * [`rows`]: packs of any size, of which only the rows exist.
//! * [`arrival`]: generations of commits as packs arrive.
//! * [`random_history`]: random histories, with more cases than clients produce;
//!   [`tangled_history`]: those in which no simple rule for a fetch holds.
//! * [`scenario`]: histories and what is done with them, as data.
//! * [`seed`]: packs as the tests of the seed make them.
//! * [`faulty`]: ports that fail on purpose; [`disk`]: a disk that is full.
//! * [`hostile`]: the reference component, spoiled.
//! * [`fixtures`]: the packs of the real client.
//! * [`corpus`]: what is on the tapes in `fixtures/tapes`.
//! * [`conformance`]: what every adapter of a port must do.
//! * [`s3`]: an S3 server, as a process.
//! * [`cases`]: repos of a size, for benchmarks.
//! * [`binary`]: the `packhouse` binary, built once, and run on a store of its own.
//! * [`store`]: the library, on a store of its own.
//! * [`place`]: where the stores of a test binary are; [`postgres`]: a cluster of its own;
//!   [`pooler`]: one in front of it.

pub mod arrival;
pub mod base;
pub mod binary;
pub mod cases;
pub mod collector;
pub mod conformance;
pub mod corpus;
pub mod counted;
pub mod disk;
pub mod faulty;
pub mod fixtures;
pub mod hostile;
pub mod memory;
pub mod model;
pub mod place;
pub mod pooler;
pub mod postgres;
pub mod random_history;
pub mod rows;
pub mod s3;
pub mod scenario;
pub mod seed;
pub mod server;
pub mod store;
pub mod tangled_history;
pub mod value;

/// Says loudly that a test could not be done here, and why; where `PACKHOUSE_TEST_REQUIRE` is set
/// to `all` or names `need`, that is a failure.
///
/// # Panics
/// When the need is required.
pub fn skipped(need: &str, why: &str) {
    use std::io::Write;
    // Past the test harness, which keeps what passing tests print to itself.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED, needs {need}: {why}");
    let required = std::env::var("PACKHOUSE_TEST_REQUIRE").unwrap_or_default();
    let required = required.split(',').any(|r| r == "all" || r == need);
    assert!(!required, "PACKHOUSE_TEST_REQUIRE asks for {need}: {why}");
}
