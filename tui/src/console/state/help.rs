//! The help, and what it is searched for.

use super::cursor::Cursor;

/// The open help.
#[derive(Debug, Default)]
pub(in crate::console) struct Help {
    /// The first visible line.
    pub(in crate::console) top: Cursor,
    /// The words of the search, in lowercase.
    words: Vec<String>,
}

impl Help {
    /// Shows only the lines that have all words of a text; without any, all lines.
    pub(in crate::console) fn search(&mut self, text: &str) {
        let words = text.split_whitespace().map(str::to_lowercase).collect();
        *self = Help { words, top: Cursor::default() };
    }

    /// The search text; empty: there is none.
    pub(in crate::console) fn text(&self) -> String {
        self.words.join(" ")
    }

    /// Whether a line with these texts is displayed.
    pub(in crate::console) fn fits<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let line = texts.into_iter().collect::<Vec<_>>().join(" ").to_lowercase();
        self.words.iter().all(|word| line.contains(word))
    }
}
