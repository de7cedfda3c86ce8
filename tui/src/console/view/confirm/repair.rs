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
use crate::text::{count, escaped, plural};

/// Repos that are named.
const MAX_NAMED: usize = 200;

pub(super) fn lines(model: &Model, repos: &[RepoName], room: usize) -> Vec<Line<'static>> {
    let (title, pack) = match repos {
        [only] => (format!("Repair {}?", escaped(&only.to_string())), "Every pack of the repo"),
        all => (
            format!("Repair {}?", plural(all.len() as u64, "damaged repo")),
            "Every pack of these repos",
        ),
    };
    let mut lines = styled(wrap(&title, room), model.styles.strong());
    let what = format!(
        "{pack} is read and hashed. What is missing or damaged is taken from intact copies in the \
         store, and a damaged index is made again from the packs. Intact data is not changed. A pack \
         that several repos share is repaired once."
    );
    for message in [
        &what,
        "What has no intact copy in the store stays damaged, and the result says which packs to push \
         again. It is the same as packhouse verify --repair.",
    ] {
        lines.push(Line::default());
        lines.extend(plain(wrap(message, room)));
    }
    if repos.len() > 1 {
        lines.extend([Line::default(), Line::styled("REPOS", model.styles.quiet())]);
        let named = repos.iter().take(MAX_NAMED).map(|repo| escaped(&repo.to_string()));
        lines.extend(named.flat_map(|name| plain(wrap(&name, room))));
        let more = repos.len().saturating_sub(MAX_NAMED) as u64;
        lines.extend((more > 0).then(|| Line::raw(format!("and {} more", count(more)))));
    }
    lines
}
