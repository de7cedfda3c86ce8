//! Why a text is not a name.

use super::RepoName;
use crate::text::escaped;

/// Why a text is not a name, or a name can't be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is not a pack's key.
    #[error(
        "`{}` is not an mpack key: expected `sha256:` and 64 lower-case hexadecimal digits",
        escaped(.0)
    )]
    MpackKey(String),

    /// It is not a repo name.
    #[error(
        "`{}` is not a repo name: expected OWNER/SLUG, each of 1 to 100 letters, digits, `.`, `_` or `-`, starting with a letter or digit",
        escaped(.0)
    )]
    Repo(String),

    /// The owner is the first part of another path of the server.
    #[error(
        "no repo can be named `{}`: a server answers other requests under `/{}/`; choose another owner",
        .0,
        .0.owner()
    )]
    ReservedOwner(RepoName),

    /// A part ends with a dot: not every file system can hold that.
    #[error("no repo can be named `{0}`: neither part may end with `.`")]
    TrailingDot(RepoName),

    /// It is not a branch name.
    #[error("`{}` can't be the name of a branch: {fault}", escaped(name))]
    Branch {
        /// The text.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
}
