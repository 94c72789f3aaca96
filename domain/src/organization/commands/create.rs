//! Create an organization.

use crate::OrganizationId;
use crate::aggregate::{Context, Draft};
use crate::organization::{
    Organization, OrganizationCreated, OrganizationEvent, OrganizationMemberJoined, OrganizationProfile,
    OrganizationRole,
};
use crate::rejection::Rejection;
use crate::text::check_name;

/// Founds the organization; whoever gives the command becomes its owner.
#[derive(Clone, Debug)]
pub struct CreateOrganization {
    /// The new organization.
    pub organization_id: OrganizationId,
    /// What it tells of itself.
    pub profile: OrganizationProfile,
}

impl CreateOrganization {
    pub(super) fn decide(
        &self,
        state: &Organization,
        context: &Context,
    ) -> Result<Vec<Draft<OrganizationEvent>>, Rejection> {
        let founder = context.account()?;
        if state.id().is_some() {
            return Err(Rejection::OrganizationExists);
        }
        check_name("name", &self.profile.name)?;
        let organization_id = self.organization_id;
        Ok(vec![
            Draft::sealed(
                OrganizationCreated { organization_id, founder },
                self.profile.clone(),
                organization_id,
            ),
            Draft::open(OrganizationMemberJoined {
                organization_id,
                account_id: founder,
                role: OrganizationRole::Owner,
                invitation_id: None,
            }),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Actor, Aggregate};
    use crate::organization::tests::{ORGANIZATION, OWNER, STRANGER, create, founded};
    use crate::testing::{as_actor, by, given, when};

    #[test]
    fn the_founder_becomes_owner() {
        assert_eq!(when(&Organization::default(), create(), &by(OWNER)), Ok(founded()));
        let state = given::<Organization>(founded());
        assert_eq!((state.id(), state.organization()), (Some(ORGANIZATION), Some(ORGANIZATION)));
        assert_eq!(state.role(OWNER), Some(OrganizationRole::Owner));
        assert_eq!(state.role(STRANGER), None);
    }

    #[test]
    fn it_is_founded_once_by_an_account_with_a_proper_name() {
        let nothing = Organization::default();
        let again = when(&given::<Organization>(founded()), create(), &by(OWNER));
        assert_eq!(again, Err(Rejection::OrganizationExists));
        let anonymous = when(&nothing, create(), &as_actor(Actor::ANONYMOUS));
        assert_eq!(anonymous, Err(Rejection::AccountRequired));
        let mut nameless = create();
        nameless.profile.name = String::new();
        let answer = when(&nothing, nameless, &by(OWNER));
        assert!(matches!(answer, Err(Rejection::InvalidField { field: "name", .. })));
    }
}
