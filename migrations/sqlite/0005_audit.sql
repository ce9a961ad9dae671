-- Every write that is not its own record leaves a row here. NULL before: it was created; NULL request: the server did it.
CREATE TABLE audit_log (
    id         INTEGER PRIMARY KEY,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    before     TEXT CHECK (before IS NULL OR json_valid(before)),
    after      TEXT CHECK (after IS NULL OR json_valid(after)),
    reason     TEXT,
    request_id TEXT,
    address    TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_log_refuse_update BEFORE UPDATE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_log_refuse_delete BEFORE DELETE ON audit_log
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- Which items of the sample data were loaded once, so that what a person edits or deletes stays so.
CREATE TABLE seeded_items (
    item       TEXT PRIMARY KEY NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
