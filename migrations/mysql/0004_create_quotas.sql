-- How much an application may hold, and what it holds; only of applications that have a quota. What was there before it is
-- counted up to a place, and whoever changes something up to that place counts the change.
CREATE TABLE IF NOT EXISTS quotas (
    application_id BIGINT NOT NULL,
    max_chats      BIGINT,
    max_messages   BIGINT,
    max_bytes      BIGINT,
    chats          BIGINT NOT NULL,
    messages       BIGINT NOT NULL DEFAULT 0,
    bytes          BIGINT NOT NULL DEFAULT 0,
    counted_chat   BIGINT NOT NULL DEFAULT 0,
    counted_number BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (application_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
