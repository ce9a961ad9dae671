-- Prices per destination from a day on. An operator of '' stands for the whole country; operator_key is the operator's
-- name in lower case, by which cards are matched. Networks are an array of {mcc, mnc} (ITU-T E.212).
CREATE TABLE rate_cards (
    id             INTEGER PRIMARY KEY,
    uid            BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    country_code   TEXT NOT NULL CHECK (length(country_code) = 2),
    operator       TEXT NOT NULL,
    operator_key   TEXT NOT NULL,
    networks       TEXT NOT NULL CHECK (json_valid(networks)),
    price_per_sms  INTEGER NOT NULL CHECK (price_per_sms >= 0),
    currency       TEXT NOT NULL CHECK (length(currency) = 3),
    effective_from TEXT NOT NULL CHECK (length(effective_from) = 10),
    notes          TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (country_code, operator_key, currency, effective_from)
) STRICT;

-- What was sent and what it cost, per day, destination and price: written with each charge, read instead of the ledger.
CREATE TABLE usage_metrics (
    id                 INTEGER PRIMARY KEY,
    wallet_id          INTEGER NOT NULL REFERENCES wallets (id),
    day                TEXT NOT NULL CHECK (length(day) = 10),
    country_code       TEXT NOT NULL CHECK (length(country_code) = 2),
    operator           TEXT NOT NULL,
    unit_price         INTEGER NOT NULL CHECK (unit_price >= 0),
    messages_sent      INTEGER NOT NULL CHECK (messages_sent >= 0),
    messages_delivered INTEGER NOT NULL CHECK (messages_delivered >= 0),
    messages_failed    INTEGER NOT NULL CHECK (messages_failed >= 0),
    segments           INTEGER NOT NULL CHECK (segments >= 0),
    cost               INTEGER NOT NULL,
    UNIQUE (wallet_id, day, country_code, operator, unit_price)
) STRICT;
