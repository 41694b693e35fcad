-- A machine that builds. The host's own key: its name.
CREATE TABLE machine (
  name TEXT NOT NULL PRIMARY KEY,
  arch TEXT NOT NULL
);

-- A build of one revision on one machine. The first six columns are those of pulp.Base.
CREATE TABLE build (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  pulp_id BLOB NOT NULL UNIQUE,
  domain_id INTEGER NOT NULL REFERENCES domain (id),
  created_by INTEGER REFERENCES account (id) ON DELETE SET NULL,
  pulp_created INTEGER NOT NULL,
  pulp_last_updated INTEGER NOT NULL,
  revision TEXT NOT NULL,
  machine TEXT NOT NULL REFERENCES machine (name),
  digest TEXT -- of what was built; NULL until then
);

INSERT INTO machine (name, arch) VALUES ('amber', 'arm64'), ('basalt', 'amd64');
