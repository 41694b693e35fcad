-- Several processes on one file.

-- How long after its last heartbeat a process counts as alive, in microseconds.
ALTER TABLE worker ADD COLUMN lease INTEGER NOT NULL DEFAULT 30000000;

-- The task that makes a publication: while it is incomplete, only that tells whether anybody is
-- at work on it.
ALTER TABLE publication ADD COLUMN task_id INTEGER;
CREATE INDEX publication_incomplete ON publication (task_id) WHERE NOT complete; -- serves: the sweep
