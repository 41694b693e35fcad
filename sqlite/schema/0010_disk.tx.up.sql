-- How many bytes are stored, and what clients of a distribution were reading until lately.

-- The bytes that artifacts and pieces of uploads name, counted by triggers so that nobody adds them up.
CREATE TABLE stored (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO stored (id, bytes) SELECT 1, (SELECT coalesce(sum(size), 0) FROM artifact) + (SELECT coalesce(sum(size), 0) FROM upload_chunk);
CREATE TRIGGER stored_artifact AFTER INSERT ON artifact BEGIN UPDATE stored SET bytes = bytes + new.size; END;
CREATE TRIGGER stored_artifact_gone AFTER DELETE ON artifact BEGIN UPDATE stored SET bytes = bytes - old.size; END;
CREATE TRIGGER stored_chunk AFTER INSERT ON upload_chunk BEGIN UPDATE stored SET bytes = bytes + new.size; END;
CREATE TRIGGER stored_chunk_again AFTER UPDATE OF size ON upload_chunk BEGIN UPDATE stored SET bytes = bytes + new.size - old.size; END;
CREATE TRIGGER stored_chunk_gone AFTER DELETE ON upload_chunk BEGIN UPDATE stored SET bytes = bytes - old.size; END;

-- A publication that a distribution served before, and serves still at paths that its present one lacks.
CREATE TABLE superseded (
  distribution_id INTEGER NOT NULL REFERENCES distribution ON DELETE CASCADE,
  publication_id INTEGER NOT NULL REFERENCES publication ON DELETE CASCADE,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (distribution_id, publication_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX superseded_expiry ON superseded (distribution_id, expires_at); -- serves: what still holds, and what is over
CREATE INDEX superseded_publication ON superseded (publication_id); -- serves: deleting a publication
