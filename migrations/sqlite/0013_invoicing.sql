-- Invoices as finance knows them: who issues them, what is due on them, what has paid them.

DROP TRIGGER invoices_refuse_update;

-- NULL: the platform itself.
ALTER TABLE invoices ADD COLUMN seller_id INTEGER REFERENCES businesses (id);
ALTER TABLE invoices ADD COLUMN issue_date TEXT CHECK (length(issue_date) = 10);
-- What was to be paid at its close, tax included.
ALTER TABLE invoices ADD COLUMN amount_due INTEGER NOT NULL DEFAULT 0 CHECK (amount_due >= 0);
-- Tax in basis points and in money; whether the total contains it (prepaid) or it comes on top of what is due (postpaid).
ALTER TABLE invoices ADD COLUMN tax_rate INTEGER NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 10000);
ALTER TABLE invoices ADD COLUMN tax_amount INTEGER NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN tax_included INTEGER NOT NULL DEFAULT 1 CHECK (tax_included IN (0, 1));
-- The invoice that a credit note takes something off, and why.
ALTER TABLE invoices ADD COLUMN credited_invoice_id INTEGER REFERENCES invoices (id);
ALTER TABLE invoices ADD COLUMN reason TEXT;

CREATE UNIQUE INDEX invoices_by_number ON invoices (COALESCE(seller_id, 0), number) WHERE number IS NOT NULL;
CREATE INDEX invoices_open ON invoices (wallet_id, period_start) WHERE status IN ('SENT', 'OVERDUE');
CREATE INDEX invoices_of_wallet ON invoices (wallet_id, id);
CREATE INDEX invoices_by_due_date ON invoices (due_date) WHERE status = 'SENT';
CREATE INDEX invoices_by_seller ON invoices (seller_id) WHERE seller_id IS NOT NULL;
CREATE INDEX invoices_by_credited ON invoices (credited_invoice_id) WHERE credited_invoice_id IS NOT NULL;

CREATE TRIGGER invoices_refuse_update BEFORE UPDATE ON invoices
WHEN OLD.status <> 'DRAFT' AND (
    NEW.id <> OLD.id OR NEW.uid <> OLD.uid OR NEW.wallet_id <> OLD.wallet_id OR NEW.kind <> OLD.kind
    OR NEW.number IS NOT OLD.number OR NEW.period_start <> OLD.period_start OR NEW.period_end <> OLD.period_end
    OR NEW.total IS NOT OLD.total OR NEW.due_date IS NOT OLD.due_date OR NEW.created_at <> OLD.created_at
    OR NEW.seller_id IS NOT OLD.seller_id OR NEW.issue_date IS NOT OLD.issue_date OR NEW.amount_due <> OLD.amount_due
    OR NEW.tax_rate <> OLD.tax_rate OR NEW.tax_amount <> OLD.tax_amount OR NEW.tax_included <> OLD.tax_included
    OR NEW.credited_invoice_id IS NOT OLD.credited_invoice_id OR NEW.reason IS NOT OLD.reason
)
BEGIN
    SELECT RAISE(ABORT, 'a finalised invoice only changes its status, paid_date and updated_at');
END;

CREATE TRIGGER invoices_refuse_reopening BEFORE UPDATE OF status ON invoices
WHEN OLD.status <> 'DRAFT' AND NEW.status = 'DRAFT' OR OLD.status = 'CANCELLED' AND NEW.status <> 'CANCELLED'
BEGIN
    SELECT RAISE(ABORT, 'a finalised invoice is never a draft again, and a cancelled one stays so');
END;

CREATE TRIGGER invoice_line_items_refuse_insert BEFORE INSERT ON invoice_line_items
WHEN (SELECT status FROM invoices WHERE id = NEW.invoice_id) <> 'DRAFT'
BEGIN
    SELECT RAISE(ABORT, 'the lines of a finalised invoice are frozen');
END;

-- The last number that a seller (0: the platform) gave in a series, such as INV-2026. Locked while a number is given, so
-- that none is skipped and none given twice.
CREATE TABLE invoice_series (
    seller_id   INTEGER NOT NULL,
    series      TEXT NOT NULL,
    last_number INTEGER NOT NULL CHECK (last_number > 0),
    PRIMARY KEY (seller_id, series)
) STRICT;

-- What a credit to the wallet paid of an invoice: the net stays in the wallet, the tax does not.
CREATE TABLE invoice_payments (
    invoice_id      INTEGER NOT NULL REFERENCES invoices (id),
    transaction_uid BLOB NOT NULL CHECK (length(transaction_uid) = 16),
    net             INTEGER NOT NULL CHECK (net >= 0),
    tax             INTEGER NOT NULL CHECK (tax >= 0 AND net + tax > 0),
    paid_on         TEXT NOT NULL CHECK (length(paid_on) = 10),
    created_at      INTEGER NOT NULL,
    PRIMARY KEY (invoice_id, transaction_uid)
) STRICT;

CREATE INDEX invoice_payments_by_transaction ON invoice_payments (transaction_uid);

CREATE TRIGGER invoice_payments_refuse_update BEFORE UPDATE ON invoice_payments
BEGIN
    SELECT RAISE(ABORT, 'the payments of an invoice are append-only');
END;

CREATE TRIGGER invoice_payments_refuse_delete BEFORE DELETE ON invoice_payments
BEGIN
    SELECT RAISE(ABORT, 'the payments of an invoice are append-only');
END;

-- Of which invoices somebody was reminded, so that each is told once.
CREATE TABLE invoice_reminders (
    invoice_id INTEGER NOT NULL REFERENCES invoices (id),
    kind       TEXT NOT NULL CHECK (kind IN ('DUE_SOON', 'OVERDUE')),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (invoice_id, kind)
) STRICT;

-- Months that were closed, and when.
CREATE TABLE closed_months (
    period_start TEXT PRIMARY KEY NOT NULL CHECK (length(period_start) = 10),
    invoices     INTEGER NOT NULL CHECK (invoices >= 0),
    closed_at    INTEGER NOT NULL
) STRICT;
