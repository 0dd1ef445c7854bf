-- One row for each pair that Chat has told of. Runs on SQLite and on PostgreSQL, so it has only what both know.
CREATE TABLE friends (
    from_account TEXT NOT NULL,  -- whose friend list it is
    to_account TEXT NOT NULL,    -- who is on it
    -- Of the last addition; of a deletion, where no addition has come.
    initiator TEXT,              -- Initiator_Account
    platform TEXT,               -- OptPlatform
    first_seen BIGINT NOT NULL,  -- when this app heard of the friendship first, in Unix milliseconds
    last_seen BIGINT NOT NULL,   -- and last
    deleted_at BIGINT,           -- NULL while they are friends; else when this app heard of the end, in Unix milliseconds
    request_time BIGINT,         -- RequestTime of the last change, in Unix seconds; NULL where it was not signed
    PRIMARY KEY (from_account, to_account)
);

CREATE INDEX friends_latest ON friends (first_seen) WHERE deleted_at IS NULL;
