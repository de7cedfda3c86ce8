-- Fetch requests that are too long for a URL: see migrations/sqlite/0010_fetch_requests.sql.
CREATE TABLE fetch_requests (
    repo       BIGINT NOT NULL REFERENCES repos (id),
    digest     BYTEA NOT NULL CHECK (length(digest) = 32),
    request    BYTEA NOT NULL,
    bytes      BIGINT NOT NULL,
    caller     TEXT COLLATE "C" NOT NULL,
    expires_at TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (repo, digest)
);
CREATE INDEX fetch_requests_by_expiry ON fetch_requests (expires_at);
CREATE INDEX fetch_requests_by_caller ON fetch_requests (caller, bytes);
