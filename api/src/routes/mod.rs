//! The registry of routes: one line each. Router, documentation, batches, live socket and authorisation matrix derive
//! from it.

pub(crate) mod accounts;
mod audit;
mod auth;
pub(crate) mod conversations;
mod devices;
mod me;
pub(crate) mod messages;
mod organizations;
mod sessions;
mod sync;
mod system;
mod workspaces;

use crate::endpoint::Route;

/// Every route.
pub static ROUTES: &[Route] = &[
    Route::of::<accounts::get_keys::GetKeys>(),
    Route::of::<accounts::get_profile::GetProfile>(),
    Route::of::<accounts::list_keys::ListKeys>(),
    Route::of::<accounts::list_profiles::ListProfiles>(),
    Route::of::<audit::list_events::ListEvents>(),
    Route::of::<auth::confirm_email::ConfirmEmail>(),
    Route::of::<auth::log_in::LogIn>(),
    Route::of::<auth::log_out::LogOut>(),
    Route::of::<auth::refresh::Refresh>(),
    Route::of::<auth::register::Register>(),
    Route::of::<auth::request_password_reset::RequestPasswordReset>(),
    Route::of::<auth::resend_confirmation::ResendConfirmation>(),
    Route::of::<auth::reset_password::ResetPassword>(),
    Route::of::<conversations::add_member::AddMember>(),
    Route::of::<conversations::add_wrap::AddWrap>(),
    Route::of::<conversations::change_history_visibility::ChangeHistoryVisibility>(),
    Route::of::<conversations::change_member_role::ChangeMemberRole>(),
    Route::of::<conversations::change_title::ChangeTitle>(),
    Route::of::<conversations::commit_generation::CommitGeneration>(),
    Route::of::<conversations::create_group::CreateGroup>(),
    Route::of::<conversations::delete_conversation::DeleteConversation>(),
    Route::of::<conversations::get_conversation::GetConversation>(),
    Route::of::<conversations::get_recipients::GetRecipients>(),
    Route::of::<conversations::list_activity::ListActivity>(),
    Route::of::<conversations::list_changes::ListChanges>(),
    Route::of::<conversations::list_conversations::ListConversations>(),
    Route::of::<conversations::list_generations::ListGenerations>(),
    Route::of::<conversations::list_members::ListMembers>(),
    Route::of::<conversations::list_wraps::ListWraps>(),
    Route::of::<conversations::open_direct::OpenDirect>(),
    Route::of::<conversations::remove_member::RemoveMember>(),
    Route::of::<conversations::report_wrap::ReportWrap>(),
    Route::of::<devices::enroll_device::EnrollDevice>(),
    Route::of::<devices::get_identity::GetIdentity>(),
    Route::of::<devices::list_devices::ListDevices>(),
    Route::of::<devices::publish_identity::PublishIdentity>(),
    Route::of::<devices::rename_device::RenameDevice>(),
    Route::of::<devices::revoke_device::RevokeDevice>(),
    Route::of::<me::change_metadata::ChangeMetadata>(),
    Route::of::<me::change_password::ChangePassword>(),
    Route::of::<me::change_profile::ChangeProfile>(),
    Route::of::<me::get_me::GetMe>(),
    Route::of::<messages::clear_reaction::ClearReaction>(),
    Route::of::<messages::delete_message::DeleteMessage>(),
    Route::of::<messages::edit_message::EditMessage>(),
    Route::of::<messages::get_message::GetMessage>(),
    Route::of::<messages::list_deliveries::ListDeliveries>(),
    Route::of::<messages::list_messages::ListMessages>(),
    Route::of::<messages::list_pins::ListPins>(),
    Route::of::<messages::list_reactions::ListReactions>(),
    Route::of::<messages::list_reactions_on::ListReactionsOn>(),
    Route::of::<messages::list_receipts::ListReceipts>(),
    Route::of::<messages::pin_message::PinMessage>(),
    Route::of::<messages::record_receipt::RecordReceipt>(),
    Route::of::<messages::send_message::SendMessage>(),
    Route::of::<messages::set_reaction::SetReaction>(),
    Route::of::<messages::unpin_message::UnpinMessage>(),
    Route::of::<organizations::accept_invitation::AcceptInvitation>(),
    Route::of::<organizations::change_member_role::ChangeMemberRole>(),
    Route::of::<organizations::change_profile::ChangeProfile>(),
    Route::of::<organizations::create_invitation::CreateInvitation>(),
    Route::of::<organizations::create_organization::CreateOrganization>(),
    Route::of::<organizations::find_people::FindPeople>(),
    Route::of::<organizations::get_organization::GetOrganization>(),
    Route::of::<organizations::list_invitations::ListInvitations>(),
    Route::of::<organizations::list_members::ListMembers>(),
    Route::of::<organizations::list_organizations::ListOrganizations>(),
    Route::of::<organizations::remove_member::RemoveMember>(),
    Route::of::<organizations::revoke_invitation::RevokeInvitation>(),
    Route::of::<sessions::list_sessions::ListSessions>(),
    Route::of::<sessions::revoke_session::RevokeSession>(),
    Route::of::<sync::get_sync::GetSync>(),
    Route::of::<system::get_keys::GetKeys>(),
    Route::of::<system::get_live_events::GetLiveEvents>(),
    Route::of::<system::get_openapi::GetOpenapi>(),
    Route::of::<system::run_commands::RunCommands>(),
    Route::of::<workspaces::add_member::AddMember>(),
    Route::of::<workspaces::archive_workspace::ArchiveWorkspace>(),
    Route::of::<workspaces::change_member_role::ChangeMemberRole>(),
    Route::of::<workspaces::change_profile::ChangeProfile>(),
    Route::of::<workspaces::create_workspace::CreateWorkspace>(),
    Route::of::<workspaces::get_workspace::GetWorkspace>(),
    Route::of::<workspaces::list_members::ListMembers>(),
    Route::of::<workspaces::list_workspaces::ListWorkspaces>(),
    Route::of::<workspaces::remove_member::RemoveMember>(),
];

/// The route with this name.
pub fn find(name: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.about.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::endpoint::{Access, IntentKind, Verb};
    use crate::problem::is_known;

    #[test]
    fn every_route_has_a_name_and_a_place_of_its_own() {
        let names: BTreeSet<_> = ROUTES.iter().map(|route| route.about.name).collect();
        let places: BTreeSet<_> = ROUTES.iter().map(|route| (route.about.path, route.about.verb)).collect();
        assert_eq!((names.len(), places.len()), (ROUTES.len(), ROUTES.len()));
    }

    #[test]
    fn whatever_changes_something_without_a_login_answers_alike_whatever_is_there() {
        for route in ROUTES.iter().filter(|route| route.about.verb != Verb::Get) {
            let is_anonymous = route.access == Access::Anonymous;
            assert_eq!(route.intent == IntentKind::AnonymousCommand, is_anonymous, "{}", route.about.name);
        }
    }

    #[test]
    fn every_code_that_a_route_names_exists() {
        for route in ROUTES {
            for code in route.about.errors {
                assert!(is_known(code), "{}: {code}", route.about.name);
            }
        }
    }

    #[test]
    fn every_route_says_what_it_does_and_who_gets_through() {
        for route in ROUTES {
            let about = route.about;
            assert!(
                about.text.split("\n\n").next().is_some_and(|line| line.ends_with('.')),
                "{}",
                about.name
            );
            assert!(!about.who.is_empty(), "{}", about.name);
            assert!(about.name.split_once('.').is_some(), "{}", about.name);
        }
    }
}
