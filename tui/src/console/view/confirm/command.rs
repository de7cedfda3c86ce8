//! The question about a command of the config: that of the config, and what would run.
//!
//! ```text
//!  packhouse › command › archive
//!  Archive it and delete the local copy?
//!
//!  Runs        archive --delete gabriel/notes
//!
//!  [ Cancel ]  Esc    Run archive    y
//! ```

use ratatui::text::Line;

use crate::console::cells::wrap;
use crate::console::state::{CommandLine, Model};
use crate::console::view::parts::{long_fact, styled};
use crate::text::escaped;

pub(super) fn lines(model: &Model, line: &CommandLine, room: usize) -> Vec<Line<'static>> {
    let question = line.question.as_deref().unwrap_or_default();
    let mut lines = styled(wrap(&escaped(question), room), model.styles.strong());
    lines.push(Line::default());
    let words: Vec<&str> =
        std::iter::once(&line.program).chain(&line.arguments).map(String::as_str).collect();
    lines.extend(long_fact(model.styles, "Runs", &words.join(" "), room));
    lines
}
