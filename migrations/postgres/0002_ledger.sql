-- The ledger. Append-only; a wallet's rows are numbered 1, 2, 3 … and each carries the balance it left.
-- The wallet knows the currency. NULL details and metadata mean there are none.
CREATE TABLE transactions (
    wallet_id     BIGINT NOT NULL REFERENCES wallets (id),
    seq           BIGINT NOT NULL CHECK (seq > 0),
    uid           UUID NOT NULL UNIQUE,
    type          TEXT NOT NULL CHECK (type IN ('TOPUP', 'SMS_DEBIT', 'INVOICE_PAYMENT', 'CREDIT_ADJUSTMENT', 'REFUND',
                                                'COMMISSION', 'TRANSFER', 'FEE')),
    amount        BIGINT NOT NULL CHECK ((type <> 'TOPUP' OR amount > 0) AND (type <> 'SMS_DEBIT' OR amount <= 0)),
    balance_after BIGINT NOT NULL,
    reference     TEXT NOT NULL,
    details       JSONB,
    metadata      JSONB,
    actor         TEXT NOT NULL,
    request_id    TEXT,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (wallet_id, seq)
);

-- Everything but the debits of messages, which are nearly all rows: those are found without it.
CREATE INDEX transactions_by_type ON transactions (wallet_id, type, seq) WHERE type <> 'SMS_DEBIT';

CREATE TRIGGER transactions_refuse_update BEFORE UPDATE ON transactions FOR EACH ROW
EXECUTE FUNCTION refuse_change('transactions are append-only');

CREATE TRIGGER transactions_refuse_delete BEFORE DELETE ON transactions FOR EACH ROW
EXECUTE FUNCTION refuse_change('transactions are append-only');

CREATE TRIGGER transactions_refuse_truncate BEFORE TRUNCATE ON transactions
EXECUTE FUNCTION refuse_change('transactions are append-only');

-- What was answered to a request that carried an Idempotency-Key. Stored with the effect, in one transaction.
CREATE TABLE idempotency_keys (
    caller       TEXT COLLATE "C" NOT NULL,
    route        TEXT COLLATE "C" NOT NULL,
    business_sid TEXT COLLATE "C" NOT NULL,
    key          TEXT COLLATE "C" NOT NULL,
    input_hash   BYTEA NOT NULL CHECK (length(input_hash) = 32),
    answer       JSONB NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (caller, route, business_sid, key)
);

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
