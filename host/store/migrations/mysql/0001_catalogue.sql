-- Text is kept in binary columns, so that it compares by its bytes as in the other databases. Settings and notes are
-- JSON text, or empty; times are RFC 3339 in UTC with milliseconds; made_at is seconds of this server's clock since
-- 1970. MySQL commits each statement by itself: every one must do nothing where it was done already.
CREATE TABLE IF NOT EXISTS apps (
    id varbinary(255) NOT NULL PRIMARY KEY,
    name varbinary(255) NOT NULL UNIQUE,
    config mediumblob NOT NULL,
    annotations mediumblob NOT NULL,
    syslog_url blob NOT NULL,
    created_at varbinary(64) NOT NULL,
    updated_at varbinary(64) NOT NULL,
    shape varbinary(255) NOT NULL,
    lb_group varbinary(255) NOT NULL,
    INDEX apps_by_name (name, id),
    INDEX apps_by_group (lb_group)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS fns (
    id varbinary(255) NOT NULL PRIMARY KEY,
    name varbinary(255) NOT NULL,
    app_id varbinary(255) NOT NULL,
    image varbinary(1024) NOT NULL,
    memory bigint NOT NULL,
    timeout bigint NOT NULL,
    idle_timeout bigint NOT NULL,
    config mediumblob NOT NULL,
    annotations mediumblob NOT NULL,
    created_at varbinary(64) NOT NULL,
    updated_at varbinary(64) NOT NULL,
    shape varbinary(255) NOT NULL,
    lb_group varbinary(255) NOT NULL,
    UNIQUE (app_id, name),
    INDEX fns_by_name (app_id, name, id),
    INDEX fns_by_group (lb_group),
    FOREIGN KEY (app_id) REFERENCES apps (id) ON DELETE CASCADE
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS triggers (
    id varbinary(255) NOT NULL PRIMARY KEY,
    name varbinary(255) NOT NULL,
    app_id varbinary(255) NOT NULL,
    fn_id varbinary(255) NOT NULL,
    created_at varbinary(64) NOT NULL,
    updated_at varbinary(64) NOT NULL,
    type varbinary(64) NOT NULL,
    source varbinary(2048) NOT NULL,
    annotations mediumblob NOT NULL,
    UNIQUE (app_id, fn_id, name),
    UNIQUE (app_id, type, source),
    INDEX triggers_by_fn (fn_id),
    INDEX triggers_by_name (app_id, name, id),
    FOREIGN KEY (app_id) REFERENCES apps (id) ON DELETE CASCADE,
    FOREIGN KEY (fn_id) REFERENCES fns (id) ON DELETE CASCADE
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS tokens (
    id varbinary(255) NOT NULL PRIMARY KEY,
    role varbinary(64) NOT NULL,
    apps mediumblob NOT NULL,
    hash varbinary(64) NOT NULL,
    note mediumblob NOT NULL,
    created_at varbinary(64) NOT NULL,
    expires_at varbinary(64) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS lb_groups (
    id varbinary(255) NOT NULL PRIMARY KEY,
    apps mediumblob NOT NULL,
    created_at varbinary(64) NOT NULL,
    updated_at varbinary(64) NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS changes (
    seq bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    made_at bigint NOT NULL,
    what mediumblob NOT NULL
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
