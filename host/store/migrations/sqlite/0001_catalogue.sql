-- Tables and columns are named as Fn names them; a database of Fn's own is refused. Settings and notes are JSON text,
-- or empty; times are RFC 3339 in UTC with milliseconds.
CREATE TABLE apps (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    config text NOT NULL,
    annotations text NOT NULL,
    syslog_url text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    shape text NOT NULL
);

CREATE TABLE fns (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    app_id text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    image text NOT NULL,
    memory integer NOT NULL,
    timeout integer NOT NULL,
    idle_timeout integer NOT NULL,
    config text NOT NULL,
    annotations text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    shape text NOT NULL,
    UNIQUE (app_id, name)
);

CREATE TABLE triggers (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    app_id text NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    fn_id text NOT NULL REFERENCES fns (id) ON DELETE CASCADE,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    annotations text NOT NULL,
    UNIQUE (app_id, fn_id, name),
    UNIQUE (app_id, type, source)
);

-- Deleting a function looks its triggers up by this.
CREATE INDEX triggers_by_fn ON triggers (fn_id);
