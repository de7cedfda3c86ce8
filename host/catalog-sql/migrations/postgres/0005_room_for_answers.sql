-- What assembled answers take of the disk, and for whom: see migrations/sqlite/0007_room_for_answers.sql.
ALTER TABLE answers ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE answers ADD COLUMN caller TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE answers ADD COLUMN plan TEXT COLLATE "C";
CREATE INDEX answers_by_expiry ON answers (expires_at);
