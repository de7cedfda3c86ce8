//! Packs made on purpose: for the demo, the tests and the benchmarks.
