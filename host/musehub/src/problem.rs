//! What can't be taken from a MuseHub.

use packhouse_core::{IdError, Kind};
use packhouse_model::report::ImportProblem;

/// Most problems that are listed of a repo. The others are counted.
const MAX_LISTED: usize = 10_000;

/// Why something can't be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A commit that a branch, a tag, a release or another commit names is not in the database.
    MissingCommit,
    /// A snapshot that a commit names is not in the database.
    MissingSnapshot,
    /// An object that a snapshot names is not in the database.
    MissingObject,
    /// The bytes of an object are nowhere.
    MissingBytes,
    /// Bytes were found, and their hash is not the ID.
    WrongBytes,
    /// It stands under a private repo of another owner.
    Private,
    /// An ID that is no SHA-256 digest.
    BadId,
    /// A row that can't be read, or that no client could store.
    BadRow,
    /// Branches of one name have heads that don't lead to each other.
    TwoHeads,
    /// A name that no branch can have.
    BadName,
    /// The repo is private, and the repo of the same name in the store is public.
    Visibility,
}

impl Fault {
    /// Whether a repo can be imported without the thing, as a shallow one.
    const fn is_hole(self) -> bool {
        use Fault::{
            MissingBytes, MissingCommit, MissingObject, MissingSnapshot, Private, WrongBytes,
        };
        matches!(
            self,
            MissingCommit | MissingSnapshot | MissingObject | MissingBytes | WrongBytes | Private
        )
    }

    const fn as_str(self) -> &'static str {
        match self {
            Fault::MissingCommit => "missing_commit",
            Fault::MissingSnapshot => "missing_snapshot",
            Fault::MissingObject => "missing_object",
            Fault::MissingBytes => "missing_bytes",
            Fault::WrongBytes => "wrong_bytes",
            Fault::Private => "private",
            Fault::BadId => "bad_id",
            Fault::BadRow => "bad_row",
            Fault::TwoHeads => "two_heads",
            Fault::BadName => "bad_name",
            Fault::Visibility => "visibility",
        }
    }
}

/// Something that can't be taken.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    fault: Fault,
    report: ImportProblem,
}

impl Problem {
    /// What is wrong, and what to do.
    pub(crate) fn new(fault: Fault, detail: impl Into<String>) -> Problem {
        let (kind, detail) = (fault.as_str().to_owned(), detail.into());
        Problem { fault, report: ImportProblem { kind, path: None, id: None, detail } }
    }

    /// The same, with an ID as the database has it.
    pub(crate) fn of(fault: Fault, id: impl Into<String>, detail: impl Into<String>) -> Problem {
        let mut problem = Problem::new(fault, detail);
        problem.report.id = Some(id.into());
        problem
    }

    /// The same, with the path of a file or the name of a branch.
    pub(crate) fn at(mut self, path: &str) -> Problem {
        self.report.path = Some(path.to_owned());
        self
    }

    pub(crate) fn bad_id(what: Kind, id: &str, why: IdError) -> Problem {
        Problem::of(Fault::BadId, id, format!("the ID of a {what} is none: {why}"))
    }

    pub(crate) fn private(what: Kind, id: &str) -> Problem {
        let detail = format!(
            "the {what} stands under a private repo of another owner; --allow-private takes it"
        );
        Problem::of(Fault::Private, id, detail)
    }
}

/// The problems of a repo.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    listed: Vec<ImportProblem>,
    unlisted: u64,
    is_fatal: bool,
}

impl Problems {
    pub(crate) fn add(&mut self, problem: Problem) {
        self.is_fatal |= !problem.fault.is_hole();
        if self.listed.len() < MAX_LISTED {
            self.listed.push(problem.report);
        } else {
            self.unlisted += 1;
        }
    }

    /// Whether the repo can't be imported; `shallow`: although it may have holes.
    pub(crate) fn prevent(&self, shallow: bool) -> bool {
        self.is_fatal || !(shallow || self.listed.is_empty())
    }

    /// All that are listed, and a last one that says how many are not.
    pub(crate) fn into_reports(mut self) -> Vec<ImportProblem> {
        if self.unlisted > 0 {
            self.listed.push(ImportProblem {
                kind: "more_problems".to_owned(),
                path: None,
                id: None,
                detail: format!("{} more problems are not listed", self.unlisted),
            });
        }
        self.listed
    }
}
