//! `envoi demo`: plays a transcript with real clients and checks everything on the way.

pub mod script;
