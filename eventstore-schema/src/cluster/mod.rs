//! A private PostgreSQL server in a directory of ours: unix socket only, made from the distribution's programs.
//!
//! For `envoi dev`, benches and tests. The server outlives the process that started it until [`Cluster::stop`]; starting
//! a running one finds it. A process of root runs the server as another account.

mod account;
mod binaries;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use account::Account;
use binaries::Binaries;
pub use binaries::VERSION_MIN;

/// Name of the superuser inside the cluster.
pub const SUPERUSER: &str = "envoi";
/// Port in the name of the socket; there is no TCP listener.
const PORT: u16 = 5432;
/// Longest path of a unix socket (`sun_path` of `sockaddr_un` without its final zero, unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// How long a start may take: recovering a large log after a crash replays up to `max_wal_size`.
const START_SECONDS_MAX: u32 = 300;
/// How long a stop may take: it writes out what is dirty in the buffers.
const STOP_SECONDS_MAX: u32 = 120;
/// How often a start is tried while processes of a killed server are still going away.
const START_ATTEMPTS_MAX: u32 = 20;
/// Pause between those attempts.
const START_PAUSE: std::time::Duration = std::time::Duration::from_millis(250);

/// Lines of `postmaster.pid` (`pidfile.h` of PostgreSQL's sources), counted from 0.
const PID_LINE: usize = 0;
const STATUS_LINE: usize = 7;

/// What to start.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Where data, settings, log and lock lie. Made if missing.
    pub directory: PathBuf,
    /// Whether commits reach the disk. Off only where losing everything is fine: tests.
    pub durable: bool,
    /// Most connections.
    pub connections_max: u16,
    /// Size of the page cache in MiB.
    pub shared_buffers_mib: u32,
}

impl ClusterConfig {
    /// A durable cluster of a size for one machine.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), durable: true, connections_max: 200, shared_buffers_mib: 256 }
    }
}

/// Whether a server runs in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterStatus {
    /// Nothing was ever made there.
    Absent,
    /// It is there but does not run.
    Stopped,
    /// It runs and takes connections.
    Running,
}

/// Why a cluster does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No programs.
    #[error(
        "no PostgreSQL {VERSION_MIN} or newer is installed: install its server package, on Debian and Ubuntu with \
         `apt-get install postgresql`"
    )]
    NotInstalled,
    /// The data was made by another major version than the ones installed.
    #[error(
        "{directory} was made by PostgreSQL {data}, which is not installed: install it, for example `apt-get install postgresql-{data}`"
    )]
    Version {
        /// The cluster's directory.
        directory: PathBuf,
        /// Version of the data.
        data: u32,
    },
    /// Root has nobody to hand the server to.
    #[error("PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it as")]
    NoAccount,
    /// The account that the server runs as cannot get there.
    #[error("account {account} cannot enter {barrier}: use another directory or allow it with `chmod o+x {barrier}`", barrier = barrier.display())]
    Unreachable {
        /// The account.
        account: String,
        /// The first directory that it cannot pass through.
        barrier: PathBuf,
    },
    /// Somebody else's directory stands where the socket has to be.
    #[error("{0} belongs to another account: remove it")]
    ForeignDirectory(PathBuf),
    /// A file or directory cannot be made, read or changed.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// One of PostgreSQL's programs failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::File { path, source }
}

/// A private server. The handle owns nothing: dropping it leaves the server running.
#[derive(Clone, Debug)]
pub struct Cluster {
    config: ClusterConfig,
    socket_directory: PathBuf,
}

impl Cluster {
    /// Starts the server in a directory, making it first where there is none; finds it when it runs already. Blocks.
    ///
    /// # Errors
    /// Each names what to install or to change.
    pub fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let cluster = Self::at(config)?;
        let _lock = cluster.lock()?;
        if cluster.postmaster_pid().is_some() {
            return cluster.wait_until_ready();
        }
        let account = Self::account()?;
        if let Some(account) = &account
            && let Some(barrier) = account::barrier(&cluster.data_directory())
        {
            return Err(ClusterError::Unreachable { account: account.name.clone(), barrier });
        }
        let binaries = cluster.binaries()?;
        cluster.make_socket_directory(account.as_ref())?;
        if !cluster.is_initialized() {
            cluster.initialize(&binaries, account.as_ref())?;
        }
        cluster.write_settings(account.as_ref())?;
        cluster.launch(&binaries, account.as_ref())?;
        Ok(cluster)
    }

    /// The cluster of a directory, started or not.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn at(mut config: ClusterConfig) -> Result<Self, ClusterError> {
        fs::create_dir_all(&config.directory).map_err(at(&config.directory))?;
        config.directory = config.directory.canonicalize().map_err(at(&config.directory))?;
        let socket_directory = socket_directory(&config.directory);
        Ok(Self { config, socket_directory })
    }

    /// Whether the server's account could get into a directory; always so unless the process is root's.
    pub fn is_reachable(directory: &Path) -> bool {
        match account::server_account() {
            Ok(Some(_)) => account::barrier(&directory.join("data")).is_none(),
            Ok(None) | Err(_) => true,
        }
    }

    /// Whether it runs.
    pub fn status(&self) -> ClusterStatus {
        if self.is_ready() {
            ClusterStatus::Running
        } else if self.is_initialized() {
            ClusterStatus::Stopped
        } else {
            ClusterStatus::Absent
        }
    }

    /// Stops the server, ending its sessions; nothing to do when it does not run. Blocks.
    ///
    /// # Errors
    /// When it does not stop.
    pub fn stop(&self) -> Result<(), ClusterError> {
        let _lock = self.lock()?;
        if self.postmaster_pid().is_none() {
            return Ok(());
        }
        let account = Self::account()?;
        let mut command = account::command(&self.binaries()?.program("pg_ctl"), account.as_ref());
        command.arg("stop").arg("-D").arg(self.data_directory());
        command.args(["-m", "fast", "-w", "-t", &STOP_SECONDS_MAX.to_string()]);
        run("pg_ctl stop", &mut command)
    }

    /// Stops the server and removes the whole directory.
    ///
    /// # Errors
    /// When it does not stop or something cannot be removed.
    pub fn destroy(self) -> Result<(), ClusterError> {
        self.stop()?;
        if self.socket_directory.exists() {
            fs::remove_dir_all(&self.socket_directory).map_err(at(&self.socket_directory))?;
        }
        fs::remove_dir_all(&self.config.directory).map_err(at(&self.config.directory))
    }

    /// Process id of the server, if one is on record and alive. Its socket says nothing: processes that a killed server
    /// leaves behind hold it open for a moment.
    pub fn postmaster_pid(&self) -> Option<u32> {
        let pid = self.postmaster_line(PID_LINE)?.parse().ok()?;
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let data = self.data_directory();
        let data = data.as_os_str().as_encoded_bytes();
        command.split(|byte| *byte == 0).any(|argument| argument == data).then_some(pid)
    }

    fn postmaster_line(&self, line: usize) -> Option<String> {
        let file = fs::read_to_string(self.data_directory().join("postmaster.pid")).ok()?;
        file.lines().nth(line).map(|line| line.trim().to_owned())
    }

    fn is_ready(&self) -> bool {
        self.postmaster_pid().is_some() && self.postmaster_line(STATUS_LINE).as_deref() == Some("ready")
    }

    /// Waits for a server that somebody else has started and that may still be recovering.
    fn wait_until_ready(self) -> Result<Self, ClusterError> {
        let pauses = u128::from(START_SECONDS_MAX) * 1_000 / START_PAUSE.as_millis();
        for _ in 0..pauses {
            if self.is_ready() {
                return Ok(self);
            }
            std::thread::sleep(START_PAUSE);
        }
        Err(ClusterError::Program { program: "postgres", output: self.last_words() })
    }

    /// How to connect to one of its databases, as superuser.
    pub fn config(&self, database: &str) -> crate::database::Config {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.socket_directory).port(PORT).user(SUPERUSER).dbname(database);
        config.into()
    }

    /// The same as a URL.
    pub fn url(&self, database: &str) -> String {
        let host: String = self
            .socket_directory
            .to_string_lossy()
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect();
        format!("postgresql://{SUPERUSER}@{host}:{PORT}/{database}")
    }

    /// Makes a database unless it is there.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn ensure_database(&self, name: &str) -> Result<(), tokio_postgres::Error> {
        let client = crate::database::connect(&self.config("postgres")).await?;
        let found = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&name]).await?;
        if found.is_none() {
            let name = name.replace('"', "\"\"");
            client.batch_execute(&format!("CREATE DATABASE \"{name}\"")).await?;
        }
        Ok(())
    }

    /// Where the server writes what it has to say.
    pub fn log_file(&self) -> PathBuf {
        self.data_directory().join("server.log")
    }

    /// Where the data lies.
    pub fn data_directory(&self) -> PathBuf {
        self.config.directory.join("data")
    }

    fn account() -> Result<Option<Account>, ClusterError> {
        match account::server_account() {
            Ok(Some(account)) => Ok(Some(account)),
            Ok(None) if fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0) => {
                Err(ClusterError::NoAccount)
            }
            Ok(None) => Ok(None),
            Err(source) => Err(ClusterError::File { path: "/etc/passwd".into(), source }),
        }
    }

    /// Waits for other processes that start or stop this cluster.
    fn lock(&self) -> Result<File, ClusterError> {
        let path = self.config.directory.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    fn is_initialized(&self) -> bool {
        self.data_directory().join("PG_VERSION").is_file()
    }

    /// The programs of the version that made the data, else the newest.
    fn binaries(&self) -> Result<Binaries, ClusterError> {
        let installed = binaries::installed();
        let path = self.data_directory().join("PG_VERSION");
        let data: Option<u32> = fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok());
        match data {
            Some(data) => installed
                .into_iter()
                .find(|one| one.version == data)
                .ok_or_else(|| ClusterError::Version { directory: self.config.directory.clone(), data }),
            None => installed.into_iter().next().ok_or(ClusterError::NotInstalled),
        }
    }

    fn make_socket_directory(&self, account: Option<&Account>) -> Result<(), ClusterError> {
        let path = &self.socket_directory;
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => account::hand_over(path, account).map_err(at(path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path).map_err(at(path))?;
                let process = fs::metadata("/proc/self").map_err(at(Path::new("/proc/self")))?;
                let ours = found.uid() == account.map_or(process.uid(), |account| account.uid);
                if found.is_dir() && ours {
                    Ok(())
                } else {
                    Err(ClusterError::ForeignDirectory(path.clone()))
                }
            }
            Err(error) => Err(at(path)(error)),
        }
    }

    /// Makes the data directory beside its place and moves it there whole, so that a start that dies leaves nothing half
    /// made.
    fn initialize(&self, binaries: &Binaries, account: Option<&Account>) -> Result<(), ClusterError> {
        let half_made = self.config.directory.join("data.new");
        if half_made.exists() {
            fs::remove_dir_all(&half_made).map_err(at(&half_made))?;
        }
        fs::DirBuilder::new().mode(0o700).create(&half_made).map_err(at(&half_made))?;
        account::hand_over(&half_made, account).map_err(at(&half_made))?;
        let mut command = account::command(&binaries.program("initdb"), account);
        command.arg("-D").arg(&half_made).args(["-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject"]);
        command.args(["--encoding=UTF8", "--locale=C"]);
        if !self.config.durable {
            command.arg("--no-sync");
        }
        run("initdb", &mut command)?;
        let path = half_made.join("postgresql.conf");
        let mut file = File::options().append(true).open(&path).map_err(at(&path))?;
        file.write_all(b"\ninclude 'envoi.conf'\n").map_err(at(&path))?;
        let data = self.data_directory();
        fs::rename(&half_made, &data).map_err(at(&data))
    }

    fn write_settings(&self, account: Option<&Account>) -> Result<(), ClusterError> {
        let path = self.data_directory().join("envoi.conf");
        let socket_directory = self.socket_directory.to_string_lossy().replace('\'', "''");
        let durability = if self.config.durable {
            "fsync = on\nsynchronous_commit = on\nwal_level = replica\n"
        } else {
            "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nwal_level = minimal\nmax_wal_senders = 0\n"
        };
        let text = format!(
            "# Written at every start.\n\
             listen_addresses = ''\n\
             port = {PORT}\n\
             unix_socket_directories = '{socket_directory}'\n\
             unix_socket_permissions = 0700\n\
             max_connections = {connections}\n\
             shared_buffers = {buffers}MB\n\
             {durability}\
             max_wal_size = 2GB\n\
             checkpoint_timeout = 15min\n\
             wal_compression = on\n\
             jit = off\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             log_line_prefix = '%m [%p] %q%u@%d '\n",
            connections = self.config.connections_max,
            buffers = self.config.shared_buffers_mib,
        );
        fs::write(&path, text).map_err(at(&path))?;
        account::hand_over(&path, account).map_err(at(&path))
    }

    fn launch(&self, binaries: &Binaries, account: Option<&Account>) -> Result<(), ClusterError> {
        let mut attempt = 1;
        loop {
            let mut command = account::command(&binaries.program("pg_ctl"), account);
            command.arg("start").arg("-D").arg(self.data_directory()).arg("-l").arg(self.log_file());
            command.args(["-s", "-w", "-t", &START_SECONDS_MAX.to_string()]);
            match run("pg_ctl start", &mut command) {
                Ok(()) => return Ok(()),
                Err(ClusterError::Program { program, output }) => {
                    let log = self.last_words();
                    let leftovers = log.contains("is still in use") || log.contains("already exists");
                    if !leftovers || attempt == START_ATTEMPTS_MAX {
                        let output = format!("{output}; the end of {}: {log}", self.log_file().display());
                        return Err(ClusterError::Program { program, output });
                    }
                }
                Err(error) => return Err(error),
            }
            attempt += 1;
            std::thread::sleep(START_PAUSE);
        }
    }

    /// The last lines of the server's log.
    fn last_words(&self) -> String {
        const LINES: usize = 5;
        let log = fs::read_to_string(self.log_file()).unwrap_or_default();
        let mut lines: Vec<_> = log.lines().rev().take(LINES).collect();
        lines.reverse();
        lines.join("\n")
    }
}

fn socket_name() -> String {
    format!(".s.PGSQL.{PORT}")
}

/// Beside the data; in the directory for temporary files where that path would be too long for a socket.
fn socket_directory(directory: &Path) -> PathBuf {
    let near = directory.join("socket");
    if near.join(socket_name()).as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return near;
    }
    let hash = blake3::hash(directory.as_os_str().as_encoded_bytes()).to_hex();
    std::env::temp_dir().join(format!("envoi-{}", hash.chars().take(16).collect::<String>()))
}

fn run(program: &'static str, command: &mut Command) -> Result<(), ClusterError> {
    let output = command.output().map_err(at(Path::new(command.get_program())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stderr, output.stdout].concat();
    Err(ClusterError::Program { program, output: String::from_utf8_lossy(&said).trim().to_owned() })
}
