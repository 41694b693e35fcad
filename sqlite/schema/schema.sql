-- What the migrations beside it amount to, for new databases. Not written by hand:
--
--	go test ./sqlite -run TestNewDatabase -update

CREATE TABLE domain (
  id INTEGER PRIMARY KEY,
  pulp_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL
) STRICT;

CREATE TABLE account (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  username TEXT NOT NULL UNIQUE,
  password TEXT,
  first_name TEXT NOT NULL DEFAULT '',
  last_name TEXT NOT NULL DEFAULT '',
  email TEXT NOT NULL DEFAULT '',
  is_superuser INTEGER NOT NULL DEFAULT 0,
  is_staff INTEGER NOT NULL DEFAULT 0,
  is_active INTEGER NOT NULL DEFAULT 1,
  date_joined INTEGER NOT NULL
) STRICT;

CREATE TABLE type (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  detail_version INTEGER NOT NULL DEFAULT 0,
  UNIQUE (kind, name)
) STRICT;

CREATE TABLE artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  size INTEGER NOT NULL,
  md5 TEXT,
  sha1 TEXT,
  sha224 TEXT,
  sha256 TEXT NOT NULL,
  sha384 TEXT,
  sha512 TEXT,
  touched INTEGER NOT NULL, -- last use that should keep it from the orphan clean-up
  UNIQUE (domain_id, sha256)
) STRICT;

CREATE TABLE upload (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  size INTEGER NOT NULL
) STRICT;

CREATE TABLE upload_chunk (
  upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (upload_id, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE content (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  pulp_labels TEXT NOT NULL DEFAULT '{}',
  key BLOB NOT NULL,
  slot BLOB NOT NULL,
  touched INTEGER NOT NULL,
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, key) -- serves: finding known units in batches
) STRICT;

CREATE TABLE content_artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  content_id INTEGER NOT NULL REFERENCES content ON DELETE CASCADE,
  artifact_id INTEGER REFERENCES artifact,
  relative_path TEXT NOT NULL,
  UNIQUE (content_id, relative_path) -- serves: the files of a unit
) STRICT;

CREATE INDEX content_artifact_artifact ON content_artifact (artifact_id) WHERE artifact_id IS NOT NULL;

CREATE INDEX content_artifact_path ON content_artifact (relative_path);

CREATE TABLE remote (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  name TEXT NOT NULL,
  pulp_labels TEXT NOT NULL DEFAULT '{}',
  url TEXT NOT NULL,
  policy TEXT NOT NULL,
  ca_cert TEXT,
  client_cert TEXT,
  client_key TEXT,
  tls_validation INTEGER NOT NULL,
  proxy_url TEXT,
  proxy_username TEXT,
  proxy_password TEXT,
  username TEXT,
  password TEXT,
  max_retries INTEGER,
  total_timeout REAL,
  connect_timeout REAL,
  sock_connect_timeout REAL,
  sock_read_timeout REAL,
  headers TEXT,
  download_concurrency INTEGER,
  rate_limit INTEGER,
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, name)
) STRICT;

CREATE TABLE remote_artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  content_artifact_id INTEGER NOT NULL REFERENCES content_artifact ON DELETE CASCADE,
  remote_id INTEGER NOT NULL REFERENCES remote ON DELETE CASCADE,
  url TEXT NOT NULL,
  size INTEGER,
  md5 TEXT,
  sha1 TEXT,
  sha224 TEXT,
  sha256 TEXT,
  sha384 TEXT,
  sha512 TEXT,
  failed_at INTEGER,
  UNIQUE (content_artifact_id, remote_id) -- serves: the sources of a file
) STRICT;

CREATE INDEX remote_artifact_remote ON remote_artifact (remote_id);

CREATE TABLE repository (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  name TEXT NOT NULL,
  pulp_labels TEXT NOT NULL DEFAULT '{}',
  description TEXT,
  retain_repo_versions INTEGER,
  remote_id INTEGER REFERENCES remote ON DELETE SET NULL,
  latest INTEGER NOT NULL DEFAULT 0,
  next_version INTEGER NOT NULL DEFAULT 1,
  last_sync TEXT NOT NULL DEFAULT '{}', -- what the last sync saw, for "did anything change?"
  detail TEXT NOT NULL DEFAULT '{}', retain_checkpoints INTEGER,
  UNIQUE (domain_id, name)
) STRICT;

CREATE INDEX repository_remote ON repository (remote_id) WHERE remote_id IS NOT NULL;

CREATE TABLE repository_version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  repository_id INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  number INTEGER NOT NULL,
  base_version_id INTEGER REFERENCES repository_version ON DELETE SET NULL,
  complete INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repository_id, number)
) STRICT;

CREATE INDEX repository_version_base ON repository_version (base_version_id) WHERE base_version_id IS NOT NULL;

CREATE TABLE version_count (
  version_id INTEGER NOT NULL REFERENCES repository_version ON DELETE CASCADE,
  what TEXT NOT NULL CHECK (what IN ('A', 'P', 'R')),
  pulp_type INTEGER NOT NULL REFERENCES type,
  count INTEGER NOT NULL,
  PRIMARY KEY (version_id, what, pulp_type)
) STRICT, WITHOUT ROWID;

CREATE TABLE repository_content (
  repository_id INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  content_id INTEGER NOT NULL REFERENCES content,
  slot BLOB NOT NULL,
  added INTEGER NOT NULL,
  removed INTEGER,
  PRIMARY KEY (repository_id, content_id, added) -- serves: the units of a version in the order of their ids
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX repository_content_head ON repository_content (repository_id, slot) WHERE removed IS NULL;

CREATE INDEX repository_content_added ON repository_content (repository_id, added);

CREATE INDEX repository_content_removed ON repository_content (repository_id, removed) WHERE removed IS NOT NULL;

CREATE INDEX repository_content_content ON repository_content (content_id, removed);

CREATE TABLE publisher (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  name TEXT NOT NULL,
  pulp_labels TEXT NOT NULL DEFAULT '{}',
  last_published INTEGER,
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, name)
) STRICT;

CREATE TABLE publication (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  version_id INTEGER NOT NULL REFERENCES repository_version ON DELETE CASCADE,
  publisher_id INTEGER REFERENCES publisher ON DELETE SET NULL,
  complete INTEGER NOT NULL DEFAULT 0,
  pass_through INTEGER NOT NULL DEFAULT 0,
  detail TEXT NOT NULL DEFAULT '{}'
, task_id INTEGER, checkpoint INTEGER NOT NULL DEFAULT 0, checkpoint_of INTEGER REFERENCES repository ON DELETE CASCADE) STRICT;

CREATE INDEX publication_version ON publication (version_id, id);

CREATE INDEX publication_publisher ON publication (publisher_id) WHERE publisher_id IS NOT NULL;

CREATE TABLE published_artifact (
  publication_id INTEGER NOT NULL REFERENCES publication ON DELETE CASCADE,
  relative_path TEXT NOT NULL,
  content_artifact_id INTEGER REFERENCES content_artifact,
  artifact_id INTEGER REFERENCES artifact,
  PRIMARY KEY (publication_id, relative_path), -- serves: a path or a directory of a publication
  CHECK ((content_artifact_id IS NULL) <> (artifact_id IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX published_artifact_content ON published_artifact (content_artifact_id) WHERE content_artifact_id IS NOT NULL;

CREATE INDEX published_artifact_artifact ON published_artifact (artifact_id) WHERE artifact_id IS NOT NULL;

CREATE TABLE distribution (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  pulp_type INTEGER NOT NULL REFERENCES type,
  name TEXT NOT NULL,
  pulp_labels TEXT NOT NULL DEFAULT '{}',
  base_path TEXT NOT NULL,
  hidden INTEGER NOT NULL DEFAULT 0,
  repository_id INTEGER REFERENCES repository ON DELETE SET NULL,
  version_id INTEGER REFERENCES repository_version ON DELETE SET NULL,
  publication_id INTEGER REFERENCES publication ON DELETE SET NULL,
  remote_id INTEGER REFERENCES remote ON DELETE SET NULL,
  detail TEXT NOT NULL DEFAULT '{}', guard_id INTEGER REFERENCES guard, checkpoint INTEGER NOT NULL DEFAULT 0,
  UNIQUE (domain_id, name),
  UNIQUE (domain_id, base_path) -- serves: which distribution answers a request
) STRICT;

CREATE INDEX distribution_repository ON distribution (repository_id) WHERE repository_id IS NOT NULL;

CREATE INDEX distribution_version ON distribution (version_id) WHERE version_id IS NOT NULL;

CREATE INDEX distribution_publication ON distribution (publication_id) WHERE publication_id IS NOT NULL;

CREATE INDEX distribution_remote ON distribution (remote_id) WHERE remote_id IS NOT NULL;

CREATE TABLE worker (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  versions TEXT NOT NULL DEFAULT '{}',
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  last_heartbeat INTEGER NOT NULL
, lease INTEGER NOT NULL DEFAULT 30000000) STRICT;

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
, ticket INTEGER, timeout INTEGER, limits TEXT NOT NULL DEFAULT '[]', unique_key TEXT, group_id INTEGER REFERENCES task_group ON DELETE SET NULL) STRICT;

CREATE INDEX task_waiting ON task (id) WHERE state = 'waiting';

CREATE INDEX task_running ON task (worker_id) WHERE state IN ('running', 'canceling');

CREATE INDEX task_due ON task (run_at) WHERE state = 'waiting' AND run_at IS NOT NULL;

CREATE INDEX task_finished ON task (finished_at) WHERE finished_at IS NOT NULL;

CREATE INDEX task_created ON task (pulp_created);

CREATE INDEX task_parent ON task (parent_id) WHERE parent_id IS NOT NULL;

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

CREATE TABLE created_resource (
  task_id INTEGER NOT NULL REFERENCES task ON DELETE CASCADE,
  position INTEGER NOT NULL,
  kind TEXT NOT NULL,
  object_id INTEGER NOT NULL,
  PRIMARY KEY (task_id, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX created_resource_object ON created_resource (kind, object_id);

CREATE UNIQUE INDEX task_unique ON task (name, unique_key)
  WHERE unique_key IS NOT NULL AND state IN ('waiting', 'running', 'canceling');

CREATE INDEX task_member ON task (group_id, state) WHERE group_id IS NOT NULL;

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

CREATE TABLE group_progress_report (
  group_id INTEGER NOT NULL REFERENCES task_group ON DELETE CASCADE,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  total INTEGER,
  done INTEGER NOT NULL,
  suffix TEXT,
  PRIMARY KEY (group_id, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE paused_type (
  name TEXT PRIMARY KEY,
  pulp_created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE INDEX task_schedule_next ON task_schedule (next_dispatch) WHERE next_dispatch IS NOT NULL;

CREATE INDEX task_schedule_last ON task_schedule (last_task_id) WHERE last_task_id IS NOT NULL;

CREATE INDEX publication_incomplete ON publication (task_id) WHERE NOT complete;

CREATE TABLE account_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE account_group_member (
  account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
  group_id INTEGER NOT NULL REFERENCES account_group ON DELETE CASCADE,
  PRIMARY KEY (account_id, group_id) -- serves: the groups of an account
) STRICT, WITHOUT ROWID;

CREATE INDEX account_group_member_group ON account_group_member (group_id);

CREATE TABLE role (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  permissions TEXT NOT NULL,
  locked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE role_permission (
  permission TEXT NOT NULL,
  role_id INTEGER NOT NULL REFERENCES role ON DELETE CASCADE,
  PRIMARY KEY (permission, role_id) -- serves: the roles that have a permission
) STRICT, WITHOUT ROWID;

CREATE INDEX role_permission_role ON role_permission (role_id);

CREATE TABLE role_assignment (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  account_id INTEGER REFERENCES account ON DELETE CASCADE,
  group_id INTEGER REFERENCES account_group ON DELETE CASCADE,
  role_id INTEGER NOT NULL REFERENCES role ON DELETE CASCADE,
  scope_domain INTEGER REFERENCES domain,
  kind TEXT NOT NULL DEFAULT '', -- '' for no object
  object_id INTEGER NOT NULL DEFAULT 0,
  CHECK ((account_id IS NULL) <> (group_id IS NULL)),
  CHECK (kind = '' OR scope_domain IS NULL)
) STRICT;

CREATE UNIQUE INDEX role_assignment_account ON role_assignment (account_id, kind, object_id, role_id, ifnull(scope_domain, 0)) WHERE account_id IS NOT NULL;

CREATE UNIQUE INDEX role_assignment_group ON role_assignment (group_id, kind, object_id, role_id, ifnull(scope_domain, 0)) WHERE group_id IS NOT NULL;

CREATE INDEX role_assignment_object ON role_assignment (kind, object_id) WHERE kind <> '';

CREATE INDEX role_assignment_role ON role_assignment (role_id);

CREATE TABLE access_policy (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  viewset_name TEXT NOT NULL UNIQUE,
  statements TEXT NOT NULL,
  creation_hooks TEXT NOT NULL,
  queryset_scoping TEXT NOT NULL,
  customized INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE session (
  token BLOB PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX session_account ON session (account_id);

CREATE INDEX session_expires ON session (expires);

CREATE INDEX task_owner ON task (created_by) WHERE created_by IS NOT NULL;

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

CREATE INDEX distribution_guard ON distribution (guard_id) WHERE guard_id IS NOT NULL;

CREATE INDEX publication_checkpoint ON publication (checkpoint_of, pulp_created, id) WHERE checkpoint_of IS NOT NULL;

CREATE TABLE "reservation" (
  resource INTEGER NOT NULL,
  mode INTEGER NOT NULL CHECK (mode IN (0, 1, 2)),
  ticket INTEGER NOT NULL,
  task_id INTEGER NOT NULL,
  PRIMARY KEY (resource, mode, ticket) -- serves: the blocking rule, the end of a task
) STRICT, WITHOUT ROWID;

CREATE TABLE "goqite" (
  id TEXT PRIMARY KEY DEFAULT ('m_' || printf('%012x', unixepoch('subsec') * 1000) || lower(hex(randomblob(10)))),
  created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  updated TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  queue TEXT NOT NULL,
  body BLOB NOT NULL,
  timeout TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
  received INTEGER NOT NULL DEFAULT 0,
  priority INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX goqite_queue_priority_created_idx ON goqite (queue, priority DESC, created);

CREATE INDEX upload_chunk_blob ON upload_chunk (sha256);

CREATE INDEX repository_version_incomplete ON repository_version (repository_id, number) WHERE NOT complete;

CREATE INDEX repository_gone ON repository (id) WHERE pulp_type = 0;

CREATE INDEX remote_gone ON remote (id) WHERE pulp_type = 0;

CREATE INDEX repository_content_slot ON repository_content (repository_id, slot, removed) WHERE removed IS NOT NULL;

CREATE TABLE stored (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  bytes INTEGER NOT NULL
) STRICT;

CREATE TABLE superseded (
  distribution_id INTEGER NOT NULL REFERENCES distribution ON DELETE CASCADE,
  publication_id INTEGER NOT NULL REFERENCES publication ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (distribution_id, publication_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX superseded_expiry ON superseded (distribution_id, expires_at);

CREATE INDEX superseded_publication ON superseded (publication_id);

CREATE TABLE signing_service (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL,
  pubkey_fingerprint TEXT NOT NULL,
  script TEXT NOT NULL, -- empty if no program signs
  offered INTEGER NOT NULL CHECK (offered IN (0, 1)), -- 1: the configuration names it
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL
) STRICT;

INSERT INTO stored (id, bytes) VALUES (1, 0);

CREATE TRIGGER role_made AFTER INSERT ON role BEGIN
  INSERT INTO role_permission (permission, role_id) SELECT DISTINCT value, new.id FROM json_each(new.permissions);
END;

CREATE TRIGGER role_changed AFTER UPDATE OF permissions ON role BEGIN
  DELETE FROM role_permission WHERE role_id = new.id;
  INSERT INTO role_permission (permission, role_id) SELECT DISTINCT value, new.id FROM json_each(new.permissions);
END;

CREATE TRIGGER account_changed AFTER UPDATE OF password, is_active ON account
WHEN new.password IS NOT old.password OR NOT new.is_active BEGIN
  DELETE FROM session WHERE account_id = new.id;
END;

CREATE TRIGGER account_roles AFTER DELETE ON account BEGIN
  DELETE FROM role_assignment WHERE kind = 'account' AND object_id = old.id;
END;

CREATE TRIGGER account_group_roles AFTER DELETE ON account_group BEGIN
  DELETE FROM role_assignment WHERE kind = 'account_group' AND object_id = old.id;
END;

CREATE TRIGGER remote_roles AFTER DELETE ON remote BEGIN
  DELETE FROM role_assignment WHERE kind = 'remote' AND object_id = old.id;
END;

CREATE TRIGGER repository_roles AFTER DELETE ON repository BEGIN
  DELETE FROM role_assignment WHERE kind = 'repository' AND object_id = old.id;
END;

CREATE TRIGGER publisher_roles AFTER DELETE ON publisher BEGIN
  DELETE FROM role_assignment WHERE kind = 'publisher' AND object_id = old.id;
END;

CREATE TRIGGER publication_roles AFTER DELETE ON publication BEGIN
  DELETE FROM role_assignment WHERE kind = 'publication' AND object_id = old.id;
END;

CREATE TRIGGER distribution_roles AFTER DELETE ON distribution BEGIN
  DELETE FROM role_assignment WHERE kind = 'distribution' AND object_id = old.id;
END;

CREATE TRIGGER upload_roles AFTER DELETE ON upload BEGIN
  DELETE FROM role_assignment WHERE kind = 'upload' AND object_id = old.id;
END;

CREATE TRIGGER task_roles AFTER DELETE ON task BEGIN
  DELETE FROM role_assignment WHERE kind = 'task' AND object_id = old.id;
END;

CREATE TRIGGER task_schedule_roles AFTER DELETE ON task_schedule BEGIN
  DELETE FROM role_assignment WHERE kind = 'task_schedule' AND object_id = old.id;
END;

CREATE TRIGGER guard_roles AFTER DELETE ON guard BEGIN
  DELETE FROM role_assignment WHERE kind = 'guard' AND object_id = old.id;
END;

CREATE TRIGGER goqite_updated_timestamp AFTER UPDATE ON goqite BEGIN
  UPDATE goqite SET updated = strftime('%Y-%m-%dT%H:%M:%fZ') WHERE id = old.id;
END;

CREATE TRIGGER stored_artifact AFTER INSERT ON artifact BEGIN UPDATE stored SET bytes = bytes + new.size; END;

CREATE TRIGGER stored_artifact_gone AFTER DELETE ON artifact BEGIN UPDATE stored SET bytes = bytes - old.size; END;

CREATE TRIGGER stored_chunk AFTER INSERT ON upload_chunk BEGIN UPDATE stored SET bytes = bytes + new.size; END;

CREATE TRIGGER stored_chunk_again AFTER UPDATE OF size ON upload_chunk BEGIN UPDATE stored SET bytes = bytes + new.size - old.size; END;

CREATE TRIGGER stored_chunk_gone AFTER DELETE ON upload_chunk BEGIN UPDATE stored SET bytes = bytes - old.size; END;
