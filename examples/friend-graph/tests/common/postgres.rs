use std::{
    env, fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

/// A PostgreSQL server of the test's own, in a temporary folder and on a Unix socket there.
pub(crate) struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    /// Who runs it if the test is run by root, as whom PostgreSQL won't run.
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let directory = TempDir::new().unwrap();
        let user = match directory.path().metadata().unwrap().uid() {
            0 => Some(unprivileged_user()),
            _ => None,
        };
        let postgres = Self {
            programs: programs()?,
            directory,
            user,
        };
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(postgres.socket(), Some(user), Some(group)).unwrap();
        }
        let data = postgres.data();
        let arguments = ["--pgdata", &data, "--auth", "trust"];
        postgres.run(
            "initdb",
            &[&arguments[..], &["-U", "postgres", "-E", "UTF8"]].concat(),
        );
        postgres.start_again();
        // It may do no more than it has to.
        postgres.psql("CREATE ROLE app LOGIN; GRANT CREATE ON SCHEMA public TO app");
        Some(postgres)
    }

    /// For the test itself.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.socket()).replace("//app@", "//postgres@")
    }

    /// For the app, in the folder of a proxy's socket, or the server's own.
    pub(crate) fn url_at(&self, socket: &Path) -> String {
        let socket = socket.display();
        format!("postgres://app@localhost/postgres?host={socket}")
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> &Path {
        self.directory.path()
    }

    /// Who runs it, if that isn't who runs the test.
    pub(crate) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }

    /// At once and without asking its clients.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["stop", "-D", &self.data(), "-m", "immediate"]);
    }

    pub(crate) fn start_again(&self) {
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={}",
            self.socket().display()
        );
        let log = self.directory.path().join("log").display().to_string();
        let data = self.data();
        self.run(
            "pg_ctl",
            &["start", "-w", "-D", &data, "-l", &log, "-o", &options],
        );
    }

    pub(crate) fn psql(&self, statements: &str) {
        let url = self.url();
        self.run("psql", &["--quiet", "--command", statements, &url]);
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.status(program, arguments);
        assert!(status.success(), "{program} {arguments:?}: {status}");
    }

    fn status(&self, program: &str, arguments: &[&str]) -> ExitStatus {
        // A folder with links to the server's programs may have no psql.
        let mut command = Command::new(match self.programs.join(program) {
            file if file.exists() => file,
            _ => program.into(),
        });
        command.args(arguments).current_dir(self.directory.path());
        if let Some((user, group)) = self.user {
            command.gid(group).uid(user);
        }
        // A server that was started keeps what it has been given open.
        command.stdout(Stdio::null()).status().unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.status("pg_ctl", &["stop", "-D", &self.data(), "-m", "immediate"]);
        }
    }
}

/// The folder of PostgreSQL's programs, which Debian has outside of the path.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = versions.flatten().map(|version| version.path().join("bin"));
    env::split_paths(&path)
        .chain(debian)
        .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
}

fn unprivileged_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name| {
        let user = users.lines().find_map(|user| user.strip_prefix(name))?;
        let mut fields = user.split(':').skip(1).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    let user = find("postgres:").or_else(|| find("nobody:"));
    user.expect("there is a user for PostgreSQL")
}
