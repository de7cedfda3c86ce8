-- Who may ask a server for what, and what it signs with.

-- Access tokens. Of a secret only its SHA-256 is kept; tokens that were revoked or have expired stay, since lists tell of them.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'push', 'admin')),
    -- JSON: an array of `OWNER/SLUG`, `OWNER/*` and `*`. Names, and not rows of `repos`: it reaches repos that are yet to be made.
    repos      TEXT NOT NULL,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    created_at TEXT NOT NULL,
    -- NULL: never.
    expires_at TEXT,
    revoked_at TEXT
) STRICT, WITHOUT ROWID;

-- What all processes of a store know and nobody else: `urls` signs the URLs that a server gives out. Whoever reads the catalog can sign.
CREATE TABLE secrets (
    name   TEXT PRIMARY KEY,
    secret BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT, WITHOUT ROWID;
