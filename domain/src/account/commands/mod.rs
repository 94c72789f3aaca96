//! What can be asked of an account.

mod change_metadata;
mod change_profile;
mod confirm_email;
mod lock_login;
mod register;
mod request_email_confirmation;
mod request_password_reset;
mod set_password;

pub use change_metadata::ChangeMetadata;
pub use change_profile::ChangeProfile;
pub use confirm_email::ConfirmEmail;
pub use lock_login::LockLogin;
pub use register::Register;
pub use request_email_confirmation::RequestEmailConfirmation;
pub use request_password_reset::RequestPasswordReset;
pub use set_password::SetPassword;

use crate::command::commands;

use super::{Account, AccountEvent};

commands! {
    /// A command to an account.
    pub enum AccountCommand to Account yielding AccountEvent {
        Register(Register);
        RequestEmailConfirmation(RequestEmailConfirmation);
        ConfirmEmail(ConfirmEmail);
        SetPassword(SetPassword);
        RequestPasswordReset(RequestPasswordReset);
        ChangeProfile(ChangeProfile);
        ChangeMetadata(ChangeMetadata);
        LockLogin(LockLogin);
    }
}
