//! What a list shows as data: JSON, or CSV as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)
//! describes it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::iter::Peekable;

use packhouse_host::RepoName;
use serde::Serialize;
use serde_json::{Value, json};

use super::log::LogLine;
use super::model::Model;
use super::screen::Screen;
use crate::text::plural;

/// The lines of a list: those that match its filter, in its order, as far as they are loaded.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::console) struct Export {
    kind: Kind,
    rows: Vec<Value>,
}

/// What the lines of a list are.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    /// The name of the list, in that of the file.
    list: &'static str,
    /// One line: `repo`.
    noun: &'static str,
    /// The fields of the columns of the screen, in their order. Others follow, sorted.
    columns: &'static [&'static str],
}

const REPOS: Kind = Kind {
    list: "repos",
    noun: "repo",
    columns: &[
        "repo",
        "damaged",
        "packs",
        "duplicate_bytes",
        "bytes",
        "last_gc.outcome",
        "last_gc.finished_at",
        "objects",
        "superseded_bytes",
    ],
};
const PACKS: Kind = Kind {
    list: "packs",
    noun: "pack",
    columns: &["key", "bytes", "retired_at", "needed_bytes", "stored_at", "records"],
};
const RECORDS: Kind = Kind {
    list: "records",
    noun: "record",
    columns: &["id", "kind", "length", "needed", "offset", "mpack_key"],
};
const COMPARED: Kind = Kind {
    list: "compared",
    noun: "record",
    columns: &["id", "class", "kind", "a.length", "b.length", "a.offset", "b.offset"],
};
const COMMITS: Kind = Kind {
    list: "commits",
    noun: "commit",
    columns: &["commit", "branches", "tags", "message", "author", "committed_at"],
};
const FILES: Kind = Kind { list: "files", noun: "file", columns: &["path", "object"] };
const FOUND: Kind = Kind {
    list: "found",
    noun: "record",
    columns: &["repo", "kind", "id", "mpack_key", "offset", "length"],
};
const RUNS: Kind = Kind { list: "runs", noun: "run", columns: &["repo", "run", "state"] };
const HISTORY: Kind = Kind {
    list: "history",
    noun: "consolidation",
    columns: &[
        "repo",
        "record.outcome",
        "record.finished_at",
        "record.packs_before",
        "record.packs_after",
        "record.bytes_before",
        "record.bytes_after",
        "record.elapsed_ms",
        "record.consolidated_key",
        "record.error",
    ],
};
const JOBS: Kind = Kind {
    list: "jobs",
    noun: "job",
    columns: &["repo", "id", "status", "type", "created_at", "attempt", "reason", "worker"],
};
const PRUNE: Kind = Kind {
    list: "prune",
    noun: "pack",
    columns: &["repos", "bytes", "fate", "due_at", "replaced_at", "pack"],
};
const POLICIES: Kind = Kind {
    list: "policies",
    noun: "repo",
    columns: &["repo", "due", "packs", "bytes", "own_policy", "reasons"],
};
const TOKENS: Kind = Kind {
    list: "tokens",
    noun: "token",
    columns: &["id", "revoked_at", "scope", "repos", "name"],
};
const WORKERS: Kind = Kind {
    list: "workers",
    noun: "lease",
    columns: &["worker", "started_at", "lease_until", "id", "type", "repo"],
};
const LOG: Kind = Kind { list: "log", noun: "line", columns: &["at", "level", "text"] };

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
            false => csv(self.kind.columns, &self.rows),
        }
    }
}

impl Model {
    /// The lines of the displayed list; none if it has no lines, or the screen is no list.
    pub(in crate::console) fn export(&self) -> Option<Export> {
        let Listed { kind, rows } = self.listed()?;
        Some(Export { kind, rows: rows.collect::<Result<_, _>>().ok()? })
    }

    /// What the lines of the displayed list are: `repos`; none where there is nothing to export.
    pub(in crate::console) fn export_name(&self) -> Option<&'static str> {
        self.listed().map(|listed| listed.kind.list)
    }

    fn listed(&self) -> Option<Listed<'_>> {
        match self.screens.last() {
            None => Listed::of(REPOS, self.repos.from(0)),
            Some(Screen::Repo(repo)) => Listed::of(PACKS, &repo.known.as_ref()?.packs),
            Some(Screen::Packs(packs)) => Listed::of(PACKS, packs.shown()),
            Some(Screen::Records(records)) => Listed::of(RECORDS, &records.pages.entries),
            Some(Screen::Comparison(comparison)) => Listed::of(COMPARED, &comparison.pages.entries),
            Some(Screen::Commits(commits)) => {
                Listed::of(COMMITS, commits.pages.entries.iter().map(|(commit, _)| commit))
            }
            Some(Screen::Files(files)) => Listed::of(FILES, &files.pages.entries),
            Some(Screen::Find(find)) => Listed::of(FOUND, &find.found),
            Some(Screen::Runs) => Listed::of(RUNS, self.runs.listed().into_iter().map(run)),
            Some(Screen::History) => Listed::of(HISTORY, &self.history.entries),
            Some(Screen::Jobs) => Listed::of(JOBS, &self.jobs.entries),
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
/// JSON in one field. These columns come first, whatever the rows have; the others are sorted.
fn csv(columns: &[&str], rows: &[Value]) -> String {
    let rows: Vec<Vec<(String, String)>> = rows.iter().map(fields).collect();
    let names: BTreeSet<&str> = rows.iter().flatten().map(|(name, _)| name.as_str()).collect();
    // An object that is missing in some rows is no column of its own.
    let is_object = |name: &str| {
        let parent = format!("{name}.");
        names.iter().chain(columns).any(|other| other.starts_with(&parent))
    };
    let others = names.iter().filter(|name| !columns.contains(name) && !is_object(name));
    let heads: Vec<&str> = columns.iter().chain(others).copied().collect();
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
    use crate::console::tests::fake::{last_gc, summary};

    #[test]
    fn whether_there_are_lines_is_told_by_the_first() {
        let mut made = 0;
        let rows = (0..1000).inspect(|_| made += 1);
        assert_eq!(Listed::of(REPOS, rows).map(|listed| listed.kind.list), Some("repos"));
        assert_eq!(made, 1);
        assert!(Listed::of(REPOS, [0; 0]).is_none());
    }

    #[test]
    fn csv_quotes_what_must_be_quoted_and_has_a_column_for_each_field() {
        let rows = [
            json!({ "a": "x,y", "b": { "c": 1, "d": "say \"no\"" }, "list": [1, 2] }),
            json!({ "a": "two\nlines", "b": null, "e": true }),
        ];
        let expected = "e,b.c,a,b.d,list\r\n\
            ,1,\"x,y\",\"say \"\"no\"\"\",\"[1,2]\"\r\n\
            true,,\"two\nlines\",,\r\n";
        assert_eq!(csv(&["e", "b.c"], &rows), expected);
    }

    #[test]
    fn the_columns_are_those_of_the_screen_whatever_the_rows_have() {
        let head = |rows: &[Value]| csv(REPOS.columns, rows).lines().next().unwrap().to_owned();
        let never = serde_json::to_value(summary("a/b", 1)).unwrap();
        let last_gc = Some(last_gc("consolidated", "2026-07-01T09:30:00Z"));
        let once = serde_json::to_value(RepoSummary { last_gc, ..summary("a/c", 1) }).unwrap();
        let start = "repo,damaged,packs,duplicate_bytes,bytes,last_gc.outcome,last_gc.finished_at,";
        for rows in [vec![never.clone()], vec![never.clone(), once.clone()], vec![once, never]] {
            let head = head(&rows);
            assert!(head.starts_with(start) && !head.contains(",last_gc,"), "{head}");
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            let row = [json!({ "a": text })];
            let told = csv(&[], &row);
            assert!(told.contains(&format!("'{text}")), "{told:?}");
        }
        assert_eq!(csv(&[], &[json!({ "a": -1, "b": "a=b" })]), "a,b\r\n-1,a=b\r\n");
    }
}
