-- Applications take turns: each finds its own oldest entries.
CREATE INDEX search_backlog_by_application ON search_backlog (application_id, id);
