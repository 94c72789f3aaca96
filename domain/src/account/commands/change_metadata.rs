//! Change phone and address.

use crate::account::{Account, AccountEvent, AccountMetadata, MetadataChanged};
use crate::aggregate::{Context, Draft};
use crate::rejection::Rejection;
use crate::text::{check_address, check_phone};

/// Replaces phone and address. Only the account itself may.
#[derive(Clone, Debug)]
pub struct ChangeMetadata {
    /// The new ones.
    pub metadata: AccountMetadata,
}

impl ChangeMetadata {
    pub(super) fn decide(
        &self,
        state: &Account,
        context: &Context,
    ) -> Result<Vec<Draft<AccountEvent>>, Rejection> {
        let account_id = state.owner(context)?;
        self.metadata.phone.as_deref().map_or(Ok(()), |phone| check_phone("phone", phone))?;
        self.metadata.address.as_deref().map_or(Ok(()), |address| check_address("address", address))?;
        Ok(vec![Draft::sealed(MetadataChanged { account_id }, self.metadata.clone(), account_id)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{ANN, BEN, confirmed};
    use crate::testing::{by, given, when};

    fn change(phone: Option<&str>, address: Option<&str>) -> ChangeMetadata {
        let own = |text: Option<&str>| text.map(str::to_owned);
        ChangeMetadata { metadata: AccountMetadata { phone: own(phone), address: own(address) } }
    }

    #[test]
    fn the_account_changes_them_or_leaves_them_out() {
        let state = given::<Account>(confirmed());
        for command in [change(Some("+4930123456"), Some("1 Main St\nTown")), change(None, None)] {
            let events = when(&state, command, &by(ANN));
            assert_eq!(events, Ok(vec![MetadataChanged { account_id: ANN }.into()]));
        }
        assert_eq!(when(&state, change(None, None), &by(BEN)), Err(Rejection::AccountNotFound));
    }

    #[test]
    fn both_are_checked() {
        let state = given::<Account>(confirmed());
        for (command, wrong) in [(change(Some("12"), None), "phone"), (change(None, Some("")), "address")] {
            let answer = when(&state, command, &by(ANN));
            assert!(matches!(answer, Err(Rejection::InvalidField { field, .. }) if field == wrong));
        }
    }
}
