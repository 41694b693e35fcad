-- Tasks, their reservations and the ready list.

-- A process that runs tasks. Its id is new at each start: a task whose worker is not
-- alive has lost it.
CREATE TABLE worker (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  versions TEXT NOT NULL DEFAULT '{}',
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  last_heartbeat INTEGER NOT NULL
) STRICT;

-- A task. `id` is its ticket: the order in which tasks get what they reserve, which on one
-- writer is the order of their commits. `exclusive` and `shared` are JSON arrays of resource
-- numbers, `record` is one of their names. `args` is sealed. `attempt` fences: a write of an
-- attempt that is not the current one of its worker does not commit.
CREATE TABLE task (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'canceling', 'skipped', 'completed', 'failed', 'canceled')),
  logging_cid TEXT NOT NULL DEFAULT '',
  unblocked_at INTEGER,
  started_at INTEGER,
  finished_at INTEGER,
  run_at INTEGER, -- not before this time; NULL means at once
  priority INTEGER NOT NULL DEFAULT 0,
  worker_id INTEGER,
  attempt INTEGER NOT NULL DEFAULT 0,
  parent_id INTEGER REFERENCES task ON DELETE SET NULL,
  message TEXT, -- the id of its message in the ready list
  exclusive TEXT NOT NULL,
  shared TEXT NOT NULL,
  record TEXT NOT NULL,
  args BLOB NOT NULL,
  result TEXT,
  error TEXT
) STRICT;
CREATE INDEX task_waiting ON task (id) WHERE state = 'waiting'; -- serves: the sweep
CREATE INDEX task_running ON task (worker_id) WHERE state IN ('running', 'canceling'); -- serves: recovery, a worker's tasks
CREATE INDEX task_due ON task (run_at) WHERE state = 'waiting' AND run_at IS NOT NULL; -- serves: delayed tasks
CREATE INDEX task_finished ON task (finished_at) WHERE finished_at IS NOT NULL; -- serves: purge
CREATE INDEX task_created ON task (pulp_created); -- serves: the list of tasks, newest first
CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL; -- serves: child_tasks

-- One row for each resource of each unfinished task. A resource is the first 64 bits of a
-- hash of its name: two names that collide only wait for each other. Whether a task may run
-- is always computed from these rows, never stored.
CREATE TABLE reservation (
  resource INTEGER NOT NULL,
  exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
  task_id INTEGER NOT NULL REFERENCES task ON DELETE CASCADE,
  PRIMARY KEY (resource, exclusive, task_id) -- serves: the blocking rule
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_task ON reservation (task_id); -- serves: deleting a task, the sweep

-- How far a task is. Live numbers are in memory; these rows follow them.
CREATE TABLE progress_report (
  task_id INTEGER NOT NULL REFERENCES task ON DELETE CASCADE,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  state TEXT NOT NULL,
  total INTEGER,
  done INTEGER NOT NULL,
  suffix TEXT,
  position INTEGER NOT NULL,
  PRIMARY KEY (task_id, code)
) STRICT, WITHOUT ROWID;

-- What a task made: a row of a kind's table.
CREATE TABLE created_resource (
  task_id INTEGER NOT NULL REFERENCES task ON DELETE CASCADE,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  object_id INTEGER NOT NULL,
  PRIMARY KEY (task_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX created_resource_object ON created_resource (kind, object_id); -- serves: ?created_resources=

-- The ready list: the table of maragu.dev/goqite v0.4.0, as its documentation gives it. A row
-- exists iff its task is waiting, runnable, due and not claimed.
CREATE TABLE goqite (
  id TEXT PRIMARY KEY DEFAULT ('m_' || lower(hex(randomblob(16)))),
  created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  updated TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  queue TEXT NOT NULL,
  body BLOB NOT NULL,
  timeout TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  received INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL DEFAULT 0
) STRICT;

--bun:split
CREATE TRIGGER goqite_updated_timestamp AFTER UPDATE ON goqite BEGIN
  UPDATE goqite SET updated = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = old.id;
END;

--bun:split
CREATE INDEX goqite_queue_priority_created_idx ON goqite (queue, priority DESC, created); -- serves: the next ready task
