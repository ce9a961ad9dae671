-- What is watched of a wallet with every change of its balance: alerts, recharges, webhooks. It lies beside the balance,
-- because a message that moves the money has to see it without looking anything up.

-- Under which balance to warn; NULL: the server's own threshold. The levels are what was warned of last (0 nothing,
-- 1 a warning, 2 a critical alert), so that each crossing is told once; they begin anew with each month of alert_month.
ALTER TABLE wallets ADD COLUMN low_balance_threshold BIGINT CHECK (low_balance_threshold >= 0);
ALTER TABLE wallets ADD COLUMN low_balance_level BIGINT NOT NULL DEFAULT 0 CHECK (low_balance_level BETWEEN 0 AND 2);
ALTER TABLE wallets ADD COLUMN overage_level BIGINT NOT NULL DEFAULT 0 CHECK (overage_level BETWEEN 0 AND 2);
ALTER TABLE wallets ADD COLUMN alert_month DATE;

-- What messages have cost on the day of the last one, and above what a day's cost is unusual: NULL where it was told
-- already, or where there is too little to compare with.
ALTER TABLE wallets ADD COLUMN spend_day DATE;
ALTER TABLE wallets ADD COLUMN spend_today BIGINT NOT NULL DEFAULT 0;
ALTER TABLE wallets ADD COLUMN spend_limit BIGINT CHECK (spend_limit > 0);

-- What an open recharge will bring, 0 where none is open; and until when none is asked for (after one that failed, or
-- when the day's are used up).
ALTER TABLE wallets ADD COLUMN recharge_open BIGINT NOT NULL DEFAULT 0 CHECK (recharge_open >= 0);
ALTER TABLE wallets ADD COLUMN recharge_not_before BIGINT;

-- The events that any webhook of the business asks for, a bit each.
ALTER TABLE wallets ADD COLUMN webhook_events BIGINT NOT NULL DEFAULT 0 CHECK (webhook_events >= 0);

-- How a wallet is recharged by itself, beside what the wallet says (whether, at which balance, how much). `method` is
-- what the provider takes the money from, sealed. NULL most a day: that many times the amount.
CREATE TABLE auto_recharges (
    wallet_id          BIGINT PRIMARY KEY REFERENCES wallets (id),
    provider           TEXT NOT NULL CHECK (length(provider) BETWEEN 1 AND 32),
    method             TEXT,
    most_per_day       BIGINT NOT NULL CHECK (most_per_day BETWEEN 1 AND 100),
    most_sum_per_day   BIGINT CHECK (most_sum_per_day > 0),
    -- The recharges of a day, those that failed left out; and how many have failed since the last that worked.
    day                DATE,
    count_of_day       BIGINT NOT NULL DEFAULT 0 CHECK (count_of_day >= 0),
    sum_of_day         BIGINT NOT NULL DEFAULT 0 CHECK (sum_of_day >= 0),
    failures           BIGINT NOT NULL DEFAULT 0 CHECK (failures >= 0),
    updated_at         BIGINT NOT NULL
);
