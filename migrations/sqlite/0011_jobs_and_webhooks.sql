-- Scheduled work. One row a thing to do; who claims it has it until claimed_until, and should they die others may take it
-- then. Done, it is deleted or given its next run_at.
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    kind          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    run_at        INTEGER NOT NULL,
    claimed_until INTEGER,
    -- How often it was asked for: who runs it learns of those who asked meanwhile.
    asked         INTEGER NOT NULL CHECK (asked > 0),
    -- Since it last went well.
    attempts      INTEGER NOT NULL CHECK (attempts >= 0),
    last_error    TEXT,
    created_at    INTEGER NOT NULL,
    UNIQUE (kind, subject)
) STRICT;

CREATE INDEX jobs_by_kind ON jobs (kind, run_at);
CREATE INDEX jobs_due ON jobs (run_at);

-- Where a business wants to be told of events: `events` is the sum of their bits, `secret` (sealed) what messages are
-- signed with; the one before it signs too until previous_until.
CREATE TABLE webhook_endpoints (
    id              INTEGER PRIMARY KEY,
    uid             BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    business_id     INTEGER NOT NULL REFERENCES businesses (id),
    url             TEXT NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    description     TEXT NOT NULL,
    events          INTEGER NOT NULL CHECK (events > 0),
    status          TEXT NOT NULL CHECK (status IN ('ENABLED', 'DISABLED', 'FAILED')),
    secret          TEXT NOT NULL,
    previous_secret TEXT,
    previous_until  INTEGER CHECK ((previous_until IS NULL) = (previous_secret IS NULL)),
    -- Since when nothing came through.
    failing_since   INTEGER,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX webhook_endpoints_by_business ON webhook_endpoints (business_id);

-- The outbox: an event for one endpoint, written in the transaction of what it tells of.
CREATE TABLE webhook_messages (
    id              INTEGER PRIMARY KEY,
    -- The event's; the same for each endpoint that hears of it.
    uid             BLOB NOT NULL CHECK (length(uid) = 16),
    endpoint_id     INTEGER NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event           TEXT NOT NULL,
    -- JSON, to the letter: what is signed is what is sent, each time.
    payload         TEXT NOT NULL,
    status          TEXT NOT NULL CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
    attempts        INTEGER NOT NULL CHECK (attempts >= 0),
    next_attempt_at INTEGER CHECK ((next_attempt_at IS NOT NULL) = (status = 'PENDING')),
    -- Since when it is tried (the event's time, or when somebody asked for it again), and how often since then.
    tried_since     INTEGER NOT NULL,
    tries           INTEGER NOT NULL CHECK (tries BETWEEN 0 AND attempts),
    created_at      INTEGER NOT NULL,
    UNIQUE (endpoint_id, uid)
) STRICT;

CREATE INDEX webhook_messages_due ON webhook_messages (endpoint_id, next_attempt_at) WHERE status = 'PENDING';
CREATE INDEX webhook_messages_by_endpoint ON webhook_messages (endpoint_id, id);
CREATE INDEX webhook_messages_by_age ON webhook_messages (created_at);

-- What came of each attempt to deliver a message.
CREATE TABLE webhook_attempts (
    message_id      INTEGER NOT NULL REFERENCES webhook_messages (id) ON DELETE CASCADE,
    number          INTEGER NOT NULL CHECK (number > 0),
    status_code     INTEGER,
    error           TEXT,
    duration_micros INTEGER NOT NULL CHECK (duration_micros >= 0),
    attempted_at    INTEGER NOT NULL,
    PRIMARY KEY (message_id, number)
) STRICT;
