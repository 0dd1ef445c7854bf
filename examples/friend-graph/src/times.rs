//! How long everything may take, in one place, so that a reader can add it up.

use std::time::Duration;

// A callback, counted from its head. Chat waits for 2 seconds.

/// Its body has to be there.
pub(crate) const ARRIVE: Duration = Duration::from_millis(1000);
/// The database has to be done. The rest is the journal's.
pub(crate) const COMMIT: Duration = Duration::from_millis(1400);
/// The callback is answered, even if the outcome is not known yet.
pub(crate) const ANSWER: Duration = Duration::from_millis(1800);
/// It is answered without its handler, which knows more.
pub(crate) const CUT_OFF: Duration = Duration::from_millis(1850);
/// The part of `COMMIT` for which it doesn't wait for the end of the journal.
pub(crate) const PATIENCE: Duration = Duration::from_millis(700);

// The database. It ends by itself what nobody waits for any more, which is why its limits are below `COMMIT`.

/// SQLite waits for a lock.
pub(crate) const BUSY: Duration = Duration::from_millis(1000);
/// PostgreSQL works on a statement.
pub(crate) const STATEMENT: Duration = Duration::from_millis(1000);
/// PostgreSQL waits for the next statement of a transaction.
pub(crate) const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(2);
/// A reader waits for it.
pub(crate) const READ: Duration = Duration::from_secs(2);
/// A batch of the journal waits for it.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// The journal leaves it alone after a failure.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// After the deadline of a query, its connection is closed in peace.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(3);

/// The journal's disk has to be done.
pub(crate) const DISK: Duration = Duration::from_secs(2);
/// Between two looks at whether the open files are still there.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

// The start.

/// The process before this one has ended, so that the journal is free.
pub(crate) const LOCK: Duration = Duration::from_secs(5);
/// The journal is read to see whether it is whole.
pub(crate) const CHECK: Duration = Duration::from_secs(60);
/// The database has answered, or the app doesn't start.
pub(crate) const START: Duration = Duration::from_secs(10);
/// The database has answered, or the app starts with its journal alone.
pub(crate) const START_WITH_JOURNAL: Duration = Duration::from_secs(2);

// The end: `GRACE`, during which a batch of the journal ends, what remains of `DRAIN`, and `CLOSE` are 7 seconds.

/// Clients end what they have begun.
pub(crate) const GRACE: Duration = Duration::from_secs(4);
/// The database says goodbye.
pub(crate) const CLOSE: Duration = Duration::from_secs(2);

// Connections.

/// The first head is there.
pub(crate) const FIRST_HEAD: Duration = Duration::from_secs(5);
/// A later head is there. hyper counts from the answer before it, so this is also how long a connection may be idle:
/// longer than proxies keep theirs, nginx for 60 seconds, or they lose a callback to one that just ends.
pub(crate) const NEXT_HEAD: Duration = Duration::from_secs(75);
