//! Change the profile.

use crate::account::{Account, AccountEvent, AccountProfile, ProfileChanged};
use crate::aggregate::{Context, Draft};
use crate::rejection::Rejection;
use crate::text::{check_locale, check_name};

/// Replaces the profile. Only the account itself may.
#[derive(Clone, Debug)]
pub struct ChangeProfile {
    /// The new one.
    pub profile: AccountProfile,
}

impl ChangeProfile {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.owner(context)?;
        check_profile(&self.profile)?;
        Ok(vec![Draft::sealed(ProfileChanged { account_id }, self.profile.clone(), account_id)])
    }
}

pub(super) fn check_profile(profile: &AccountProfile) -> Result<(), Rejection> {
    check_name("display_name", &profile.display_name)?;
    profile.locale.as_deref().map_or(Ok(()), |locale| check_locale("locale", locale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{ANN, BEN, confirmed};
    use crate::testing::{by, given, when};

    fn change(display_name: &str, locale: Option<&str>) -> ChangeProfile {
        let locale = locale.map(str::to_owned);
        ChangeProfile { profile: AccountProfile { display_name: display_name.into(), locale } }
    }

    #[test]
    fn the_account_changes_its_profile_nobody_else_does() {
        let state = given::<Account>(confirmed());
        let events = when(&state, change("Ann B.", Some("de-CH")), &by(ANN));
        assert_eq!(events, Ok(vec![ProfileChanged { account_id: ANN }.into()]));
        assert_eq!(when(&state, change("Ann", None), &by(BEN)), Err(Rejection::AccountNotFound));
    }

    #[test]
    fn names_and_languages_are_checked() {
        let state = given::<Account>(confirmed());
        for (command, wrong) in [(change(" Ann", None), "display_name"), (change("Ann", Some("?")), "locale")]
        {
            let answer = when(&state, command, &by(ANN));
            assert!(matches!(answer, Err(Rejection::InvalidField { field, .. }) if field == wrong));
        }
    }
}
