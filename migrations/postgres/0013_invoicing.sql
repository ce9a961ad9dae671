-- Invoices as finance knows them: who issues them, what is due on them, what has paid them.

DROP TRIGGER invoices_refuse_update ON invoices;

-- NULL: the platform itself.
ALTER TABLE invoices ADD COLUMN seller_id BIGINT REFERENCES businesses (id);
ALTER TABLE invoices ADD COLUMN issue_date DATE;
-- What was to be paid at its close, tax included.
ALTER TABLE invoices ADD COLUMN amount_due BIGINT NOT NULL DEFAULT 0 CHECK (amount_due >= 0);
-- Tax in basis points and in money; whether the total contains it (prepaid) or it comes on top of what is due (postpaid).
ALTER TABLE invoices ADD COLUMN tax_rate BIGINT NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 10000);
ALTER TABLE invoices ADD COLUMN tax_amount BIGINT NOT NULL DEFAULT 0;
ALTER TABLE invoices ADD COLUMN tax_included BOOLEAN NOT NULL DEFAULT TRUE;
-- The invoice that a credit note takes something off, and why.
ALTER TABLE invoices ADD COLUMN credited_invoice_id BIGINT REFERENCES invoices (id);
ALTER TABLE invoices ADD COLUMN reason TEXT;

CREATE UNIQUE INDEX invoices_by_number ON invoices (COALESCE(seller_id, 0), number) WHERE number IS NOT NULL;
CREATE INDEX invoices_open ON invoices (wallet_id, period_start) WHERE status IN ('SENT', 'OVERDUE');
CREATE INDEX invoices_of_wallet ON invoices (wallet_id, id);
CREATE INDEX invoices_by_due_date ON invoices (due_date) WHERE status = 'SENT';
CREATE INDEX invoices_by_seller ON invoices (seller_id) WHERE seller_id IS NOT NULL;
CREATE INDEX invoices_by_credited ON invoices (credited_invoice_id) WHERE credited_invoice_id IS NOT NULL;

CREATE TRIGGER invoices_refuse_update BEFORE UPDATE ON invoices FOR EACH ROW
WHEN (OLD.status <> 'DRAFT' AND (
    NEW.id <> OLD.id OR NEW.uid <> OLD.uid OR NEW.wallet_id <> OLD.wallet_id OR NEW.kind <> OLD.kind
    OR NEW.number IS DISTINCT FROM OLD.number OR NEW.period_start <> OLD.period_start OR NEW.period_end <> OLD.period_end
    OR NEW.total IS DISTINCT FROM OLD.total OR NEW.due_date IS DISTINCT FROM OLD.due_date OR NEW.created_at <> OLD.created_at
    OR NEW.seller_id IS DISTINCT FROM OLD.seller_id OR NEW.issue_date IS DISTINCT FROM OLD.issue_date OR NEW.amount_due <> OLD.amount_due
    OR NEW.tax_rate <> OLD.tax_rate OR NEW.tax_amount <> OLD.tax_amount OR NEW.tax_included <> OLD.tax_included
    OR NEW.credited_invoice_id IS DISTINCT FROM OLD.credited_invoice_id OR NEW.reason IS DISTINCT FROM OLD.reason
))
EXECUTE FUNCTION refuse_change('a finalised invoice only changes its status, paid_date and updated_at');

CREATE TRIGGER invoices_refuse_reopening BEFORE UPDATE OF status ON invoices FOR EACH ROW
WHEN (OLD.status <> 'DRAFT' AND NEW.status = 'DRAFT' OR OLD.status = 'CANCELLED' AND NEW.status <> 'CANCELLED')
EXECUTE FUNCTION refuse_change('a finalised invoice is never a draft again, and a cancelled one stays so');

CREATE FUNCTION invoice_line_items_refuse_insert() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT status FROM invoices WHERE id = NEW.invoice_id) <> 'DRAFT' THEN
        RAISE EXCEPTION 'the lines of a finalised invoice are frozen';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER invoice_line_items_refuse_insert BEFORE INSERT ON invoice_line_items FOR EACH ROW
EXECUTE FUNCTION invoice_line_items_refuse_insert();

-- The last number that a seller (0: the platform) gave in a series, such as INV-2026. Locked while a number is given, so
-- that none is skipped and none given twice.
CREATE TABLE invoice_series (
    seller_id   BIGINT NOT NULL,
    series      TEXT NOT NULL,
    last_number BIGINT NOT NULL CHECK (last_number > 0),
    PRIMARY KEY (seller_id, series)
);

-- What a credit to the wallet paid of an invoice: the net stays in the wallet, the tax does not.
CREATE TABLE invoice_payments (
    invoice_id      BIGINT NOT NULL REFERENCES invoices (id),
    transaction_uid UUID NOT NULL,
    net             BIGINT NOT NULL CHECK (net >= 0),
    tax             BIGINT NOT NULL CHECK (tax >= 0 AND net + tax > 0),
    paid_on         DATE NOT NULL,
    created_at      BIGINT NOT NULL,
    PRIMARY KEY (invoice_id, transaction_uid)
);

CREATE INDEX invoice_payments_by_transaction ON invoice_payments (transaction_uid);

CREATE TRIGGER invoice_payments_refuse_update BEFORE UPDATE ON invoice_payments FOR EACH ROW
EXECUTE FUNCTION refuse_change('the payments of an invoice are append-only');

CREATE TRIGGER invoice_payments_refuse_delete BEFORE DELETE ON invoice_payments FOR EACH ROW
EXECUTE FUNCTION refuse_change('the payments of an invoice are append-only');

CREATE TRIGGER invoice_payments_refuse_truncate BEFORE TRUNCATE ON invoice_payments
EXECUTE FUNCTION refuse_change('the payments of an invoice are append-only');

-- Of which invoices somebody was reminded, so that each is told once.
CREATE TABLE invoice_reminders (
    invoice_id BIGINT NOT NULL REFERENCES invoices (id),
    kind       TEXT NOT NULL CHECK (kind IN ('DUE_SOON', 'OVERDUE')),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (invoice_id, kind)
);

-- Months that were closed, and when.
CREATE TABLE closed_months (
    period_start DATE PRIMARY KEY NOT NULL,
    invoices     BIGINT NOT NULL CHECK (invoices >= 0),
    closed_at    BIGINT NOT NULL
);
