-- For MySQL 8.4 and later and MariaDB 10.11 and later. All times are microseconds since 1970, UTC: a number is exact,
-- no time zone bends it, and FROM_UNIXTIME(created_at / 1e6) shows it. Tables are clustered by the way people read
-- them. A server commits each of these statements by itself, so each can be run again after a crash between two.

-- id is dense and given in the order of commits: whoever creates takes the greatest and one.
CREATE TABLE IF NOT EXISTS applications (
    id         BIGINT       NOT NULL,
    token      CHAR(32)     NOT NULL,
    name       VARCHAR(255) NOT NULL,
    created_at BIGINT       NOT NULL,
    updated_at BIGINT       NOT NULL,
    deleted_at BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY applications_by_token (token)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS application_counters (
    application_id BIGINT NOT NULL,
    chats_count    BIGINT NOT NULL DEFAULT 0,
    deleted_chats  BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (application_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS chats (
    application_id BIGINT     NOT NULL,
    number         BIGINT     NOT NULL,
    id             BINARY(16) NOT NULL,
    created_at     BIGINT     NOT NULL,
    updated_at     BIGINT     NOT NULL,
    deleted_at     BIGINT,
    PRIMARY KEY (application_id, number),
    UNIQUE KEY chats_by_id (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS chat_counters (
    application_id   BIGINT NOT NULL,
    number           BIGINT NOT NULL,
    messages_count   BIGINT NOT NULL DEFAULT 0,
    deleted_messages BIGINT NOT NULL DEFAULT 0,
    revision         BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (application_id, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- id is the draft's UUIDv7: it tells a redelivery from a conflict, and finds what was kept last.
CREATE TABLE IF NOT EXISTS messages (
    application_id BIGINT     NOT NULL,
    chat_number    BIGINT     NOT NULL,
    number         BIGINT     NOT NULL,
    id             BINARY(16) NOT NULL,
    body           MEDIUMTEXT NOT NULL,
    version        BIGINT     NOT NULL,
    created_at     BIGINT     NOT NULL,
    updated_at     BIGINT     NOT NULL,
    deleted_at     BIGINT,
    PRIMARY KEY (application_id, chat_number, number),
    UNIQUE KEY messages_by_id (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS message_changes (
    application_id BIGINT     NOT NULL,
    chat_number    BIGINT     NOT NULL,
    revision       BIGINT     NOT NULL,
    number         BIGINT     NOT NULL,
    kind           VARCHAR(8) NOT NULL CHECK (kind IN ('edited', 'deleted')),
    body           MEDIUMTEXT,
    at             BIGINT     NOT NULL,
    PRIMARY KEY (application_id, chat_number, revision),
    KEY message_changes_by_message (application_id, chat_number, number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- application_id is 0 for the creation of an application, which belongs to no tenant.
CREATE TABLE IF NOT EXISTS idempotency_keys (
    application_id BIGINT       NOT NULL,
    `key`          VARCHAR(255) NOT NULL,
    path_hash      BINARY(32)   NOT NULL,
    body_hash      BINARY(32)   NOT NULL,
    token          CHAR(32),
    number         BIGINT,
    created_at     BIGINT       NOT NULL,
    PRIMARY KEY (application_id, `key`, path_hash),
    KEY idempotency_keys_by_age (created_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- A range of messages to be indexed, or a deleted parent to be forgotten (chat_number 0: the whole application).
CREATE TABLE IF NOT EXISTS search_backlog (
    id             BIGINT     NOT NULL AUTO_INCREMENT,
    application_id BIGINT     NOT NULL,
    chat_number    BIGINT     NOT NULL,
    first_number   BIGINT     NOT NULL,
    last_number    BIGINT     NOT NULL,
    kind           VARCHAR(8) NOT NULL CHECK (kind IN ('index', 'forget')),
    claimed_until  BIGINT     NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Deleted parents whose rows are still there (chat_number 0: the whole application).
CREATE TABLE IF NOT EXISTS purges (
    application_id BIGINT NOT NULL,
    chat_number    BIGINT NOT NULL,
    PRIMARY KEY (application_id, chat_number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The nodes that live, and those that died before everything they kept was counted. Moments are the server's.
CREATE TABLE IF NOT EXISTS nodes (
    id              BINARY(16) NOT NULL,
    alone           BOOLEAN    NOT NULL,
    seen_at         BIGINT     NOT NULL,
    counted_through BIGINT     NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- One row: what the store remembers of those that follow it. counted_through is that of nodes that are gone.
CREATE TABLE IF NOT EXISTS followers (
    id              TINYINT NOT NULL CHECK (id = 1),
    search_index    VARCHAR(255),
    counted_through BIGINT  NOT NULL,
    leader          BINARY(16),
    leads_until     BIGINT  NOT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO followers (id, search_index, counted_through, leader, leads_until) VALUES (1, NULL, 0, NULL, 0);
