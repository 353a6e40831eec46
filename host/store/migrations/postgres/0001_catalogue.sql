-- Text compares by its bytes (collation "C"), as in the other databases. Settings and notes are JSON text, or empty;
-- times are RFC 3339 in UTC with milliseconds; made_at is seconds of this server's clock since 1970.
CREATE TABLE apps (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    config text NOT NULL,
    annotations text NOT NULL,
    syslog_url text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    shape text NOT NULL,
    lb_group text COLLATE "C" NOT NULL
);

CREATE TABLE fns (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    app_id text COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    image text NOT NULL,
    memory bigint NOT NULL,
    timeout bigint NOT NULL,
    idle_timeout bigint NOT NULL,
    config text NOT NULL,
    annotations text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    shape text NOT NULL,
    lb_group text COLLATE "C" NOT NULL,
    UNIQUE (app_id, name)
);

CREATE TABLE triggers (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    app_id text COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    fn_id text COLLATE "C" NOT NULL REFERENCES fns (id) ON DELETE CASCADE,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    type text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    annotations text NOT NULL,
    UNIQUE (app_id, fn_id, name),
    UNIQUE (app_id, type, source)
);

CREATE TABLE tokens (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    role text NOT NULL,
    apps text NOT NULL,
    hash text NOT NULL,
    note text NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL
);

CREATE TABLE lb_groups (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    apps text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL
);

CREATE TABLE changes (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at bigint NOT NULL,
    what text NOT NULL
);

-- Deleting a function looks its triggers up by this.
CREATE INDEX triggers_by_fn ON triggers (fn_id);
-- Lists are ordered by name and id.
CREATE INDEX apps_by_name ON apps (name, id);
CREATE INDEX fns_by_name ON fns (app_id, name, id);
CREATE INDEX triggers_by_name ON triggers (app_id, name, id);
-- How an LB group is used.
CREATE INDEX apps_by_group ON apps (lb_group);
CREATE INDEX fns_by_group ON fns (lb_group);
