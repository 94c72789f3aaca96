//! The `envoi` binary: everything that people start, on one command line.

mod bench;
mod cli;
mod config;
mod runtime;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
