-- Lists that admins sort: each sort has its index, on the column and then the id. None is on what a message changes.
CREATE INDEX wallets_by_creation ON wallets (created_at, id);
CREATE INDEX invoices_by_start ON invoices (period_start, id);
CREATE INDEX invoices_by_creation ON invoices (created_at, id);
CREATE INDEX invoices_by_wallet ON invoices (wallet_id, period_start, id);
CREATE INDEX alerts_by_creation ON alerts (created_at, id);
