//! Change what an organization tells of itself.

use crate::aggregate::{Context, Draft};
use crate::organization::{Organization, OrganizationEvent, OrganizationProfile, OrganizationProfileChanged};
use crate::rejection::Rejection;
use crate::text::check_name;

/// Replaces what the organization tells of itself. Owners and admins may.
#[derive(Clone, Debug)]
pub struct ChangeOrganizationProfile {
    /// The new profile.
    pub profile: OrganizationProfile,
}

impl ChangeOrganizationProfile {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let (organization_id, ..) = state.manager(context)?;
        check_name("name", &self.profile.name)?;
        let changed = OrganizationProfileChanged { organization_id };
        Ok(vec![Draft::sealed(changed, self.profile.clone(), organization_id)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organization::tests::{
        ADMIN, AUDITOR, GUEST, MEMBER, OFFICER, ORGANIZATION, OWNER, STRANGER, populated,
    };
    use crate::testing::{by, when};

    fn change(name: &str) -> ChangeOrganizationProfile {
        ChangeOrganizationProfile { profile: OrganizationProfile { name: name.into() } }
    }

    #[test]
    fn owners_and_admins_change_it() {
        let state = populated();
        let changed = OrganizationProfileChanged { organization_id: ORGANIZATION };
        for actor in [OWNER, ADMIN] {
            assert_eq!(when(&state, change("New"), &by(actor)), Ok(vec![changed.clone().into()]));
        }
        for actor in [OFFICER, AUDITOR, MEMBER, GUEST] {
            assert_eq!(when(&state, change("New"), &by(actor)), Err(Rejection::RoleInsufficient));
        }
        let answer = when(&state, change("New"), &by(STRANGER));
        assert_eq!(answer, Err(Rejection::OrganizationNotFound));
        let answer = when(&state, change("a\u{0}"), &by(OWNER));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "name", .. })));
    }
}
