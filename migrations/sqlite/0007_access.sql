-- Who may come in: users with passwords and their sessions, and keys for programs. Nothing here can be used to come in by
-- who only reads it: passwords, sessions and keys are kept as hashes.

-- An admin belongs to no business, everybody else to one.
CREATE TABLE users (
    id                  INTEGER PRIMARY KEY,
    uid                 BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    email               TEXT NOT NULL UNIQUE CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    name                TEXT NOT NULL,
    role                TEXT NOT NULL CHECK (role IN ('client', 'reseller', 'admin')),
    business_id         INTEGER REFERENCES businesses (id) CHECK ((business_id IS NULL) = (role = 'admin')),
    status              TEXT NOT NULL CHECK (status IN ('ACTIVE', 'DISABLED')),
    password_hash       TEXT NOT NULL,
    password_changed_at INTEGER NOT NULL,
    last_login_at       INTEGER,
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL
) STRICT;

CREATE INDEX users_by_business ON users (business_id);

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    address    TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- A key of a client or a reseller belongs to its business. A gateway's is for all businesses, or for those of
-- api_key_businesses where is_limited. A rotated key keeps its id; the secret before works until previous_expires_at.
CREATE TABLE api_keys (
    id                   INTEGER PRIMARY KEY,
    uid                  BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    public_id            TEXT NOT NULL UNIQUE CHECK (length(public_id) = 16),
    mode                 TEXT NOT NULL CHECK (mode IN ('live', 'test')),
    name                 TEXT NOT NULL,
    role                 TEXT NOT NULL CHECK (role IN ('client', 'reseller', 'admin', 'gateway')),
    business_id          INTEGER REFERENCES businesses (id)
                         CHECK ((business_id IS NOT NULL) = (role IN ('client', 'reseller'))),
    is_limited           INTEGER NOT NULL CHECK (is_limited IN (0, 1)) CHECK (role = 'gateway' OR NOT is_limited),
    secret_hash          BLOB NOT NULL CHECK (length(secret_hash) = 32),
    previous_secret_hash BLOB CHECK (length(previous_secret_hash) = 32),
    previous_expires_at  INTEGER CHECK ((previous_expires_at IS NULL) = (previous_secret_hash IS NULL)),
    created_by           TEXT NOT NULL,
    created_at           INTEGER NOT NULL,
    rotated_at           INTEGER,
    expires_at           INTEGER,
    last_used_at         INTEGER,
    revoked_at           INTEGER
) STRICT;

CREATE INDEX api_keys_by_business ON api_keys (business_id);

CREATE TABLE api_key_businesses (
    api_key_id  INTEGER NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    business_id INTEGER NOT NULL REFERENCES businesses (id),
    PRIMARY KEY (api_key_id, business_id)
) STRICT;

CREATE INDEX api_key_businesses_by_business ON api_key_businesses (business_id);

-- Failed logins of an e-mail address or from a network address. Forgotten after the lock ends, and by a login that works.
CREATE TABLE login_failures (
    subject    TEXT PRIMARY KEY NOT NULL,
    failures   INTEGER NOT NULL CHECK (failures > 0),
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX login_failures_by_expiry ON login_failures (expires_at);

-- The log is asked what was done to a thing, by whom, what kind of deed and in which request; each newest first.
CREATE INDEX audit_log_by_subject ON audit_log (subject, created_at, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor, created_at, id);
CREATE INDEX audit_log_by_action ON audit_log (action, created_at, id);
CREATE INDEX audit_log_by_request ON audit_log (request_id, created_at, id);
CREATE INDEX audit_log_by_time ON audit_log (created_at, id);
