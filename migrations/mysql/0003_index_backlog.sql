-- Applications take turns: each finds its own oldest entries. MySQL has no IF NOT EXISTS for a key.
SET @missing = (
    SELECT COUNT(*) = 0 FROM information_schema.statistics
    WHERE table_schema = DATABASE() AND table_name = 'search_backlog' AND index_name = 'search_backlog_by_application'
);
SET @change = IF(@missing, 'ALTER TABLE search_backlog ADD KEY search_backlog_by_application (application_id, id)', 'DO 0');
PREPARE change_backlog FROM @change;
EXECUTE change_backlog;
DEALLOCATE PREPARE change_backlog;
