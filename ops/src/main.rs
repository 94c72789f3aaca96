//! The `envoi` binary: everything that people start, on one command line.

mod bench;
mod cli;
mod config;
mod demo;
mod runtime;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Gives memory back that was used in bursts; see `ops/docs/adr/0013-hashing.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
