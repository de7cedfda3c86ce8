-- Fetch requests that are too long for a URL: it names their digest, and every server of the store finds them here.
CREATE TABLE fetch_requests (
    repo       INTEGER NOT NULL REFERENCES repos (id),
    digest     BLOB NOT NULL CHECK (length(digest) = 32),
    request    BLOB NOT NULL,
    -- Its length: sums read an index.
    bytes      INTEGER NOT NULL,
    -- `token:ID` or `address:ADDRESS`; nothing for the operator's own.
    caller     TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (repo, digest)
) STRICT;
CREATE INDEX fetch_requests_by_expiry ON fetch_requests (expires_at);
CREATE INDEX fetch_requests_by_caller ON fetch_requests (caller, bytes);
