//! A server, as it describes itself.

/// A server, as it describes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Its version.
    pub version: String,
    /// Its metrics since its start, in the text format of OpenMetrics.
    pub metrics: String,
}
