use std::{
    env, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

use super::Postgres;

/// A pooler in front of a PostgreSQL server, on a Unix socket in a temporary folder.
pub(crate) struct PgBouncer {
    child: Child,
    directory: TempDir,
}

impl PgBouncer {
    /// With more lines of its configuration; `None` if it is not installed.
    pub(crate) fn start(server: &Postgres, lines: &str) -> Option<Self> {
        let program = program()?;
        let directory = TempDir::new().unwrap();
        let folder = directory.path().display();
        let config = directory.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port=5432\n[pgbouncer]\nlisten_port = 6432\n\
             unix_socket_dir = {folder}\nauth_type = trust\nauth_file = {folder}/users\n{lines}\n",
            server.socket().display(),
        );
        fs::write(&config, text).unwrap();
        fs::write(directory.path().join("users"), "\"postgres\" \"\"\n").unwrap();
        let mut command = Command::new(program);
        command
            .arg(config)
            .stderr(Stdio::null())
            .stdout(Stdio::null());
        if let Some((user, group)) = server.user() {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
            command.gid(group).uid(user);
        }
        let child = command.spawn().unwrap();
        let bouncer = Self { child, directory };
        while !bouncer.directory.path().join(".s.PGSQL.6432").exists() {
            sleep(Duration::from_millis(10));
        }
        Some(bouncer)
    }

    pub(crate) fn url(&self) -> String {
        let folder = self.directory.path().display();
        format!("postgres://postgres@localhost:6432/postgres?host={folder}")
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("pgbouncer"))
        // Debian's place, which is not in everybody's path.
        .chain([Path::new("/usr/sbin/pgbouncer").to_owned()])
        .find(|program| program.exists())
}
