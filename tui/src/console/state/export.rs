//! What a list shows as data: JSON, or CSV as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)
//! describes it.

use std::fmt::Write;
use std::iter::Peekable;

use packhouse_host::{PackReport, RepoName};
use serde::Serialize;
use serde_json::{Value, json};

use super::columns::TableName;
use super::condition::Condition;
use super::jobs::job_status;
use super::log::LogLine;
use super::model::Model;
use super::packs::pack_state;
use super::screen::Screen;
use crate::text::plural;

mod kinds;

use kinds::{
    COMMITS, COMPARED, FILES, FOUND, HISTORY, JOBS, Kind, LOG, PACKS, POLICIES, PRUNE, RECORDS,
    REPOS, RUNS, TOKENS, WORKERS,
};

/// The lines of a list: those that match its filter, in its order, as far as they are loaded.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Export {
    kind: Kind,
    /// The chosen columns of a CSV.
    columns: Vec<(&'static str, &'static str)>,
    rows: Vec<Value>,
}

/// The lines of a list that has some. They are made one by one: whether there are any is asked for each
/// frame.
struct Listed<'a> {
    kind: Kind,
    rows: Peekable<Box<dyn Iterator<Item = serde_json::Result<Value>> + 'a>>,
}

impl<'a> Listed<'a> {
    fn of<T: Serialize + 'a>(
        kind: Kind,
        rows: impl IntoIterator<Item = T, IntoIter: 'a>,
    ) -> Option<Listed<'a>> {
        let rows: Box<dyn Iterator<Item = _>> =
            Box::new(rows.into_iter().map(serde_json::to_value));
        let mut rows = rows.peekable();
        rows.peek().is_some().then_some(Listed { kind, rows })
    }
}

impl Export {
    /// How many lines there are: `3 repos`.
    pub(in crate::console) fn number(&self) -> String {
        plural(self.rows.len() as u64, self.kind.noun)
    }

    /// The text of a file: JSON if its name ends so, otherwise CSV.
    pub(in crate::console) fn text(&self, file: &str) -> String {
        match file.to_ascii_lowercase().ends_with(".json") {
            true => serde_json::to_string_pretty(&self.rows).unwrap_or_default() + "\n",
            false => csv(&self.columns, &self.rows),
        }
    }
}

impl Model {
    /// The lines of the displayed list; none if it has no lines, or the screen is no list.
    pub(in crate::console) fn export(&self) -> Option<Export> {
        let Listed { kind, rows } = self.listed()?;
        let columns = self.exported_columns(kind);
        Some(Export { kind, columns, rows: rows.collect::<Result<_, _>>().ok()? })
    }

    /// The columns of a list, chosen and in order, where they can be chosen.
    fn exported_columns(&self, kind: Kind) -> Vec<(&'static str, &'static str)> {
        let table = match self.screens.last() {
            None => TableName::Repos,
            Some(Screen::Packs(_)) => TableName::Packs,
            Some(Screen::Jobs) => TableName::Jobs,
            _ => return kind.columns.to_vec(),
        };
        let heads = std::iter::once(table.first()).chain(self.columns.of(table).shown());
        let column = |head| kind.columns.iter().find(|(name, _)| *name == head).copied();
        heads.filter_map(column).collect()
    }

    /// What the lines of the displayed list are: `repos`; none where there is nothing to export.
    pub(in crate::console) fn export_name(&self) -> Option<&'static str> {
        self.listed().map(|listed| listed.kind.list)
    }

    fn listed(&self) -> Option<Listed<'_>> {
        match self.screens.last() {
            None => {
                let repos = self.repos.from(0);
                Listed::of(REPOS, repos.map(|repo| Stated(Condition::of(repo).to_string(), repo)))
            }
            Some(Screen::Repo(repo)) => {
                let known = repo.known.as_ref()?;
                let damaged: Vec<_> =
                    known.report.damaged.iter().filter_map(|damage| damage.mpack_key).collect();
                let state = move |pack: &PackReport| pack_state(pack, damaged.contains(&pack.key));
                Listed::of(
                    PACKS,
                    known.packs.iter().map(move |it| Stated(state(it).to_owned(), it)),
                )
            }
            Some(Screen::Packs(packs)) => Listed::of(
                PACKS,
                packs.shown().map(|pack| Stated(packs.state(pack).to_owned(), pack)),
            ),
            Some(Screen::Records(records)) => Listed::of(RECORDS, &records.pages.entries),
            Some(Screen::Comparison(comparison)) => Listed::of(COMPARED, &comparison.pages.entries),
            Some(Screen::Commits(commits)) => {
                Listed::of(COMMITS, commits.pages.entries.iter().map(|(commit, _)| commit))
            }
            Some(Screen::Files(files)) => Listed::of(FILES, &files.pages.entries),
            Some(Screen::Find(find)) => Listed::of(FOUND, &find.found),
            Some(Screen::Runs) => Listed::of(RUNS, self.runs.listed().into_iter().map(run)),
            Some(Screen::History) => Listed::of(HISTORY, &self.history.entries),
            Some(Screen::Jobs) => {
                Listed::of(JOBS, self.jobs.entries.iter().map(|job| Stated(job_status(job), job)))
            }
            Some(Screen::Prune) => Listed::of(PRUNE, self.prune.packs()),
            Some(Screen::Policies) => Listed::of(POLICIES, self.policies.shown()),
            Some(Screen::Tokens) => Listed::of(TOKENS, &self.tokens.entries),
            Some(Screen::Workers) => Listed::of(WORKERS, &self.workers.leases),
            Some(Screen::Log) => {
                let line = |line: &LogLine| json!({ "at": line.at, "level": line.level.word(), "text": line.text });
                Listed::of(LOG, self.log.newest().map(line))
            }
            Some(
                Screen::Run(_)
                | Screen::Record(..)
                | Screen::Entity(_)
                | Screen::Job(_)
                | Screen::Health
                | Screen::Server
                | Screen::Filters
                | Screen::Columns(..)
                | Screen::PolicyForm(_)
                | Screen::NewToken(_),
            ) => None,
        }
    }
}

/// A line with its state, in the words of the list.
struct Stated<'a, T>(String, &'a T);

impl<T: Serialize> Serialize for Stated<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serde_json::to_value(self.1).map_err(serde::ser::Error::custom)?;
        row["state"] = Value::from(self.0.clone());
        row.serialize(serializer)
    }
}

/// A run of this console.
fn run(run: &super::run::Run) -> Value {
    let state = match (run.is_open(), run.is_bad(), run.is_cancelled()) {
        (true, ..) if run.is_running() => "running",
        (true, ..) => "queued",
        (_, true, _) => "failed",
        (_, _, true) => "cancelled",
        _ => "done",
    };
    json!({
        "repo": run.repo.as_ref().map(RepoName::to_string),
        "run": run.work.noun(),
        "state": state,
        "queued_at": run.queued_at,
        "began_at": run.began,
        "ended_at": run.ended,
    })
}

/// The heads, and a line for each row with the values of these columns. Fields of objects have the names
/// of both, `last_gc.outcome`; lists are JSON in one field.
fn csv(columns: &[(&str, &str)], rows: &[Value]) -> String {
    let mut text = line(columns.iter().map(|(head, _)| *head));
    for row in rows {
        let fields = fields(row);
        let value = |(_, name): &(&str, &str)| {
            let field = fields.iter().find(|(field, _)| field == name);
            field.map_or("", |(_, value)| value.as_str())
        };
        text += &line(columns.iter().map(value));
    }
    text
}

fn line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for (at, field) in fields.enumerate() {
        if at > 0 {
            line.push(',');
        }
        match field.contains(['"', ',', '\r', '\n']) {
            true => _ = write!(line, "\"{}\"", field.replace('"', "\"\"")),
            false => line.push_str(field),
        }
    }
    line + "\r\n"
}

/// The fields of a row, those of nested objects with the names of both.
fn fields(row: &Value) -> Vec<(String, String)> {
    let Value::Object(row) = row else { return vec![("value".to_owned(), field(row))] };
    let mut all = Vec::new();
    for (name, value) in row {
        match value {
            Value::Object(_) => {
                let inner = fields(value).into_iter();
                all.extend(inner.map(|(inner, value)| (format!("{name}.{inner}"), value)));
            }
            value => all.push((name.clone(), field(value))),
        }
    }
    all
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => no_formula(text),
        other => other.to_string(),
    }
}

/// A text that spreadsheets don't take for a formula: names and messages come from anybody.
fn no_formula(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use packhouse_host::RepoSummary;

    use super::*;
    use crate::console::state::TableColumns;
    use crate::console::tests::fake::{last_gc, now, summary};
    use crate::console::view::tests::model;

    #[test]
    fn whether_there_are_lines_is_told_by_the_first() {
        let mut made = 0;
        let rows = (0..1000).inspect(|_| made += 1);
        assert_eq!(Listed::of(REPOS, rows).map(|listed| listed.kind.list), Some("repos"));
        assert_eq!(made, 1);
        assert!(Listed::of(REPOS, [0; 0]).is_none());
    }

    #[test]
    fn csv_quotes_what_must_be_quoted() {
        let rows = [
            json!({ "a": "x,y", "b": { "c": 1, "d": "say \"no\"" }, "list": [1, 2] }),
            json!({ "a": "two\nlines", "b": null, "e": true }),
        ];
        let expected = "E,B C,THE A,D,L\r\n\
            ,1,\"x,y\",\"say \"\"no\"\"\",\"[1,2]\"\r\n\
            true,,\"two\nlines\",,\r\n";
        let columns = [("E", "e"), ("B C", "b.c"), ("THE A", "a"), ("D", "b.d"), ("L", "list")];
        assert_eq!(csv(&columns, &rows), expected);
    }

    #[test]
    fn the_columns_are_those_of_the_screen_as_chosen_and_named_there() {
        let mut model = model();
        let ticket = model.ticket();
        model.repos.begin(ticket, now());
        let last_gc = Some(last_gc("failed", "2026-07-01T09:30:00Z"));
        let failed = RepoSummary { last_gc, ..summary("a/c", 3) };
        model.repos.take(Ok(vec![summary("a/b", 12), failed]), now());
        let text = |model: &Model| model.export().unwrap().text("r.csv");
        let heads = "NAME,STATE,PACKS,RECLAIMABLE,SIZE,LAST CONSOLIDATION,OBJECTS,TO DELETE,";
        assert!(text(&model).starts_with(heads), "{}", text(&model));
        *model.columns.of_mut(TableName::Repos) =
            TableColumns::only(TableName::Repos, &["LAST CONSOLIDATION", "STATE"]);
        let expected = "NAME,LAST CONSOLIDATION,STATE\r\n\
            a/b,,fragmented (12)\r\n\
            a/c,2026-07-01T09:30:00Z,failed\r\n";
        assert_eq!(text(&model), expected);
        model.repos.paste_filter("packs>5", now());
        assert_eq!(text(&model).lines().count(), 2);
        // JSON has all fields, whatever is displayed.
        let json = model.export().unwrap().text("r.json");
        assert!(json.contains("\"superseded_bytes\"") && json.contains("\"state\": \"fragmented"));
    }

    #[test]
    fn every_column_that_can_be_chosen_is_exported() {
        for (table, kind) in
            [(TableName::Repos, REPOS), (TableName::Packs, PACKS), (TableName::Jobs, JOBS)]
        {
            let exported: Vec<&str> = kind.columns.iter().map(|(head, _)| *head).collect();
            let chosen: Vec<&str> =
                std::iter::once(table.first()).chain(table.heads().iter().copied()).collect();
            assert_eq!(exported, chosen);
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            let row = [json!({ "a": text })];
            let told = csv(&[("A", "a")], &row);
            assert!(told.contains(&format!("'{text}")), "{told:?}");
        }
        let row = [json!({ "a": -1, "b": "a=b" })];
        assert_eq!(csv(&[("A", "a"), ("B", "b")], &row), "A,B\r\n-1,a=b\r\n");
    }
}
