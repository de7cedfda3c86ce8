//! The filters of the config, which have names: in a filter, `@NAME` stands for its text.

use super::cursor::Cursor;

/// A filter of the config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct NamedFilter {
    pub(in crate::console) name: String,
    pub(in crate::console) text: String,
}

/// All of them, in the order of the file.
#[derive(Debug, Default)]
pub(in crate::console) struct NamedFilters {
    pub(in crate::console) entries: Vec<NamedFilter>,
    pub(in crate::console) cursor: Cursor,
}

impl NamedFilters {
    /// A filter in which names are replaced by their texts. Unknown names are left out; returns what
    /// is wrong with the first of them.
    pub(super) fn expand(&self, filter: &str) -> (String, Option<String>) {
        let (mut texts, mut unknown) = (Vec::new(), None);
        for word in filter.split_whitespace() {
            let Some(name) = word.strip_prefix('@') else {
                texts.push(word);
                continue;
            };
            match self.entries.iter().find(|filter| filter.name == name) {
                Some(filter) => texts.push(&filter.text),
                // It is still being typed.
                None if name.is_empty() => {}
                None => unknown = unknown.or_else(|| Some(self.unknown(word))),
            }
        }
        (texts.join(" "), unknown)
    }

    fn unknown(&self, word: &str) -> String {
        let names: Vec<String> =
            self.entries.iter().map(|filter| format!("@{}", filter.name)).collect();
        match names.is_empty() {
            true => format!("`{word}`: the config has no [filters]"),
            false => format!("`{word}`: expected {}", names.join(", ")),
        }
    }

    /// The selected filter.
    pub(in crate::console) fn current(&self) -> Option<&NamedFilter> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_their_texts_and_unknown_ones_are_named() {
        let big = NamedFilter { name: "big".to_owned(), text: "size>1G packs>50".to_owned() };
        let filters = NamedFilters { entries: vec![big], ..NamedFilters::default() };
        assert_eq!(filters.expand("a @big @ b"), ("a size>1G packs>50 b".to_owned(), None));
        let (rest, wrong) = filters.expand("@bog a");
        assert_eq!((rest.as_str(), wrong.as_deref()), ("a", Some("`@bog`: expected @big")));
        assert!(NamedFilters::default().expand("@x").1.unwrap().contains("no [filters]"));
    }
}
