//! Test vectors: RFCs, Wycheproof, and our own envelopes.

mod envelope;
mod published;
