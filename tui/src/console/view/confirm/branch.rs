//! The question about a branch: where it is, and how to undo its deletion.
//!
//! ```text
//!  packhouse › gabriel/notes › delete branch
//!  Delete branch bridge of gabriel/notes?
//!
//!  Head        c37d06be51046642becc79eee1c622c44367c0889a0d64c0fe569594f2f547ab
//!
//!  Its commits stay in the repo, until packhouse gc --expire-unreachable drops them. To undo this,
//!  push the branch again from a clone that has it.
//!
//!  [ Cancel ]  Esc    Delete branch    y
//! ```

use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::{Branch, Model};
use crate::console::view::parts::{id_fact, plain, styled};
use crate::text::escaped;

pub(super) fn lines(model: &Model, branch: &Branch, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (name, repo) = (escaped(&branch.name), escaped(&branch.repo.to_string()));
    let mut lines =
        styled(wrap(&format!("Delete branch {name} of {repo}?"), room), styles.strong());
    lines.push(Line::default());
    lines.extend(id_fact(styles, "Head", &branch.head, room));
    lines.push(Line::default());
    if branch.is_default {
        let message =
            "It is the default branch. If there are others, one of them becomes the default.";
        lines.extend(styled(wrap(message, room), styles.warn()));
    }
    let message = "Its commits stay in the repo, until packhouse gc --expire-unreachable drops those \
        that nothing else reaches. To undo this, push the branch again from a clone that has it.";
    lines.extend(plain(wrap(message, room)));
    lines
}
