-- What kind of error a consolidation failed with; `damage`: it counts only while the repo has known damage. NULL: it did not fail,
-- or an older version recorded it.
ALTER TABLE gc_runs ADD COLUMN error_code TEXT;
