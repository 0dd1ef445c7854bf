-- The page shows the latest deletions, and old ones are removed by their time.
CREATE INDEX friends_deleted ON friends (deleted_at) WHERE deleted_at IS NOT NULL;
