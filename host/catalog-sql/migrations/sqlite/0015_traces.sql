-- The trace context of what queued a job: the job's own span is linked to it. NULL: that was not traced.
ALTER TABLE jobs ADD COLUMN traceparent TEXT;
