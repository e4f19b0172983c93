-- All times are microseconds since 1970, UTC. Tables are clustered by the way people read them.

CREATE TABLE applications (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    token      TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
) STRICT;

CREATE TABLE application_counters (
    application_id INTEGER PRIMARY KEY,
    chats_count    INTEGER NOT NULL DEFAULT 0,
    deleted_chats  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE chats (
    application_id INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    id             BLOB    NOT NULL UNIQUE,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deleted_at     INTEGER,
    PRIMARY KEY (application_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE chat_counters (
    application_id   INTEGER NOT NULL,
    number           INTEGER NOT NULL,
    messages_count   INTEGER NOT NULL DEFAULT 0,
    deleted_messages INTEGER NOT NULL DEFAULT 0,
    revision         INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (application_id, number)
) STRICT, WITHOUT ROWID;

-- id is the draft's UUIDv7: it tells a redelivery from a conflict, and finds what was kept last.
CREATE TABLE messages (
    application_id INTEGER NOT NULL,
    chat_number    INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    id             BLOB    NOT NULL UNIQUE,
    body           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    deleted_at     INTEGER,
    PRIMARY KEY (application_id, chat_number, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE message_changes (
    application_id INTEGER NOT NULL,
    chat_number    INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    number         INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('edited', 'deleted')),
    body           TEXT,
    at             INTEGER NOT NULL,
    PRIMARY KEY (application_id, chat_number, revision)
) STRICT, WITHOUT ROWID;

CREATE INDEX message_changes_by_message ON message_changes (application_id, chat_number, number);

-- application_id is 0 for the creation of an application, which belongs to no tenant.
CREATE TABLE idempotency_keys (
    application_id INTEGER NOT NULL,
    key            TEXT    NOT NULL,
    path_hash      BLOB    NOT NULL,
    body_hash      BLOB    NOT NULL,
    token          TEXT,
    number         INTEGER,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (application_id, key, path_hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- A range of messages to be indexed, or a deleted parent to be forgotten (chat_number 0: the whole application).
CREATE TABLE search_backlog (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    application_id INTEGER NOT NULL,
    chat_number    INTEGER NOT NULL,
    first_number   INTEGER NOT NULL,
    last_number    INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (kind IN ('index', 'forget')),
    claimed_until  INTEGER
) STRICT;

-- Deleted parents whose rows are still there (chat_number 0: the whole application).
CREATE TABLE purges (
    application_id INTEGER NOT NULL,
    chat_number    INTEGER NOT NULL,
    PRIMARY KEY (application_id, chat_number)
) STRICT, WITHOUT ROWID;

-- One row: what the store remembers of those that follow it.
CREATE TABLE followers (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    search_index    TEXT,
    counted_through INTEGER NOT NULL
) STRICT;

INSERT INTO followers (id, search_index, counted_through) VALUES (1, NULL, 0);
