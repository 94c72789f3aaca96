//! The message types of the wire contract, generated from `protos/`.

#![allow(missing_docs, clippy::all)]

include!(concat!(env!("OUT_DIR"), "/contract.rs"));

pub(crate) use event_store::client::{Empty, StreamIdentifier, Uuid, gossip, server_features, streams, uuid};
