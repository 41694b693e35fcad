-- Who may do what: groups of users, roles, who has which role, access policies, sessions.

-- A group of accounts.
CREATE TABLE account_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE account_group_member (
  account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
  group_id INTEGER NOT NULL REFERENCES account_group ON DELETE CASCADE,
  PRIMARY KEY (account_id, group_id) -- serves: the groups of an account
) STRICT, WITHOUT ROWID;
CREATE INDEX account_group_member_group ON account_group_member (group_id); -- serves: the members of a group

-- A named set of permissions ("<app>.<verb>_<model>", a JSON array). A locked one belongs to a
-- declaration of the program.
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

-- The same permissions as rows. Triggers keep them.
CREATE TABLE role_permission (
  permission TEXT NOT NULL,
  role_id INTEGER NOT NULL REFERENCES role ON DELETE CASCADE,
  PRIMARY KEY (permission, role_id) -- serves: the roles that have a permission
) STRICT, WITHOUT ROWID;
CREATE INDEX role_permission_role ON role_permission (role_id); -- serves: the permissions of a role

-- A role of an account or of a group: on one object (kind and object_id), on all objects of a
-- domain (scope_domain), or on all there are.
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
CREATE UNIQUE INDEX role_assignment_account ON role_assignment (account_id, kind, object_id, role_id, ifnull(scope_domain, 0)) WHERE account_id IS NOT NULL; -- serves: what may this user? one row for each assignment
CREATE UNIQUE INDEX role_assignment_group ON role_assignment (group_id, kind, object_id, role_id, ifnull(scope_domain, 0)) WHERE group_id IS NOT NULL; -- serves: what may its groups? one row for each assignment
CREATE INDEX role_assignment_object ON role_assignment (kind, object_id) WHERE kind <> ''; -- serves: the roles on an object, its deletion
CREATE INDEX role_assignment_role ON role_assignment (role_id); -- serves: deleting a role

-- What a view set allows whom. The text of one that nobody changed follows the declaration.
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

-- Who is logged in by a cookie, of which `token` is the sha256.
CREATE TABLE session (
  token BLOB PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
  expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account_id); -- serves: the end of an account's sessions
CREATE INDEX session_expires ON session (expires); -- serves: forgetting those that are over

CREATE INDEX task_owner ON task (created_by) WHERE created_by IS NOT NULL; -- serves: a user's own tasks, deleting an account

--bun:split
CREATE TRIGGER role_made AFTER INSERT ON role BEGIN
  INSERT INTO role_permission (permission, role_id) SELECT DISTINCT value, new.id FROM json_each(new.permissions);
END;

--bun:split
CREATE TRIGGER role_changed AFTER UPDATE OF permissions ON role BEGIN
  DELETE FROM role_permission WHERE role_id = new.id;
  INSERT INTO role_permission (permission, role_id) SELECT DISTINCT value, new.id FROM json_each(new.permissions);
END;

--bun:split
-- Another password, or none, and a user who is not active any more, end all sessions.
CREATE TRIGGER account_changed AFTER UPDATE OF password, is_active ON account
WHEN new.password IS NOT old.password OR NOT new.is_active BEGIN
  DELETE FROM session WHERE account_id = new.id;
END;

--bun:split
-- The roles on an object go with it, however it goes.
CREATE TRIGGER account_roles AFTER DELETE ON account BEGIN
  DELETE FROM role_assignment WHERE kind = 'account' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER account_group_roles AFTER DELETE ON account_group BEGIN
  DELETE FROM role_assignment WHERE kind = 'account_group' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER remote_roles AFTER DELETE ON remote BEGIN
  DELETE FROM role_assignment WHERE kind = 'remote' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER repository_roles AFTER DELETE ON repository BEGIN
  DELETE FROM role_assignment WHERE kind = 'repository' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER publisher_roles AFTER DELETE ON publisher BEGIN
  DELETE FROM role_assignment WHERE kind = 'publisher' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER publication_roles AFTER DELETE ON publication BEGIN
  DELETE FROM role_assignment WHERE kind = 'publication' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER distribution_roles AFTER DELETE ON distribution BEGIN
  DELETE FROM role_assignment WHERE kind = 'distribution' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER upload_roles AFTER DELETE ON upload BEGIN
  DELETE FROM role_assignment WHERE kind = 'upload' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER task_roles AFTER DELETE ON task BEGIN
  DELETE FROM role_assignment WHERE kind = 'task' AND object_id = old.id;
END;

--bun:split
CREATE TRIGGER task_schedule_roles AFTER DELETE ON task_schedule BEGIN
  DELETE FROM role_assignment WHERE kind = 'task_schedule' AND object_id = old.id;
END;
