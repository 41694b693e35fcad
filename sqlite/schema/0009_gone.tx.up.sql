-- What was deleted and is too large to go in one transaction. Its row gets the type 0, which no
-- plugin declares, and nobody finds it any more; what belongs to it goes in batches, the row last.
INSERT INTO type (id, kind, name) VALUES (0, 'gone', '');
CREATE INDEX repository_gone ON repository (id) WHERE pulp_type = 0; -- serves: what is still to be erased
CREATE INDEX remote_gone ON remote (id) WHERE pulp_type = 0; -- serves: the same
