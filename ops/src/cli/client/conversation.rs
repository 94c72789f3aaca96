//! `envoi client conversation`: groups and direct conversations, and who is in them.

use clap::Subcommand;
use domain::conversation::{ConversationRole, HistoryVisibility};
use domain::{AccountId, ConversationId, OrganizationId, WorkspaceId};
use envoi_client::api::dto::NewGroup;
use serde_json::json;

use super::names::Names;
use super::{Place, explain, listing};
use crate::cli::CliError;

/// Arguments of `envoi client conversation`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Open a group.
    Create {
        /// Its organization.
        organization: OrganizationId,
        /// Its title.
        #[arg(long)]
        title: Option<String>,
        /// What it is about.
        #[arg(long)]
        topic: Option<String>,
        /// The workspace that it lies in.
        #[arg(long)]
        workspace: Option<WorkspaceId>,
        /// What members see of what was before they joined: joined (nothing) or all.
        #[arg(long, default_value = "joined")]
        history: HistoryVisibility,
        /// A member beside you; can be given several times.
        #[arg(long = "member", value_name = "ACCOUNT")]
        members: Vec<AccountId>,
    },
    /// Open the conversation with one other person, or find the one there is.
    Direct {
        /// The organization that you share.
        organization: OrganizationId,
        /// The other person.
        account: AccountId,
    },
    /// List the conversations that you are in.
    List {
        /// Their organization.
        organization: OrganizationId,
    },
    /// List who is in a conversation.
    Members {
        /// Which conversation.
        conversation: ConversationId,
    },
    /// Add somebody, and give their devices the key.
    Add {
        /// Which conversation.
        conversation: ConversationId,
        /// Whom.
        account: AccountId,
        /// As what: admin or member.
        #[arg(long, default_value = "member")]
        role: ConversationRole,
    },
    /// Set what the members of a group see of what was before they joined.
    History {
        /// Which conversation.
        conversation: ConversationId,
        /// What they see: joined (nothing) or all.
        visibility: HistoryVisibility,
    },
    /// Remove somebody, or leave; the next message is under a new key.
    Remove {
        /// Which conversation.
        conversation: ConversationId,
        /// Whom; yourself to leave.
        account: AccountId,
    },
}

/// Runs `envoi client conversation`.
pub async fn run(place: &Place, args: Args) -> Result<(), CliError> {
    let client = place.client()?;
    let output = place.output;
    match args.verb {
        Verb::Create { organization, title, topic, workspace, history, members } => {
            let new = NewGroup {
                workspace_id: workspace,
                title,
                topic,
                allows_plaintext: false,
                history_visibility: Some(history),
                members,
            };
            let id = client.create_group(organization, &new).await.map_err(explain)?;
            output.result(&json!({ "conversation_id": id }), || opened(id));
        }
        Verb::Direct { organization, account } => {
            let id = client.open_direct(organization, account).await.map_err(explain)?;
            output.result(&json!({ "conversation_id": id }), || opened(id));
        }
        Verb::List { organization } => {
            let path = format!("/v1/organizations/{organization}/conversations");
            let rows = listing::all(&client, &path).await.map_err(explain)?;
            let empty = format!(
                "No conversations yet: `envoi client conversation create {organization} --title TITLE` opens one."
            );
            let columns = [
                ("CONVERSATION", "conversation_id"),
                ("KIND", "kind"),
                ("TITLE", "title"),
                ("MESSAGES", "last_number"),
            ];
            listing::print(output, &rows, &columns, &empty);
        }
        Verb::Members { conversation } => {
            let path = format!("/v1/conversations/{conversation}/members");
            let mut rows = listing::all(&client, &path).await.map_err(explain)?;
            Names::new(&client).add_to(&mut rows).await;
            let columns = [
                ("ACCOUNT", "account_id"),
                ("NAME", "display_name"),
                ("ROLE", "role"),
                ("SINCE", "joined_at"),
            ];
            listing::print(output, &rows, &columns, "The conversation has no members.");
        }
        Verb::Add { conversation, account, role } => {
            client.add_member(conversation, account, role).await.map_err(explain)?;
            output.result(&json!({ "added": account }), || format!("{account} is a member now."));
        }
        Verb::History { conversation, visibility } => {
            client.change_history_visibility(conversation, visibility).await.map_err(explain)?;
            output.result(&json!({ "history_visibility": visibility }), || match visibility {
                HistoryVisibility::Joined => "Members see nothing of what was before they joined.".to_owned(),
                HistoryVisibility::All => {
                    "Members see what was before they joined, as far as they have its keys.".to_owned()
                }
            });
        }
        Verb::Remove { conversation, account } => {
            client.remove_member(conversation, account).await.map_err(explain)?;
            output.result(&json!({ "removed": account }), || {
                format!("{account} is a member no more; the next message is under a new key.")
            });
        }
    }
    Ok(())
}

fn opened(id: ConversationId) -> String {
    format!("Conversation {id} is open.\nNext: envoi client send {id} TEXT")
}
