//! A server in a process of its own, so that its share of the machine can be told from the generator's.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{self, Command};

use crate::cli::CliError;
use crate::runtime::scratch::Scratch;

/// How long the server may take to answer.
const START_WAIT_MAX: Duration = Duration::from_secs(60);
/// Clock ticks a second of `/proc`: fixed at 100 on Linux for user space.
const TICKS_PER_SECOND: f64 = 100.0;

/// The server's process.
pub struct Child {
    process: process::Child,
    pid: u32,
    url: String,
}

fn free_address() -> Result<SocketAddr, CliError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| CliError::failed("a free port").because(&error))
}

impl Child {
    /// Starts this binary as `serve` over the installation and waits until it answers. One that joins others is known by
    /// their public address, which its tokens name.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(scratch: &Scratch, joined: Option<&Child>) -> Result<Self, CliError> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            CliError::failed("the server did not start").because(error)
        };
        let mut config = scratch.configuration();
        config.server.listen = free_address()?;
        config.server.metrics_listen = free_address()?;
        let url = format!("http://{}", config.server.listen);
        config.server.public_url = joined.map_or_else(|| url.clone(), |other| other.url.clone());
        let file = scratch.private().write_configuration(&config)?;
        let binary = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut process = Command::new(binary)
            .arg("--config")
            .arg(file)
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        let pid = process.id().ok_or_else(|| CliError::failed("the server ended at once"))?;
        let answers = async {
            while tokio::net::TcpStream::connect(config.server.listen).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            ended = process.wait() => {
                let status = ended.map_err(|error| failed(&error))?;
                return Err(CliError::failed(format!("the server ended with {status}")));
            }
            answers = tokio::time::timeout(START_WAIT_MAX, answers) => answers.map_err(|error| failed(&error))?,
        }
        Ok(Self { process, pid, url })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks it to stop and waits; ends it when it does not.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn stop(mut self) -> Result<(), CliError> {
        let failed = |error: &(dyn std::error::Error + 'static)| {
            CliError::failed("the server did not stop").because(error)
        };
        let asked = Command::new("kill").arg(self.pid.to_string()).status().await;
        asked.map_err(|error| failed(&error))?;
        if tokio::time::timeout(START_WAIT_MAX, self.process.wait()).await.is_err() {
            self.process.kill().await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

/// CPU seconds of a process, its children that are gone, and its children that live; 0 when it cannot be told.
pub fn cpu_seconds(pid: u32) -> f64 {
    let Some((_, own)) = read_stat(pid) else { return 0.0 };
    let children: f64 = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(read_stat)
        .filter(|(parent, _)| *parent == pid)
        .map(|(_, seconds)| seconds)
        .sum();
    own + children
}

/// Parent and CPU seconds of a process (`proc(5)`, `stat`: fields 4 and 14 to 17).
fn read_stat(pid: u32) -> Option<(u32, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, which may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let parent = fields.get(1)?.parse().ok()?;
    let ticks: u64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some((parent, ticks as f64 / TICKS_PER_SECOND))
}

/// Resident memory of a process, in bytes (`proc(5)`, `status`: `VmRSS`).
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64, CliError> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| CliError::failed("the memory of a process").because(&error))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1_024).ok_or_else(|| CliError::failed("a process does not tell its memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_cpu_and_knows_its_parent() {
        let mut sum = 0_u64;
        while cpu_seconds(std::process::id()) < 0.02 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(resident_bytes(std::process::id()).unwrap() > 1_000_000);
        assert_eq!(read_stat(std::process::id()).unwrap().0, std::os::unix::process::parent_id());
    }
}
