-- Tokens, the list of LB groups, word of changes, and what listing and the use of groups need. made_at is seconds since
-- 1970.
ALTER TABLE apps ADD COLUMN lb_group text NOT NULL DEFAULT '';
ALTER TABLE fns ADD COLUMN lb_group text NOT NULL DEFAULT '';

CREATE TABLE tokens (
    id text NOT NULL PRIMARY KEY,
    role text NOT NULL,
    apps text NOT NULL,
    hash text NOT NULL,
    note text NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL
);

CREATE TABLE lb_groups (
    id text NOT NULL PRIMARY KEY,
    apps text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL
);

-- Numbers are never used twice.
CREATE TABLE changes (
    seq integer PRIMARY KEY AUTOINCREMENT,
    made_at integer NOT NULL,
    what text NOT NULL
);

-- Lists are ordered by name and id.
CREATE INDEX apps_by_name ON apps (name, id);
CREATE INDEX fns_by_name ON fns (app_id, name, id);
CREATE INDEX triggers_by_name ON triggers (app_id, name, id);
-- How an LB group is used.
CREATE INDEX apps_by_group ON apps (lb_group);
CREATE INDEX fns_by_group ON fns (lb_group);
