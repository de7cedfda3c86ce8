//! What a list shows as data: JSON, or CSV as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)
//! describes it.

use std::fmt::Write;
use std::iter::Peekable;

use packhouse_host::RepoName;
use serde::Serialize;
use serde_json::{Value, json};

use super::log::LogLine;
use super::model::Model;
use super::screen::Screen;

/// The lines of a list: those that match its filter, in its order, as far as they are loaded.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Export {
    rows: Vec<Value>,
}

/// The lines of a list that has some. They are made one by one: whether there are any is asked for each
/// frame.
struct Listed<'a> {
    name: &'static str,
    rows: Peekable<Box<dyn Iterator<Item = serde_json::Result<Value>> + 'a>>,
}

impl<'a> Listed<'a> {
    fn of<T: Serialize + 'a>(
        name: &'static str,
        rows: impl IntoIterator<Item = T, IntoIter: 'a>,
    ) -> Option<Listed<'a>> {
        let rows: Box<dyn Iterator<Item = _>> =
            Box::new(rows.into_iter().map(serde_json::to_value));
        let mut rows = rows.peekable();
        rows.peek().is_some().then_some(Listed { name, rows })
    }
}

impl Export {
    /// The number of lines.
    pub(in crate::console) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The text of a file: JSON if its name ends so, otherwise CSV.
    pub(in crate::console) fn text(&self, file: &str) -> String {
        match file.to_ascii_lowercase().ends_with(".json") {
            true => serde_json::to_string_pretty(&self.rows).unwrap_or_default() + "\n",
            false => csv(&self.rows),
        }
    }
}

impl Model {
    /// The lines of the displayed list; none if it has no lines, or the screen is no list.
    pub(in crate::console) fn export(&self) -> Option<Export> {
        let rows = self.listed()?.rows;
        Some(Export { rows: rows.collect::<Result<_, _>>().ok()? })
    }

    /// What the lines of the displayed list are: `repos`; none where there is nothing to export.
    pub(in crate::console) fn export_name(&self) -> Option<&'static str> {
        self.listed().map(|listed| listed.name)
    }

    fn listed(&self) -> Option<Listed<'_>> {
        match self.screens.last() {
            None => Listed::of("repos", self.repos.from(0)),
            Some(Screen::Repo(repo)) => Listed::of("packs", &repo.known.as_ref()?.packs),
            Some(Screen::Packs(packs)) => Listed::of("packs", packs.shown()),
            Some(Screen::Commits(commits)) => {
                Listed::of("commits", commits.entries.iter().map(|(commit, _)| commit))
            }
            Some(Screen::Files(files)) => Listed::of("files", &files.entries),
            Some(Screen::Find(find)) => Listed::of("found", &find.found),
            Some(Screen::Runs) => Listed::of("runs", self.runs.listed().into_iter().map(run)),
            Some(Screen::History) => Listed::of("history", &self.history.entries),
            Some(Screen::Jobs) => Listed::of("jobs", &self.jobs.entries),
            Some(Screen::Prune) => Listed::of("prune", self.prune.packs()),
            Some(Screen::Policies) => Listed::of("policies", self.policies.shown()),
            Some(Screen::Tokens) => Listed::of("tokens", &self.tokens.entries),
            Some(Screen::Workers) => Listed::of("workers", &self.workers.leases),
            Some(Screen::Log) => {
                let line = |line: &LogLine| json!({ "at": line.at, "level": line.level.word(), "text": line.text });
                Listed::of("log", self.log.newest().map(line))
            }
            Some(
                Screen::Run(_)
                | Screen::Record(..)
                | Screen::Entity(_)
                | Screen::Job(_)
                | Screen::Health
                | Screen::PolicyForm(_)
                | Screen::NewToken(_),
            ) => None,
        }
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

/// A head and a line for each row. Objects have a column for each field, `last_gc.outcome`; lists are
/// JSON in one field.
fn csv(rows: &[Value]) -> String {
    let rows: Vec<Vec<(String, String)>> = rows.iter().map(fields).collect();
    let mut heads: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !heads.contains(&name.as_str()) {
            heads.push(name);
        }
    }
    let mut text = line(heads.iter().copied());
    for row in &rows {
        let value = |head: &&str| {
            let field = row.iter().find(|(name, _)| name == head);
            field.map_or("", |(_, value)| value.as_str())
        };
        text += &line(heads.iter().map(value));
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
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_there_are_lines_is_told_by_the_first() {
        let mut made = 0;
        let rows = (0..1000).inspect(|_| made += 1);
        assert_eq!(Listed::of("repos", rows).map(|listed| listed.name), Some("repos"));
        assert_eq!(made, 1);
        assert!(Listed::of("repos", [0; 0]).is_none());
    }

    #[test]
    fn csv_quotes_what_must_be_quoted_and_has_a_column_for_each_field() {
        let rows = [
            json!({ "a": "x,y", "b": { "c": 1, "d": "say \"no\"" }, "list": [1, 2] }),
            json!({ "a": "two\nlines", "b": null, "e": true }),
        ];
        let expected = "a,b.c,b.d,list,b,e\r\n\
            \"x,y\",1,\"say \"\"no\"\"\",\"[1,2]\",,\r\n\
            \"two\nlines\",,,,,true\r\n";
        assert_eq!(csv(&rows), expected);
    }
}
