//! The `envoi` binary: everything that people start, on one command line.

mod bench;
mod cli;
mod config;
mod demo;
mod runtime;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
