-- What assembled answers take of the disk, and for whom: all servers of a store keep to one budget. Answers of before count as nothing.
ALTER TABLE answers ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
-- `token:ID` or `address:ADDRESS`; nothing for the operator's own.
ALTER TABLE answers ADD COLUMN caller TEXT NOT NULL DEFAULT '';
-- Digest of the plan that it was made by: the same plan is the same answer. NULL: it is still being made, and its key is only a name.
ALTER TABLE answers ADD COLUMN plan TEXT;
CREATE INDEX answers_by_expiry ON answers (expires_at);
