//! The question about a repair: what it does, and what is left if there are no intact copies.
//!
//! ```text
//!  packhouse › tidal-lab/hydrophone-array › repair
//!  Repair tidal-lab/hydrophone-array?
//!
//!  Every pack of the repo is read and hashed. Missing and damaged packs are …
//!
//!  [ Cancel ]  Esc    Repair    y
//! ```

use packhouse_host::RepoName;
use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::Model;
use crate::console::view::parts::{plain, styled};
use crate::text::escaped;

pub(super) fn lines(model: &Model, repo: &RepoName, room: usize) -> Vec<Line<'static>> {
    let title = format!("Repair {}?", escaped(&repo.to_string()));
    let mut lines = styled(wrap(&title, room), model.styles.strong());
    for message in [
        "Every pack of the repo is read and hashed. What is missing or damaged is taken from intact \
         copies in the store, and a damaged index is made again from the packs. Intact data is not \
         changed.",
        "What has no intact copy in the store stays damaged, and the result says which packs to push \
         again. It is the same as packhouse verify --repair.",
    ] {
        lines.push(Line::default());
        lines.extend(plain(wrap(message, room)));
    }
    lines
}
