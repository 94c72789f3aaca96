//! Given / when / then for executing: faults of the log, other writers, repetitions, load.

mod cached;
mod conditions;
mod faults;
mod idempotency;
mod memory;
mod nodes;
mod order;
mod property;
mod runtimes;
mod snapshots;
mod world;
