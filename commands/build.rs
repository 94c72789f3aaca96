//! Rebuilds the crate when a migration is added: the macro that embeds them does not watch their directory.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
