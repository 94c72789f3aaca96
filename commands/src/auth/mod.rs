//! Proving who somebody is: passwords and tokens.

pub mod access_token;
pub mod attempts;
pub mod email_token;
pub mod password;
pub mod refresh_token;
