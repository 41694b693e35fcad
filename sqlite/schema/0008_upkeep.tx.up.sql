-- Upkeep of the storage.

CREATE INDEX upload_chunk_blob ON upload_chunk (sha256); -- serves: does anybody name these bytes?
CREATE INDEX repository_version_incomplete ON repository_version (repository_id, number) WHERE NOT complete; -- serves: what deleted and abandoned versions left
