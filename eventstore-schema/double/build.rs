//! Compiles the wire contract to message types, with neither `protoc` nor a network.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let protos = ["protos/gossip.proto", "protos/serverfeatures.proto", "protos/streams.proto"];
    let descriptors = protox::compile(protos, ["protos"])?;
    prost_build::Config::new().bytes(["."]).include_file("contract.rs").compile_fds(descriptors)?;
    println!("cargo::rerun-if-changed=protos");
    Ok(())
}
