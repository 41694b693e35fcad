-- Content guards, and publications that are checkpoints.

-- Decides who gets what a distribution serves.
CREATE TABLE guard (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  name TEXT NOT NULL,
  description TEXT,
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, name)
) STRICT;

-- A guard that is in use cannot be deleted: content would become public.
ALTER TABLE distribution ADD COLUMN guard_id INTEGER REFERENCES guard;
CREATE INDEX distribution_guard ON distribution (guard_id) WHERE guard_id IS NOT NULL; -- serves: is this guard in use?

-- A distribution with `checkpoint` serves all checkpoints of its repository, by their times.
ALTER TABLE distribution ADD COLUMN checkpoint INTEGER NOT NULL DEFAULT 0;
ALTER TABLE repository ADD COLUMN retain_checkpoints INTEGER;

-- `checkpoint_of` is the repository of the version; NULL for a publication that is no checkpoint.
ALTER TABLE publication ADD COLUMN checkpoint INTEGER NOT NULL DEFAULT 0;
ALTER TABLE publication ADD COLUMN checkpoint_of INTEGER REFERENCES repository ON DELETE CASCADE;
CREATE INDEX publication_checkpoint ON publication (checkpoint_of, pulp_created, id) WHERE checkpoint_of IS NOT NULL; -- serves: the checkpoint of a time, retention

--bun:split
CREATE TRIGGER guard_roles AFTER DELETE ON guard BEGIN
  DELETE FROM role_assignment WHERE kind = 'guard' AND object_id = old.id;
END;
