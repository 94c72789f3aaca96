//! The caller's own account.

pub mod change_metadata;
pub mod change_password;
pub mod change_profile;
pub mod get_me;
