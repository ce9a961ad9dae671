-- The orders that lists of businesses and users are read in, besides those of their unique names.
CREATE INDEX businesses_by_name ON businesses (name, id);
CREATE INDEX businesses_by_creation ON businesses (created_at, id);
CREATE INDEX users_by_creation ON users (created_at, id);
