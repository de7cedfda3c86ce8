//! What this machine can't run.

use std::path::PathBuf;

use super::Source;
use super::wording::chain;

/// Why packhouse can't work here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no engine for components.
    #[error("WebAssembly can't run here: {}", chain(.0.as_ref()))]
    NoWebAssembly(#[source] Source),

    /// A file that was named as the component is none.
    #[error("{} is not a component that packhouse can run: {reason}", file.display())]
    NotAComponent {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// There is no client for remote servers.
    #[error("the HTTP client can't be created: {}", chain(.0.as_ref()))]
    NoHttpClient(#[source] Source),
}
