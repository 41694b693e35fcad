-- What the API tells of the services that sign publications. The services themselves are named in
-- the program's configuration; rows stay, since publications refer to them.

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
