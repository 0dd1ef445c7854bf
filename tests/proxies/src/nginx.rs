use std::{
    env, fs,
    io::{self, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

/// The configuration that the larger example recommends.
const SHIPPED: &str = include_str!("../../../examples/friend-graph/nginx.conf");

/// How nginx is configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Configuration {
    /// nginx's own defaults: HTTP/1.0, a connection for each request, `max_fails=1`.
    Defaults,
    /// As shipped, with kept connections, but with the default of `max_fails`.
    MaxFails,
    Shipped,
}

/// An nginx of one process.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) socket: PathBuf,
    // nginx spools bodies of more than 16 KB here.
    _directory: TempDir,
}

impl Nginx {
    pub(crate) fn start(configuration: Configuration, replicas: &[SocketAddr]) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("nginx.conf");
        let socket = directory.path().join("socket");
        fs::write(&file, configuration.text(&socket, replicas)).unwrap();
        let mut command = Command::new(program().unwrap());
        command.args(["-e", "stderr", "-p"]).arg(directory.path());
        let mut child = command.arg("-c").arg(file).spawn().unwrap();
        while UnixStream::connect(&socket).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "nginx has ended");
            sleep(Duration::from_millis(10));
        }
        Self {
            child,
            socket,
            _directory: directory,
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without nginx a test is skipped, but not in CI.
pub(crate) fn is_installed() -> bool {
    let is_installed = program().is_some();
    if !is_installed {
        assert!(env::var_os("CI").is_none(), "nginx is not installed");
        // `println` is not shown if a test passes.
        let _ = writeln!(io::stderr(), "skipped: nginx is not installed");
    }
    is_installed
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join("nginx"))
        // Debian installs it here, which is not in every user's path.
        .chain([Path::new("/usr/sbin/nginx").to_owned()])
        .find(|program| program.exists())
}

impl Configuration {
    fn text(self, socket: &Path, replicas: &[SocketAddr]) -> String {
        let servers = match self {
            Self::Defaults => defaults(socket, replicas),
            Self::MaxFails => shipped(socket, replicas).replace(" max_fails=0", ""),
            Self::Shipped => shipped(socket, replicas),
        };
        format!(
            "daemon off;\nmaster_process off;\npid pid;\nerror_log stderr emerg;\nevents {{}}\n\
             http {{\naccess_log off;\nclient_body_temp_path body;\nproxy_temp_path proxy;\n\
             fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\nscgi_temp_path scgi;\n{servers}}}\n"
        )
    }
}

fn defaults(socket: &Path, replicas: &[SocketAddr]) -> String {
    let servers = replicas
        .iter()
        .map(|replica| format!("server {replica};\n"));
    format!(
        "upstream replicas {{\n{}}}\n\
         server {{\nlisten unix:{};\nlocation / {{ proxy_pass http://replicas; }}\n}}\n",
        servers.collect::<String>(),
        socket.display(),
    )
}

/// Leaves out TLS, and the time limits, so that no outcome depends on how busy the machine is.
fn shipped(socket: &Path, replicas: &[SocketAddr]) -> String {
    let mut text = String::new();
    for line in SHIPPED.lines() {
        let directive = line.trim_start();
        if directive.starts_with("server 127.0.0.1:3000") {
            for replica in replicas {
                text += &line.replace("127.0.0.1:3000", &replica.to_string());
                text.push('\n');
            }
        } else if directive.starts_with("listen ") {
            text += &format!("listen unix:{};\n", socket.display());
        } else if !directive.starts_with("ssl_") && !directive.contains("_timeout ") {
            text += line;
            text.push('\n');
        }
    }
    text
}
