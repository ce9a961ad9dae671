-- Seller and buyer of a finalised invoice, as they were called when it was made. Invoices from before this table have no
-- rows here, and show both as they are called now.
CREATE TABLE invoice_parties (
    invoice_id   BIGINT NOT NULL REFERENCES invoices (id),
    role         TEXT NOT NULL CHECK (role IN ('SELLER', 'BUYER')),
    name         TEXT NOT NULL,
    address      TEXT NOT NULL,
    country_code TEXT NOT NULL,
    tax_id       TEXT NOT NULL,
    email        TEXT NOT NULL,
    PRIMARY KEY (invoice_id, role)
);

CREATE TRIGGER invoice_parties_refuse_update BEFORE UPDATE ON invoice_parties FOR EACH ROW
EXECUTE FUNCTION refuse_change('whom a finalised invoice names is frozen');

CREATE TRIGGER invoice_parties_refuse_delete BEFORE DELETE ON invoice_parties FOR EACH ROW
EXECUTE FUNCTION refuse_change('whom a finalised invoice names is frozen');

CREATE TRIGGER invoice_parties_refuse_truncate BEFORE TRUNCATE ON invoice_parties
EXECUTE FUNCTION refuse_change('whom a finalised invoice names is frozen');
