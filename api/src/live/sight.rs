//! What one socket sees, event by event: the same judgement while catching up and when joining the live feed.

use domain::AccountId;
use eventstore_schema::Position;
use projections::conversations::queries::MembershipSpan;

use super::audience::{Audience, Change, Proved};
use super::memberships::{Memberships, Place};

/// What a socket's account sees at a position.
#[derive(Clone, Debug)]
pub struct Sight {
    account_id: AccountId,
    proved: Proved,
    memberships: Memberships,
}

/// What an event is to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Not for it.
    Hidden,
    /// To be delivered.
    Shown,
    /// The end: the socket's session or device was revoked.
    Ended,
    /// A membership ended that was not known of: events before were missed.
    Lost,
}

impl Sight {
    /// What the socket sees behind `position`, by memberships that were read at that position or later; `ended` tells which
    /// terms are over by now.
    ///
    /// A row tells the last membership only. Whoever left and joined again since `position` is taken for no member, which
    /// [`Look::Lost`] brings to light.
    pub fn at(
        account_id: AccountId,
        proved: Proved,
        spans: &[MembershipSpan],
        ended: Memberships,
        position: Option<Position>,
    ) -> Self {
        let mut memberships = ended;
        for span in spans {
            let is_member = Some(span.joined_position) <= position
                && span.left_position.is_none_or(|left| Some(left) > position);
            if is_member {
                let place = Place {
                    organization_id: span.organization_id,
                    terms: span.terms(),
                    earlier_number: span.earlier_number,
                    history_visibility: span.history_visibility,
                };
                memberships.join(span.conversation_id, place);
            }
        }
        Self { account_id, proved, memberships }
    }

    /// Whose.
    pub fn account(&self) -> AccountId {
        self.account_id
    }

    /// What the socket proved.
    pub fn proved(&self) -> &Proved {
        &self.proved
    }

    /// The memberships of the account.
    pub fn memberships(&self) -> &Memberships {
        &self.memberships
    }

    /// Judges the next event.
    pub fn look(&mut self, audience: &Audience) -> Look {
        let me = self.account();
        match audience.change {
            Some(Change::Joined(conversation, account, place)) if account == me => {
                self.memberships.join(conversation, place);
            }
            Some(Change::History(conversation, visibility)) => {
                self.memberships.show_history(conversation, visibility);
            }
            Some(Change::Left(conversation, account)) if account == me => {
                if !self.memberships.leave(conversation) {
                    return Look::Lost;
                }
            }
            Some(Change::LeftOrganization(organization, account, before)) if account == me => {
                self.memberships.end_organization(organization, before);
            }
            Some(Change::LeftWorkspace(workspace, account, before)) if account == me => {
                self.memberships.end_workspace(workspace, before);
            }
            Some(Change::Archived(workspace)) => self.memberships.archive(workspace),
            Some(Change::Bound(account, session, device)) if account == me => {
                if session == self.proved.session_id {
                    self.proved.device_id = Some(device);
                }
            }
            Some(
                Change::Bound(..)
                | Change::Joined(..)
                | Change::Left(..)
                | Change::LeftOrganization(..)
                | Change::LeftWorkspace(..),
            )
            | None => {}
        }
        if audience.ends.is_some_and(|ends| ends.account() == me && ends.hits(&self.proved)) {
            return Look::Ended;
        }
        let is_mine = audience.account == Some(me)
            || audience.conversation.is_some_and(|id| {
                self.memberships.sees(&id)
                    && audience.message.is_none_or(|number| self.memberships.sees_message(&id, number))
                    && audience.includes(me)
            })
            || audience.workspace.is_some_and(|id| self.memberships.is_in(id));
        if is_mine { Look::Shown } else { Look::Hidden }
    }
}
