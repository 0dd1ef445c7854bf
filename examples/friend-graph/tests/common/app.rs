use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use sqlx::{AnyConnection, Connection, Executor};
use tempfile::{NamedTempFile, TempDir};
use tokio::time::{sleep, timeout};

use super::Database;

/// The app, as a process of its own.
pub(crate) struct App {
    child: Child,
    log: NamedTempFile,
    /// Such as `http://127.0.0.1:3000`.
    pub(crate) url: String,
    settings: Vec<(String, String)>,
    /// Where its journal is.
    folder: TempDir,
}

impl App {
    pub(crate) fn start(database: &Database) -> Self {
        Self::start_with(database, &[])
    }

    /// Whether a callback is committed is seen by its answer.
    pub(crate) fn start_without_journal(database: &Database) -> Self {
        Self::start_with(database, &[("JOURNAL", "off")])
    }

    pub(crate) fn start_with(database: &Database, settings: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().unwrap(), database, settings)
    }

    /// With its journal in this folder.
    pub(crate) fn start_in(
        folder: TempDir,
        database: &Database,
        settings: &[(&str, &str)],
    ) -> Self {
        let journal = folder.path().join("journal").display().to_string();
        let mut all = vec![
            ("DATABASE_URL".to_owned(), database.app_url()),
            ("ADDR".to_owned(), "127.0.0.1:0".to_owned()),
            ("JOURNAL".to_owned(), journal),
        ];
        let settings = settings.iter().copied();
        all.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let (child, log, url) = spawn(&all);
        Self {
            child,
            log,
            url,
            settings: all,
            folder,
        }
    }

    /// Starts it without any settings. A file that may not grow is an error to it, and no signal.
    pub(crate) fn command() -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$0\""]);
        // Beside the folder of the tests, whatever the package is called.
        let tests = env::current_exe().unwrap();
        let programs = tests.parent().and_then(Path::parent).unwrap();
        command.arg(programs.join(env!("CARGO_PKG_NAME")));
        for setting in [
            "ADDR",
            "CALLBACK_TOKEN",
            "DATABASE_URL",
            "JOURNAL",
            "RUST_LOG",
            "SDK_APP_ID",
        ] {
            command.env_remove(setting);
        }
        command
    }

    /// The one line with which it ends instead of starting.
    pub(crate) fn fails_to_start(settings: &[(&str, &str)]) -> String {
        let folder = TempDir::new().unwrap();
        // If it starts all the same, it ends at once.
        let output = Self::command()
            .current_dir(folder.path())
            .env("ADDR", "nowhere")
            .env("JOURNAL", "off")
            .envs(settings.iter().copied())
            .output()
            .unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{settings:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{settings:?}: {line}");
        assert!(output.stdout.is_empty());
        line
    }

    /// Ends it at once, so that it can do nothing more.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again at the same address, after it has ended.
    pub(crate) fn restart(&mut self) {
        let address = self.address().to_owned();
        self.settings.push(("ADDR".to_owned(), address));
        (self.child, self.log, self.url) = spawn(&self.settings);
    }

    pub(crate) fn kill_and_restart(&mut self) {
        self.kill();
        self.restart();
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        terminate(&self.child);
    }

    pub(crate) fn address(&self) -> &str {
        self.url.split_once("//").unwrap().1
    }

    /// How large the files that it writes may become; `unlimited` ends that.
    pub(crate) fn limit_files(&self, bytes: &str) {
        let id = self.child.id().to_string();
        let limit = format!("--fsize={bytes}:unlimited");
        let status = Command::new("prlimit")
            .args(["--pid", &id, &limit])
            .status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Only when it has ended.
    pub(crate) async fn run_on_journal(&self, sql: &'static str) {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite:{}", self.journal().display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) fn threads(&self) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        threads.unwrap().count()
    }

    /// Panics if it does not end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        for _ in 0..600 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("the app does not stop: {}", self.log());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Waits until the database has what was in the journal.
    pub(crate) async fn settle(&self) {
        self.wait_for_metric("spooled", 0.0).await;
    }

    /// A sample of `/metrics`, such as `callbacks_total{outcome="failed"}`; 0 if there is none.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").await.text().await.unwrap();
        let name = format!("_{name} ");
        let sample = |line: &str| line.split_once(&name)?.1.parse().ok();
        text.lines().find_map(sample).unwrap_or_default()
    }

    /// Panics if it does not come to that.
    pub(crate) async fn wait_for_metric(&self, name: &str, value: f64) {
        self.wait(&format!("{name} is never {value}"), async || {
            self.metric(name).await == value
        })
        .await;
    }

    /// Waits for a line of the log with these words.
    pub(crate) async fn wait_for_line(&self, words: &[&str]) {
        let has_all = |line: &str| words.iter().all(|word| line.contains(word));
        self.wait(&format!("no line has {words:?}"), async || {
            self.log().lines().any(has_all)
        })
        .await;
    }

    pub(crate) async fn wait_for_health(&self, status: u16) {
        self.wait(&format!("/healthz is never {status}"), async || {
            self.get("/healthz").await.status() == status
        })
        .await;
    }

    pub(crate) async fn wait(&self, otherwise: &str, is_so: impl AsyncFn() -> bool) {
        let wait = async {
            while !is_so().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(Duration::from_secs(60), wait).await;
        in_time.unwrap_or_else(|_| panic!("{otherwise}: {}", self.log()));
    }
}

fn spawn(settings: &[(String, String)]) -> (Child, NamedTempFile, String) {
    let log = NamedTempFile::new().unwrap();
    let mut child = App::command()
        .envs(settings.iter().cloned())
        .stdout(Stdio::piped())
        .stderr(File::create(log.path()).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let url = line.strip_prefix("Listening on ");
    let url = url.and_then(|url| url.strip_suffix("/callback\n"));
    let Some(url) = url.map(str::to_owned) else {
        let log = fs::read_to_string(log.path()).unwrap();
        panic!("the app does not start: {line}{log}");
    };
    (child, log, url)
}

pub(crate) fn terminate(process: &Child) {
    let id = process.id().to_string();
    let status = Command::new("kill").args(["-TERM", &id]).status();
    assert!(status.unwrap().success());
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
