-- What kind of error a consolidation failed with: see migrations/sqlite/0012_codes_of_errors.sql.
ALTER TABLE gc_runs ADD COLUMN error_code TEXT COLLATE "C";
