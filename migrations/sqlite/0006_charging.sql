-- Charging. Rows of the ledger are appended in the order of their ids and stay narrow, because they are nearly all there
-- is in this database, and every message writes one.

-- Each rate that messages were charged at, and why, once: a row of the ledger names it instead of repeating it. Never
-- changed, so that an explanation holds whatever becomes of plans and cards.
CREATE TABLE applied_rates (
    id           INTEGER PRIMARY KEY,
    digest       BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    country_code TEXT NOT NULL CHECK (length(country_code) = 2),
    operator     TEXT NOT NULL,
    unit_price   INTEGER NOT NULL CHECK (unit_price >= 0),
    explanation  TEXT NOT NULL CHECK (json_valid(explanation))
) STRICT;

CREATE TABLE transactions_before AS SELECT * FROM transactions;

DROP TABLE transactions;

-- The ledger. Append-only; a wallet's rows are numbered 1, 2, 3 …, each names the one before it and carries the balance
-- it left. An index by wallet would dirty a page for every row; this chain costs nothing, and a page of history follows it.
-- The wallet knows the currency. NULL details and metadata mean there are none.
CREATE TABLE transactions (
    uid           BLOB NOT NULL PRIMARY KEY CHECK (length(uid) = 16),
    wallet_id     INTEGER NOT NULL REFERENCES wallets (id),
    seq           INTEGER NOT NULL CHECK (seq > 0),
    previous_uid  BLOB CHECK ((previous_uid IS NULL) = (seq = 1)),
    type          TEXT NOT NULL CHECK (type IN ('TOPUP', 'SMS_DEBIT', 'INVOICE_PAYMENT', 'CREDIT_ADJUSTMENT', 'REFUND',
                                                'COMMISSION', 'TRANSFER', 'FEE')),
    amount        INTEGER NOT NULL CHECK ((type <> 'TOPUP' OR amount > 0) AND (type <> 'SMS_DEBIT' OR amount <= 0)),
    balance_after INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    request_id    TEXT,
    reference     TEXT NOT NULL,
    details       TEXT CHECK (details IS NULL OR json_valid(details)),
    metadata      TEXT CHECK (metadata IS NULL OR json_valid(metadata)),
    -- Of the debit of a message, and of nothing else (rate_id is an applied_rates.id that no foreign key looks up per row):
    message_sid   TEXT CHECK ((message_sid IS NOT NULL) = (type = 'SMS_DEBIT')),
    input_hash    BLOB CHECK ((input_hash IS NOT NULL) = (type = 'SMS_DEBIT')),
    rate_id       INTEGER CHECK ((rate_id IS NOT NULL) = (type = 'SMS_DEBIT')),
    segments      INTEGER CHECK ((segments IS NOT NULL) = (type = 'SMS_DEBIT') AND segments BETWEEN 1 AND 255),
    encoding      TEXT CHECK (encoding IN ('GSM-7', 'UCS-2')),
    sent_to       TEXT,
    submitted_at  INTEGER,
    -- The rates after the first and the segments at each, where a message crossed the bound of a tier.
    more_parts    TEXT CHECK (more_parts IS NULL OR json_valid(more_parts)),
    -- The debit that this row reverses or shares in.
    charge_uid    BLOB CHECK (type = 'REFUND' OR type = 'COMMISSION' OR charge_uid IS NULL)
) STRICT;

INSERT INTO transactions (uid, wallet_id, seq, previous_uid, type, amount, balance_after, created_at, actor, request_id,
                          reference, details, metadata)
SELECT uid, wallet_id, seq, LAG(uid) OVER (PARTITION BY wallet_id ORDER BY seq), type, amount, balance_after, created_at,
       actor, request_id, reference, details, metadata
FROM transactions_before ORDER BY uid;

DROP TABLE transactions_before;

-- No message is charged twice, as long as the ledger lives. The message comes first: ids that rise with time then grow the
-- index at its end alone.
CREATE UNIQUE INDEX transactions_by_message ON transactions (message_sid, wallet_id) WHERE message_sid IS NOT NULL;

CREATE INDEX transactions_by_charge ON transactions (charge_uid) WHERE charge_uid IS NOT NULL;

-- What is rare in a wallet. Debits and commissions are nearly all rows: those are found without it.
CREATE INDEX transactions_by_type ON transactions (wallet_id, type, seq) WHERE type NOT IN ('SMS_DEBIT', 'COMMISSION');

CREATE TRIGGER transactions_refuse_update BEFORE UPDATE ON transactions
BEGIN
    SELECT RAISE(ABORT, 'transactions are append-only');
END;

CREATE TRIGGER transactions_refuse_delete BEFORE DELETE ON transactions
BEGIN
    SELECT RAISE(ABORT, 'transactions are append-only');
END;

-- Every 64th row of each wallet, so that one deep in its history is found without walking all of the chain.
CREATE TABLE transaction_marks (
    wallet_id  INTEGER NOT NULL REFERENCES wallets (id),
    seq        INTEGER NOT NULL CHECK (seq % 64 = 0),
    uid        BLOB NOT NULL CHECK (length(uid) = 16),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (wallet_id, seq)
) STRICT;

INSERT INTO transaction_marks (wallet_id, seq, uid, created_at)
SELECT wallet_id, seq, uid, created_at FROM transactions WHERE seq % 64 = 0 ORDER BY wallet_id, seq;

-- The newest row of the ledger, where the chain begins; and how far a wallet has come through its tiers in the month of
-- its last charge.
ALTER TABLE wallets ADD COLUMN last_uid BLOB CHECK (length(last_uid) = 16);
ALTER TABLE wallets ADD COLUMN tier_month TEXT CHECK (length(tier_month) = 10);
ALTER TABLE wallets ADD COLUMN tier_segments INTEGER NOT NULL DEFAULT 0 CHECK (tier_segments >= 0);

UPDATE wallets SET last_uid = (SELECT t.uid FROM transactions t WHERE t.wallet_id = wallets.id AND t.seq = wallets.last_seq);

-- What became of a message: one report each, the first.
CREATE TABLE deliveries (
    charge_uid BLOB NOT NULL PRIMARY KEY CHECK (length(charge_uid) = 16),
    status     TEXT NOT NULL CHECK (status IN ('delivered', 'failed')),
    error_code TEXT,
    actor      TEXT NOT NULL,
    request_id TEXT,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER deliveries_refuse_update BEFORE UPDATE ON deliveries
BEGIN
    SELECT RAISE(ABORT, 'deliveries are append-only');
END;

CREATE TRIGGER deliveries_refuse_delete BEFORE DELETE ON deliveries
BEGIN
    SELECT RAISE(ABORT, 'deliveries are append-only');
END;

-- What an invoice lists beside the messages of its month: refunds of messages that an earlier, closed month invoiced.
CREATE TABLE invoice_items (
    transaction_uid BLOB NOT NULL PRIMARY KEY CHECK (length(transaction_uid) = 16),
    wallet_id       INTEGER NOT NULL REFERENCES wallets (id),
    day             TEXT NOT NULL CHECK (length(day) = 10),
    category        TEXT NOT NULL CHECK (category IN ('SMS', 'API', 'STORAGE', 'SUPPORT', 'OTHER')),
    description     TEXT NOT NULL,
    amount          INTEGER NOT NULL
) STRICT;

CREATE INDEX invoice_items_by_day ON invoice_items (wallet_id, day);

-- Rises with every change of what messages cost, whoever makes it, so that servers notice. Prices are read from memory.
ALTER TABLE deployment ADD COLUMN prices_version INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER pricing_plans_count_insert AFTER INSERT ON pricing_plans
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER pricing_plans_count_update AFTER UPDATE ON pricing_plans
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER pricing_plans_count_delete AFTER DELETE ON pricing_plans
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER volume_tiers_count_insert AFTER INSERT ON volume_tiers
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER volume_tiers_count_update AFTER UPDATE ON volume_tiers
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER volume_tiers_count_delete AFTER DELETE ON volume_tiers
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER rate_cards_count_insert AFTER INSERT ON rate_cards
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER rate_cards_count_update AFTER UPDATE ON rate_cards
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;

CREATE TRIGGER rate_cards_count_delete AFTER DELETE ON rate_cards
BEGIN
    UPDATE deployment SET prices_version = prices_version + 1;
END;
