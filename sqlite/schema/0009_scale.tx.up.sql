-- What was deleted and is too large to go in one transaction gets the type 0, which no plugin
-- declares, so that nobody finds it any more; what belongs to it goes in batches, its row last.
CREATE INDEX repository_gone ON repository (id) WHERE pulp_type = 0; -- serves: what is still to be erased
CREATE INDEX remote_gone ON remote (id) WHERE pulp_type = 0; -- serves: the same

-- The path of a unit that is still in its repository is found by repository_content_head: an
-- index of all slots beside it was one more page to change for each unit of a sync.
DROP INDEX repository_content_slot;
CREATE INDEX repository_content_slot ON repository_content (repository_id, slot, removed) WHERE removed IS NOT NULL; -- serves: a path in a version before the latest
