//! Given / when / then for executing: faults of the log, other writers, repetitions, load.

mod faults;
mod idempotency;
mod order;
mod postgres;
mod property;
mod snapshots;
mod world;
