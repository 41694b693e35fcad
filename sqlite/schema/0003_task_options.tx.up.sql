-- What tasks may be told beyond their resources; groups, schedules and pauses.

-- `ticket` is a task's place in the line of its resources, if that is not its id: tasks that
-- were held back draw one when they are due, from the same numbers. A waiting task with a
-- `run_at` is held back: it reserves nothing until then; NULL from then on. `limits` is a JSON
-- array of [number, at most, key].
ALTER TABLE task ADD COLUMN ticket INTEGER;
ALTER TABLE task ADD COLUMN timeout INTEGER; -- microseconds; NULL means what the type says
ALTER TABLE task ADD COLUMN limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE task ADD COLUMN unique_key TEXT;
ALTER TABLE task ADD COLUMN group_id INTEGER REFERENCES task_group ON DELETE SET NULL;
CREATE UNIQUE INDEX task_unique ON task (name, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running', 'canceling'); -- serves: one unfinished task for each key
CREATE INDEX task_member ON task (group_id, state) WHERE group_id IS NOT NULL; -- serves: the tasks of a group, and how many

-- As before, with the ticket as the order of the line, and the mode: 0 shared, 1 exclusive, 2 counted.
CREATE TABLE reservation_by_ticket (
  resource INTEGER NOT NULL,
  mode INTEGER NOT NULL CHECK (mode IN (0, 1, 2)),
  ticket INTEGER NOT NULL,
  task_id INTEGER NOT NULL REFERENCES task ON DELETE CASCADE,
  PRIMARY KEY (resource, mode, ticket) -- serves: the blocking rule
) STRICT, WITHOUT ROWID;
INSERT INTO reservation_by_ticket (resource, mode, ticket, task_id) SELECT resource, exclusive, task_id, task_id FROM reservation;
DROP TABLE reservation;
ALTER TABLE reservation_by_ticket RENAME TO reservation;
CREATE INDEX reservation_task ON reservation (task_id); -- serves: the end of a task, the sweep

-- Tasks that belong together.
CREATE TABLE task_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  description TEXT NOT NULL,
  all_tasks_dispatched INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How far a group is. Its tasks add to the numbers.
CREATE TABLE group_progress_report (
  group_id INTEGER NOT NULL REFERENCES task_group ON DELETE CASCADE,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  total INTEGER,
  done INTEGER NOT NULL,
  suffix TEXT,
  PRIMARY KEY (group_id, code)
) STRICT, WITHOUT ROWID;

-- The types whose tasks do not start at present.
CREATE TABLE paused_type (
  name TEXT PRIMARY KEY,
  pulp_created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is dispatched from time to time. `rhythm` is the declaration's; a change of it sets
-- next_dispatch anew.
CREATE TABLE task_schedule (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  name TEXT NOT NULL UNIQUE,
  task_name TEXT NOT NULL,
  rhythm TEXT NOT NULL,
  dispatch_interval INTEGER, -- microseconds; NULL for a rhythm that is no interval
  next_dispatch INTEGER, -- NULL means never
  last_task_id INTEGER REFERENCES task ON DELETE SET NULL
) STRICT;
CREATE INDEX task_schedule_next ON task_schedule (next_dispatch) WHERE next_dispatch IS NOT NULL; -- serves: the schedules that are due
CREATE INDEX task_schedule_last ON task_schedule (last_task_id) WHERE last_task_id IS NOT NULL; -- serves: deleting a task
