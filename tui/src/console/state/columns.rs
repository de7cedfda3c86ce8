//! Which columns the tables have, and in which order.

/// A table whose columns can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum TableName {
    Repos,
    Packs,
    Jobs,
}

impl TableName {
    pub(in crate::console) const ALL: [TableName; 3] =
        [TableName::Repos, TableName::Packs, TableName::Jobs];

    /// Its name in the config.
    pub(in crate::console) const fn name(self) -> &'static str {
        match self {
            TableName::Repos => "repos",
            TableName::Packs => "packs",
            TableName::Jobs => "jobs",
        }
    }

    /// The head of its first column, which is always displayed.
    pub(in crate::console) const fn first(self) -> &'static str {
        match self {
            TableName::Repos => "NAME",
            TableName::Packs => "PACK",
            TableName::Jobs => "REPO",
        }
    }

    /// The heads of the columns beside it, in their default order.
    pub(in crate::console) const fn heads(self) -> &'static [&'static str] {
        match self {
            TableName::Repos => &[
                "STATE",
                "PACKS",
                "RECLAIMABLE",
                "SIZE",
                "LAST CONSOLIDATION",
                "OBJECTS",
                "TO DELETE",
                "COMMITS",
                "SNAPSHOTS",
                "TAGS",
            ],
            TableName::Packs => &["SIZE", "STATE", "NEEDED", "STORED", "RECORDS"],
            TableName::Jobs => &["JOB", "STATUS", "TYPE", "AGE", "TRY", "REASON", "WORKER"],
        }
    }
}

/// The name of a column in the config: `last-consolidation`.
pub(in crate::console) fn column_name(head: &str) -> String {
    head.to_lowercase().replace(' ', "-")
}

/// The columns of a table beside the first, in order, and whether each is displayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct TableColumns(Vec<(&'static str, bool)>);

impl TableColumns {
    fn all(table: TableName) -> TableColumns {
        TableColumns(table.heads().iter().map(|head| (*head, true)).collect())
    }

    /// These columns, then the others, hidden.
    pub(in crate::console) fn only(table: TableName, shown: &[&'static str]) -> TableColumns {
        let others = table.heads().iter().filter(|head| !shown.contains(head));
        let shown = shown.iter().map(|head| (*head, true));
        TableColumns(shown.chain(others.map(|head| (*head, false))).collect())
    }

    /// Each column with its head, and whether it is displayed.
    pub(in crate::console) fn entries(&self) -> &[(&'static str, bool)] {
        &self.0
    }

    /// The heads of those that are displayed.
    pub(in crate::console) fn shown(&self) -> Vec<&'static str> {
        self.0.iter().filter(|(_, shown)| *shown).map(|(head, _)| *head).collect()
    }

    /// Shows or hides a column, by its position.
    pub(in crate::console) fn turn(&mut self, at: usize) {
        if let Some((_, shown)) = self.0.get_mut(at) {
            *shown = !*shown;
        }
    }

    /// Moves a column one place, `up` or down. Returns its position.
    pub(in crate::console) fn shift(&mut self, at: usize, up: bool) -> usize {
        let to = if up { at.checked_sub(1) } else { Some(at + 1) };
        match to.filter(|to| (*to).max(at) < self.0.len()) {
            Some(to) => {
                self.0.swap(at, to);
                to
            }
            None => at,
        }
    }
}

/// The columns of all tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct ChosenColumns([TableColumns; 3]);

impl Default for ChosenColumns {
    fn default() -> Self {
        ChosenColumns(TableName::ALL.map(TableColumns::all))
    }
}

impl ChosenColumns {
    /// Those of a table.
    pub(in crate::console) fn of(&self, table: TableName) -> &TableColumns {
        &self.0[table as usize]
    }

    /// The same, to change them.
    pub(in crate::console) fn of_mut(&mut self, table: TableName) -> &mut TableColumns {
        &mut self.0[table as usize]
    }

    /// The setting of the config that keeps those of a table.
    pub(in crate::console) fn setting(&self, table: TableName) -> String {
        let names: Vec<String> = std::iter::once(table.first())
            .chain(self.of(table).shown())
            .map(|head| format!("\"{}\"", column_name(head)))
            .collect();
        format!("{} = [{}]", table.name(), names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_hidden_and_moved_within_their_list() {
        let mut columns = TableColumns::all(TableName::Packs);
        columns.turn(1);
        assert_eq!(columns.shift(0, true), 0);
        assert_eq!(columns.shift(0, false), 1);
        assert_eq!(columns.shift(4, false), 4);
        columns.turn(99);
        assert_eq!(columns.shown(), ["SIZE", "NEEDED", "STORED", "RECORDS"]);
        assert_eq!(columns.entries()[0], ("STATE", false));
    }

    #[test]
    fn the_setting_keeps_what_is_displayed() {
        let mut chosen = ChosenColumns::default();
        *chosen.of_mut(TableName::Repos) =
            TableColumns::only(TableName::Repos, &["LAST CONSOLIDATION", "STATE"]);
        assert_eq!(
            chosen.setting(TableName::Repos),
            "repos = [\"name\", \"last-consolidation\", \"state\"]"
        );
        assert_eq!(chosen.of(TableName::Repos).entries().len(), 10);
        assert_eq!(chosen.of(TableName::Jobs).shown(), TableName::Jobs.heads());
    }
}
