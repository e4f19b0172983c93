-- How much an application may hold, and what it holds; only of applications that have a quota. What was there before it is
-- counted up to a place, and whoever changes something up to that place counts the change.
CREATE TABLE quotas (
    application_id INTEGER PRIMARY KEY,
    max_chats      INTEGER,
    max_messages   INTEGER,
    max_bytes      INTEGER,
    chats          INTEGER NOT NULL,
    messages       INTEGER NOT NULL DEFAULT 0,
    bytes          INTEGER NOT NULL DEFAULT 0,
    counted_chat   INTEGER NOT NULL DEFAULT 0,
    counted_number INTEGER NOT NULL DEFAULT 0
) STRICT;
