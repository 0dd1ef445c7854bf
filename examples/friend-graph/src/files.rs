//! Files that are deleted or replaced while they are open: what is written to them is lost when the process ends.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub(crate) struct OpenFile {
    pub(crate) path: PathBuf,
    /// Which one it was when it was opened.
    opened: OnceLock<Option<Identity>>,
}

/// The device and the inode. They stay the same when a file is renamed.
type Identity = (u64, u64);

impl OpenFile {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            opened: OnceLock::new(),
        }
    }

    /// Remembers which one it is; the first time counts.
    pub(crate) fn opened(&self) {
        self.opened.get_or_init(|| identity(&self.path));
    }

    /// Whether another one, or none, has its name now.
    pub(crate) fn is_gone(&self) -> bool {
        let opened = self.opened.get();
        opened.is_some_and(|opened| *opened != identity(&self.path))
    }
}

#[cfg(unix)]
fn identity(file: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// There, an open file can be neither deleted nor replaced.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<Identity> {
    None
}
