-- What opens an application. The secret is kept as its digest; a number that was revoked is not used again.
CREATE TABLE IF NOT EXISTS access_keys (
    application_id BIGINT       NOT NULL,
    number         BIGINT       NOT NULL,
    name           VARCHAR(255) NOT NULL,
    digest         BINARY(32)   NOT NULL,
    scopes         TINYINT      NOT NULL,
    created_at     BIGINT       NOT NULL,
    revoked_at     BIGINT,
    PRIMARY KEY (application_id, number),
    UNIQUE KEY access_keys_by_digest (digest)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What an application may use where it is not as much as any other.
CREATE TABLE IF NOT EXISTS application_limits (
    application_id BIGINT NOT NULL,
    rate           VARCHAR(32),
    PRIMARY KEY (application_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;
