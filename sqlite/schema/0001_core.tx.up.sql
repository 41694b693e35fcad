-- The core's tables. One table for each kind; what a plugin adds to a kind lies in
-- the JSON column `detail`. Times are INTEGER microseconds since 1970 UTC. `id` is
-- the key inside the file, `pulp_id` (UUIDv7, 16 bytes) the one outside.

-- A domain owns everything else. There is one, `default`, made when the file is made.
CREATE TABLE domain (
  id INTEGER PRIMARY KEY,
  pulp_id BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL
) STRICT;

-- Who may log in. `password` is a hash; NULL means that no password opens it.
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

-- The types that plugins declared, by kind ("content", "repository", ...) and name
-- ("<plugin>.<type>"). detail_version counts the upgrades that its rows have had.
CREATE TABLE type (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  detail_version INTEGER NOT NULL DEFAULT 0,
  UNIQUE (kind, name)
) STRICT;

-- A blob that is in the store. It is never changed.
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

-- An upload in pieces: its declared size; the pieces are files beside the blobs.
CREATE TABLE upload (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain,
  created_by INTEGER REFERENCES account ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  size INTEGER NOT NULL
) STRICT;

-- A piece of an upload. `sha256` names its blob in the store.
CREATE TABLE upload_chunk (
  upload_id INTEGER NOT NULL REFERENCES upload ON DELETE CASCADE,
  start INTEGER NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  PRIMARY KEY (upload_id, start)
) STRICT, WITHOUT ROWID;

-- A unit of content. `key` is a hash of its type and natural key, `slot` one of what a
-- repository version may hold only once; both are made by the core.
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

-- A file of a unit, at a path. Without an artifact it is known but not here (on demand).
CREATE TABLE content_artifact (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  content_id INTEGER NOT NULL REFERENCES content ON DELETE CASCADE,
  artifact_id INTEGER REFERENCES artifact,
  relative_path TEXT NOT NULL,
  UNIQUE (content_id, relative_path) -- serves: the files of a unit
) STRICT;
CREATE INDEX content_artifact_artifact ON content_artifact (artifact_id) WHERE artifact_id IS NOT NULL; -- serves: is this artifact in use?
CREATE INDEX content_artifact_path ON content_artifact (relative_path); -- serves: a path or a directory of a version

-- Where sync finds files. Secret columns are sealed with the App's key.
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

-- A place from which a file of a unit can be had.
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
CREATE INDEX remote_artifact_remote ON remote_artifact (remote_id); -- serves: deleting a remote

-- A repository. `latest` is the number of its newest complete version; readers never look
-- beyond it. `next_version` is the number that the next version gets.
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
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, name)
) STRICT;
CREATE INDEX repository_remote ON repository (remote_id) WHERE remote_id IS NOT NULL; -- serves: ?remote=, deleting a remote

-- A version of a repository. One that is not complete is being built (number > latest) or folded
-- into its neighbours (deleted): nobody sees it.

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
CREATE INDEX repository_version_base ON repository_version (base_version_id) WHERE base_version_id IS NOT NULL; -- serves: deleting a base version

-- How many units of a type a version holds ('P'), added ('A') or removed ('R').
CREATE TABLE version_count (
  version_id INTEGER NOT NULL REFERENCES repository_version ON DELETE CASCADE,
  what TEXT NOT NULL CHECK (what IN ('A', 'P', 'R')),
  pulp_type INTEGER NOT NULL REFERENCES type,
  count INTEGER NOT NULL,
  PRIMARY KEY (version_id, what, pulp_type)
) STRICT, WITHOUT ROWID;

-- Membership: the unit is in the versions from `added` up to, but not with, `removed`.
-- Rows with added or removed beyond repository.latest belong to the version that is being
-- built and are invisible. `removed IS NULL` is for the one who builds it.
CREATE TABLE repository_content (
  repository_id INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  content_id INTEGER NOT NULL REFERENCES content,
  slot BLOB NOT NULL,
  added INTEGER NOT NULL,
  removed INTEGER,
  PRIMARY KEY (repository_id, content_id, added) -- serves: the units of a version in the order of their ids
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX repository_content_head ON repository_content (repository_id, slot) WHERE removed IS NULL; -- serves: one unit for each slot; replacing a unit
CREATE INDEX repository_content_slot ON repository_content (repository_id, slot, added); -- serves: a path in a version
CREATE INDEX repository_content_added ON repository_content (repository_id, added); -- serves: what a version added; abandoning a version
CREATE INDEX repository_content_removed ON repository_content (repository_id, removed) WHERE removed IS NOT NULL; -- serves: what a version removed
CREATE INDEX repository_content_content ON repository_content (content_id, removed); -- serves: where a unit is; orphans

-- Named settings for publications.
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

-- What a version looks like to clients. `pass_through`: every file of the version is served
-- at its own path. Incomplete ones are invisible.
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
) STRICT;
CREATE INDEX publication_version ON publication (version_id, id); -- serves: the newest publication of a version; deleting a version
CREATE INDEX publication_publisher ON publication (publisher_id) WHERE publisher_id IS NOT NULL; -- serves: deleting a publisher

-- A file of a publication: a file of a unit, or metadata that publish wrote.
CREATE TABLE published_artifact (
  publication_id INTEGER NOT NULL REFERENCES publication ON DELETE CASCADE,
  relative_path TEXT NOT NULL,
  content_artifact_id INTEGER REFERENCES content_artifact,
  artifact_id INTEGER REFERENCES artifact,
  PRIMARY KEY (publication_id, relative_path), -- serves: a path or a directory of a publication
  CHECK ((content_artifact_id IS NULL) <> (artifact_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX published_artifact_content ON published_artifact (content_artifact_id) WHERE content_artifact_id IS NOT NULL; -- serves: deleting a unit
CREATE INDEX published_artifact_artifact ON published_artifact (artifact_id) WHERE artifact_id IS NOT NULL; -- serves: is this artifact in use?

-- Where clients find a repository, a version or a publication (at most one of the three).
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
  detail TEXT NOT NULL DEFAULT '{}',
  UNIQUE (domain_id, name),
  UNIQUE (domain_id, base_path) -- serves: which distribution answers a request
) STRICT;
CREATE INDEX distribution_repository ON distribution (repository_id) WHERE repository_id IS NOT NULL; -- serves: protected versions, deleting a repository
CREATE INDEX distribution_version ON distribution (version_id) WHERE version_id IS NOT NULL; -- serves: protected versions
CREATE INDEX distribution_publication ON distribution (publication_id) WHERE publication_id IS NOT NULL; -- serves: protected versions
CREATE INDEX distribution_remote ON distribution (remote_id) WHERE remote_id IS NOT NULL; -- serves: deleting a remote
