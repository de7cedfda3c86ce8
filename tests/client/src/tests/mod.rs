//! What can be known of the client without a server.

mod conversation;
mod history;
mod samples;
mod scripted;
mod transport;
mod wire;

use bytes::Bytes;

use crate::local::Files;

/// A tree of small files.
fn files<const N: usize>(files: [(&str, &'static str); N]) -> Files {
    files
        .into_iter()
        .map(|(path, content)| (path.to_owned(), Bytes::from_static(content.as_bytes())))
        .collect()
}
