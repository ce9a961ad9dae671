-- The ledger. Append-only; a wallet's rows are numbered 1, 2, 3 … and each carries the balance it left.
-- The wallet knows the currency. NULL details and metadata mean there are none.
CREATE TABLE transactions (
    wallet_id     INTEGER NOT NULL REFERENCES wallets (id),
    seq           INTEGER NOT NULL CHECK (seq > 0),
    uid           BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    type          TEXT NOT NULL CHECK (type IN ('TOPUP', 'SMS_DEBIT', 'INVOICE_PAYMENT', 'CREDIT_ADJUSTMENT', 'REFUND',
                                                'COMMISSION', 'TRANSFER', 'FEE')),
    amount        INTEGER NOT NULL CHECK ((type <> 'TOPUP' OR amount > 0) AND (type <> 'SMS_DEBIT' OR amount <= 0)),
    balance_after INTEGER NOT NULL,
    reference     TEXT NOT NULL,
    details       TEXT CHECK (details IS NULL OR json_valid(details)),
    metadata      TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    actor         TEXT NOT NULL,
    request_id    TEXT,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (wallet_id, seq)
) STRICT;

-- Everything but the debits of messages, which are nearly all rows: those are found without it.
CREATE INDEX transactions_by_type ON transactions (wallet_id, type, seq) WHERE type <> 'SMS_DEBIT';

CREATE TRIGGER transactions_refuse_update BEFORE UPDATE ON transactions
BEGIN
    SELECT RAISE(ABORT, 'transactions are append-only');
END;

CREATE TRIGGER transactions_refuse_delete BEFORE DELETE ON transactions
BEGIN
    SELECT RAISE(ABORT, 'transactions are append-only');
END;

-- What was answered to a request that carried an Idempotency-Key. Stored with the effect, in one transaction.
CREATE TABLE idempotency_keys (
    caller       TEXT NOT NULL,
    route        TEXT NOT NULL,
    business_sid TEXT NOT NULL,
    key          TEXT NOT NULL,
    input_hash   BLOB NOT NULL CHECK (length(input_hash) = 32),
    answer       TEXT NOT NULL CHECK (json_valid(answer)),
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (caller, route, business_sid, key)
) STRICT;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
