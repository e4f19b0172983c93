-- What opens an application. The secret is kept as its digest; a number that was revoked is not used again.
CREATE TABLE access_keys (
    application_id INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    digest         BLOB    NOT NULL UNIQUE,
    scopes         INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    revoked_at     INTEGER,
    PRIMARY KEY (application_id, number)
) STRICT, WITHOUT ROWID;

-- What an application may use where it is not as much as any other.
CREATE TABLE application_limits (
    application_id INTEGER PRIMARY KEY,
    rate           TEXT
) STRICT;
