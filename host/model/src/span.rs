//! Spans for tracing: what took how long, and for whom.

/// The target of all spans that are for tracing, and not for the log. Without a subscriber that wants
/// this target they cost nothing.
pub const TARGET: &str = "packhouse_trace";
