-- A draft has neither number nor total: both are given when its month closes, and from then on only its status, its
-- paid date and updated_at may change.
CREATE TABLE invoices (
    id           INTEGER PRIMARY KEY,
    uid          BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    wallet_id    INTEGER NOT NULL REFERENCES wallets (id),
    kind         TEXT NOT NULL CHECK (kind IN ('INVOICE', 'CREDIT_NOTE')),
    number       TEXT CHECK ((number IS NULL) = (status = 'DRAFT')),
    status       TEXT NOT NULL CHECK (status IN ('DRAFT', 'SENT', 'PAID', 'OVERDUE', 'CANCELLED')),
    period_start TEXT NOT NULL CHECK (length(period_start) = 10),
    period_end   TEXT NOT NULL CHECK (length(period_end) = 10 AND period_end >= period_start),
    total        INTEGER CHECK ((total IS NULL) = (status = 'DRAFT')),
    due_date     TEXT CHECK (length(due_date) = 10),
    paid_date    TEXT CHECK (length(paid_date) = 10),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

-- One invoice a wallet and month; a cancelled one keeps its number and makes room.
CREATE UNIQUE INDEX invoices_by_period ON invoices (wallet_id, period_start)
WHERE kind = 'INVOICE' AND status <> 'CANCELLED';

CREATE TABLE invoice_line_items (
    invoice_id  INTEGER NOT NULL REFERENCES invoices (id),
    position    INTEGER NOT NULL CHECK (position > 0),
    description TEXT NOT NULL,
    quantity    INTEGER NOT NULL,
    unit_price  INTEGER NOT NULL,
    total       INTEGER NOT NULL,
    category    TEXT NOT NULL CHECK (category IN ('SMS', 'API', 'STORAGE', 'SUPPORT', 'OTHER')),
    details     TEXT NOT NULL CHECK (json_valid(details)),
    PRIMARY KEY (invoice_id, position)
) STRICT;

CREATE TRIGGER invoices_refuse_update BEFORE UPDATE ON invoices
WHEN OLD.status <> 'DRAFT' AND (
    NEW.id <> OLD.id OR NEW.uid <> OLD.uid OR NEW.wallet_id <> OLD.wallet_id OR NEW.kind <> OLD.kind
    OR NEW.number IS NOT OLD.number OR NEW.period_start <> OLD.period_start OR NEW.period_end <> OLD.period_end
    OR NEW.total IS NOT OLD.total OR NEW.due_date IS NOT OLD.due_date OR NEW.created_at <> OLD.created_at
)
BEGIN
    SELECT RAISE(ABORT, 'a finalised invoice only changes its status, paid_date and updated_at');
END;

CREATE TRIGGER invoices_refuse_delete BEFORE DELETE ON invoices
WHEN OLD.status <> 'DRAFT'
BEGIN
    SELECT RAISE(ABORT, 'a finalised invoice is never deleted');
END;

CREATE TRIGGER invoice_line_items_refuse_update BEFORE UPDATE ON invoice_line_items
BEGIN
    SELECT RAISE(ABORT, 'the lines of an invoice are append-only');
END;

CREATE TRIGGER invoice_line_items_refuse_delete BEFORE DELETE ON invoice_line_items
BEGIN
    SELECT RAISE(ABORT, 'the lines of an invoice are append-only');
END;

CREATE TABLE alerts (
    id            INTEGER PRIMARY KEY,
    uid           BLOB NOT NULL UNIQUE CHECK (length(uid) = 16),
    wallet_id     INTEGER NOT NULL REFERENCES wallets (id),
    type          TEXT NOT NULL CHECK (type IN ('LOW_BALANCE', 'BILLING_ALERT', 'OVERAGE_WARNING', 'PAYMENT_DUE')),
    severity      TEXT NOT NULL CHECK (severity IN ('INFO', 'WARNING', 'CRITICAL')),
    message       TEXT NOT NULL,
    threshold     INTEGER NOT NULL,
    current_value INTEGER NOT NULL,
    is_read       INTEGER NOT NULL CHECK (is_read IN (0, 1)),
    created_at    INTEGER NOT NULL
) STRICT;

CREATE INDEX alerts_by_wallet ON alerts (wallet_id, id);
CREATE INDEX alerts_unread ON alerts (wallet_id, id) WHERE NOT is_read;
