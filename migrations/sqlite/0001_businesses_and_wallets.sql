-- Facts fixed when a database is first used.
CREATE TABLE deployment (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    billing_timezone TEXT NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT;

CREATE TABLE businesses (
    id           INTEGER PRIMARY KEY,
    sid          TEXT NOT NULL UNIQUE CHECK (length(sid) BETWEEN 1 AND 64),
    kind         TEXT NOT NULL CHECK (kind IN ('CLIENT', 'RESELLER')),
    status       TEXT NOT NULL CHECK (status IN ('ACTIVE', 'SUSPENDED')),
    parent_id    INTEGER REFERENCES businesses (id) CHECK (parent_id <> id),
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    address      TEXT NOT NULL,
    country_code TEXT NOT NULL,
    tax_id       TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX businesses_by_parent ON businesses (parent_id);

CREATE TABLE pricing_plans (
    id                 INTEGER PRIMARY KEY,
    uid                BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    name               TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    description        TEXT NOT NULL,
    type               TEXT NOT NULL CHECK (type IN ('PREPAID', 'POSTPAID')),
    base_price_per_sms INTEGER NOT NULL CHECK (base_price_per_sms >= 0),
    card_discount      INTEGER NOT NULL CHECK (card_discount BETWEEN 0 AND 10000),
    failed_refund      INTEGER NOT NULL CHECK (failed_refund BETWEEN 0 AND 10000),
    features           TEXT NOT NULL CHECK (json_valid(features)),
    created_at         INTEGER NOT NULL,
    updated_at         INTEGER NOT NULL
) STRICT;

-- Inclusive upper bounds in rising order; the last has none. Each tier begins where the one before ends.
CREATE TABLE volume_tiers (
    plan_id       INTEGER NOT NULL REFERENCES pricing_plans (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL CHECK (position > 0),
    up_to         INTEGER CHECK (up_to > 0),
    price_per_sms INTEGER NOT NULL CHECK (price_per_sms >= 0),
    discount      INTEGER NOT NULL CHECK (discount BETWEEN 0 AND 10000),
    PRIMARY KEY (plan_id, position)
) STRICT;

CREATE TABLE wallets (
    id                      INTEGER PRIMARY KEY,
    uid                     BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    business_id             INTEGER NOT NULL UNIQUE REFERENCES businesses (id),
    pricing_plan_id         INTEGER REFERENCES pricing_plans (id),
    currency                TEXT NOT NULL CHECK (length(currency) = 3),
    balance                 INTEGER NOT NULL,
    credit_limit            INTEGER NOT NULL CHECK (credit_limit BETWEEN 0 AND 1000000000000000000),
    auto_recharge_enabled   INTEGER NOT NULL CHECK (auto_recharge_enabled IN (0, 1)),
    auto_recharge_amount    INTEGER NOT NULL CHECK (auto_recharge_amount >= 0),
    auto_recharge_threshold INTEGER NOT NULL CHECK (auto_recharge_threshold >= 0),
    last_seq                INTEGER NOT NULL CHECK (last_seq >= 0),
    created_at              INTEGER NOT NULL,
    updated_at              INTEGER NOT NULL
) STRICT;

CREATE INDEX wallets_by_plan ON wallets (pricing_plan_id);

CREATE TRIGGER wallets_keep_currency BEFORE UPDATE OF currency ON wallets
WHEN OLD.currency <> NEW.currency
BEGIN
    SELECT RAISE(ABORT, 'the currency of a wallet never changes');
END;
