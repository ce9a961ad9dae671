-- Payments through a provider. The ledger holds completed money alone; what is open or failed stands here.
CREATE TABLE payments (
    id                 INTEGER PRIMARY KEY,
    uid                BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    wallet_id          INTEGER NOT NULL REFERENCES wallets (id),
    purpose            TEXT NOT NULL CHECK (purpose IN ('TOPUP', 'AUTO_RECHARGE', 'INVOICE_PAYMENT')),
    provider           TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 32),
    amount             INTEGER NOT NULL CHECK (amount > 0),
    currency           TEXT NOT NULL CHECK (length(currency) = 3),
    status             TEXT NOT NULL CHECK (status IN ('PENDING', 'COMPLETED', 'FAILED')),
    reference          TEXT NOT NULL,
    -- What the provider takes the money from, sealed.
    method             TEXT,
    invoice_id         INTEGER REFERENCES invoices (id) CHECK (invoice_id IS NULL OR purpose = 'INVOICE_PAYMENT'),
    -- The provider's own name for it, once that is known.
    provider_reference TEXT,
    failure            TEXT CHECK ((failure IS NOT NULL) = (status = 'FAILED')),
    -- The entry of the ledger that it became.
    transaction_uid    BLOB CHECK ((transaction_uid IS NOT NULL) = (status = 'COMPLETED')),
    actor              TEXT NOT NULL,
    request_id         TEXT,
    created_at         INTEGER NOT NULL,
    -- When the provider took the request; and when it was settled, one way or the other.
    requested_at       INTEGER,
    settled_at         INTEGER CHECK ((settled_at IS NULL) = (status = 'PENDING'))
) STRICT;

CREATE UNIQUE INDEX payments_one_open_recharge ON payments (wallet_id)
WHERE purpose = 'AUTO_RECHARGE' AND status = 'PENDING';

CREATE UNIQUE INDEX payments_by_provider_reference ON payments (provider, provider_reference)
WHERE provider_reference IS NOT NULL;

CREATE INDEX payments_by_invoice ON payments (invoice_id) WHERE invoice_id IS NOT NULL;
CREATE INDEX payments_by_wallet ON payments (wallet_id, id);

-- The lists of transactions show these beside the ledger.
CREATE INDEX payments_unsettled ON payments (wallet_id, id) WHERE status <> 'COMPLETED';

CREATE TRIGGER payments_keep_terms BEFORE UPDATE ON payments
WHEN NEW.uid <> OLD.uid OR NEW.wallet_id <> OLD.wallet_id OR NEW.purpose <> OLD.purpose OR NEW.amount <> OLD.amount
    OR NEW.currency <> OLD.currency OR NEW.provider <> OLD.provider OR OLD.status = 'COMPLETED'
BEGIN
    SELECT RAISE(ABORT, 'a payment keeps its terms, and a completed one never changes');
END;

CREATE TRIGGER payments_refuse_delete BEFORE DELETE ON payments
BEGIN
    SELECT RAISE(ABORT, 'payments are never deleted');
END;

-- Money that a provider says it has, and that fits no payment: it waits for an admin.
CREATE TABLE suspense (
    id                 INTEGER PRIMARY KEY,
    uid                BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    provider           TEXT NOT NULL,
    provider_reference TEXT NOT NULL,
    -- The name of the payment, as the provider gave it.
    reference          TEXT NOT NULL,
    amount             INTEGER NOT NULL CHECK (amount > 0),
    currency           TEXT NOT NULL CHECK (length(currency) = 3),
    -- Why it fits none.
    cause              TEXT NOT NULL,
    status             TEXT NOT NULL CHECK (status IN ('OPEN', 'ASSIGNED', 'DISMISSED')),
    transaction_uid    BLOB CHECK ((transaction_uid IS NOT NULL) = (status = 'ASSIGNED')),
    created_at         INTEGER NOT NULL,
    settled_at         INTEGER CHECK ((settled_at IS NULL) = (status = 'OPEN')),
    UNIQUE (provider, provider_reference)
) STRICT;

CREATE INDEX suspense_by_time ON suspense (created_at, id);
