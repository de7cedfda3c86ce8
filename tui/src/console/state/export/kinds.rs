//! The lists that can be exported, and their columns.

/// What the lines of a list are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kind {
    /// The name of the list, in that of the file.
    pub(super) list: &'static str,
    /// One line: `repo`.
    pub(super) noun: &'static str,
    /// The columns of the screen in their order: their heads, and the fields of their values. What a
    /// column shows of several fields is several columns.
    pub(super) columns: &'static [(&'static str, &'static str)],
}

pub(super) const REPOS: Kind = Kind {
    list: "repos",
    noun: "repo",
    columns: &[
        ("NAME", "repo"),
        ("STATE", "state"),
        ("PACKS", "packs"),
        ("RECLAIMABLE", "duplicate_bytes"),
        ("SIZE", "bytes"),
        ("LAST CONSOLIDATION", "last_gc.finished_at"),
        ("OBJECTS", "objects"),
        ("TO DELETE", "superseded_bytes"),
        ("COMMITS", "commits"),
        ("SNAPSHOTS", "snapshots"),
        ("TAGS", "tags"),
    ],
};
pub(super) const PACKS: Kind = Kind {
    list: "packs",
    noun: "pack",
    columns: &[
        ("PACK", "key"),
        ("SIZE", "bytes"),
        ("STATE", "state"),
        ("NEEDED", "needed_bytes"),
        ("STORED", "stored_at"),
        ("RECORDS", "records"),
    ],
};
pub(super) const RECORDS: Kind = Kind {
    list: "records",
    noun: "record",
    columns: &[
        ("ID", "id"),
        ("KIND", "kind"),
        ("LENGTH", "length"),
        ("NEEDED", "needed"),
        ("BYTE", "offset"),
        ("PACK", "mpack_key"),
    ],
};
pub(super) const COMPARED: Kind = Kind {
    list: "compared",
    noun: "record",
    columns: &[
        ("ID", "id"),
        ("CLASS", "class"),
        ("KIND", "kind"),
        ("LENGTH A", "a.length"),
        ("LENGTH B", "b.length"),
    ],
};
pub(super) const COMMITS: Kind = Kind {
    list: "commits",
    noun: "commit",
    columns: &[
        ("COMMIT", "commit"),
        ("BRANCHES", "branches"),
        ("TAGS", "tags"),
        ("MESSAGE", "message"),
        ("AUTHOR", "author"),
        ("COMMITTED", "committed_at"),
    ],
};
pub(super) const FILES: Kind =
    Kind { list: "files", noun: "file", columns: &[("OBJECT", "object"), ("PATH", "path")] };
pub(super) const FOUND: Kind = Kind {
    list: "found",
    noun: "record",
    columns: &[
        ("REPO", "repo"),
        ("KIND", "kind"),
        ("ID", "id"),
        ("PACK", "mpack_key"),
        ("BYTE", "offset"),
        ("LENGTH", "length"),
    ],
};
pub(super) const RUNS: Kind = Kind {
    list: "runs",
    noun: "run",
    columns: &[
        ("REPO", "repo"),
        ("RUN", "run"),
        ("STATE", "state"),
        ("BEGAN", "began_at"),
        ("ENDED", "ended_at"),
    ],
};
pub(super) const HISTORY: Kind = Kind {
    list: "history",
    noun: "consolidation",
    columns: &[
        ("REPO", "repo"),
        ("OUTCOME", "record.outcome"),
        ("WHEN", "record.finished_at"),
        ("PACKS BEFORE", "record.packs_before"),
        ("PACKS AFTER", "record.packs_after"),
        ("BYTES BEFORE", "record.bytes_before"),
        ("BYTES AFTER", "record.bytes_after"),
        ("TOOK MS", "record.elapsed_ms"),
        ("KEY", "record.consolidated_key"),
        ("ERROR", "record.error"),
    ],
};
pub(super) const JOBS: Kind = Kind {
    list: "jobs",
    noun: "job",
    columns: &[
        ("REPO", "repo"),
        ("JOB", "id"),
        ("STATUS", "state"),
        ("TYPE", "type"),
        ("AGE", "created_at"),
        ("TRY", "attempt"),
        ("REASON", "reason"),
        ("WORKER", "worker"),
    ],
};
pub(super) const PRUNE: Kind = Kind {
    list: "prune",
    noun: "pack",
    columns: &[
        ("REPOS", "repos"),
        ("SIZE", "bytes"),
        ("FATE", "fate"),
        ("DUE", "due_at"),
        ("REPLACED", "replaced_at"),
        ("PACK", "pack"),
    ],
};
pub(super) const POLICIES: Kind = Kind {
    list: "policies",
    noun: "repo",
    columns: &[
        ("REPO", "repo"),
        ("DUE", "due"),
        ("PACKS", "packs"),
        ("SIZE", "bytes"),
        ("OWN POLICY", "own_policy"),
        ("WHY", "reasons"),
    ],
};
pub(super) const TOKENS: Kind = Kind {
    list: "tokens",
    noun: "token",
    columns: &[
        ("TOKEN", "id"),
        ("REVOKED", "revoked_at"),
        ("EXPIRES", "expires_at"),
        ("SCOPE", "scope"),
        ("REPOS", "repos"),
        ("NAME", "name"),
    ],
};
pub(super) const WORKERS: Kind = Kind {
    list: "workers",
    noun: "lease",
    columns: &[
        ("WORKER", "worker"),
        ("SINCE", "started_at"),
        ("LEASE", "lease_until"),
        ("JOB", "id"),
        ("TYPE", "type"),
        ("REPO", "repo"),
    ],
};
pub(super) const LOG: Kind = Kind {
    list: "log",
    noun: "line",
    columns: &[("AT", "at"), ("LEVEL", "level"), ("TEXT", "text")],
};
