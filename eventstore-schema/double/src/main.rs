//! Runs a double of EventStoreDB on a port, for benchmarks and demonstrations.

use std::error::Error;
use std::net::SocketAddr;

use clap::Parser;
use eventstore_double::{DEFAULT_MAX_APPEND_BYTES, Double, DoubleConfig};
use tokio::signal::unix::{SignalKind, signal};

/// A double of an EventStoreDB server: the protocol and its semantics, the log in memory only.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:2113")]
    listen: SocketAddr,
    /// The largest append, in bytes.
    #[arg(long, default_value_t = DEFAULT_MAX_APPEND_BYTES)]
    max_append_size: u64,
    /// The one user that is let in; everybody when none is named.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// That user's password.
    #[arg(long, requires = "user", env = "EVENTSTORE_DOUBLE_PASSWORD", hide_env_values = true)]
    password: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = DoubleConfig {
        listen: args.listen,
        max_append_bytes: args.max_append_size,
        credentials: args.user.zip(args.password),
        ..DoubleConfig::default()
    };
    let mut double = Double::start(config).await?;
    eprintln!("a double of EventStoreDB: the log is in memory only and ends with this process");
    println!("{}", double.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    double.stop().await;
    Ok(())
}
