//! Whoever was removed sees nothing from then on, while nothing that follows from a removal has happened.

use domain::ConversationId;
use serde_json::json;

use super::site::{Came, Node, Person, Site};

const SENT: &str = "conversation.message_sent";

/// What somebody gets at another node of three messages, the last of which came after something that took effect in between: on
/// a socket that followed all the time, on one that resumes, and on a new one.
async fn seen(
    (node, other): (&Node, &Node),
    conversation: ConversationId,
    (writer, reader): (&Person, &Person),
    removal: impl AsyncFnOnce(),
) -> [Vec<String>; 3] {
    let mut follows = other.connect_fully(reader).await;
    let start = follows.cursor();
    for _ in 0..2 {
        node.send(writer, conversation, b"before").await;
    }
    removal().await;
    node.send(writer, conversation, b"after").await;
    // What is still to be routed there would be judged as for those who follow already.
    let head = node.log.head().await.unwrap().position;
    other.state.live.hub.reached(head).await;
    let mut resumes = other.resume(reader, &start).await;
    assert_eq!(resumes.next().await["type"], "welcome");
    let mut begins = other.connect_fully(reader).await;
    node.mark(reader).await;
    let answers =
        [follows.names_to_mark().await, resumes.names_to_mark().await, begins.names_to_mark().await];
    // Nor may they tell others there that they type.
    follows.say(json!({ "type": "typing", "conversation_id": conversation, "active": true })).await;
    assert_eq!(follows.next().await["problem"]["code"], "conversation_not_found");
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_from_the_organization_sees_nothing_from_then_on() {
    let site = Site::new().await;
    let (node, other) = (site.node().await, site.node().await);
    let (ann, bob) = (node.person().await, node.person().await);
    let group = node.group(&[&ann, &bob]).await;
    let removal = async || node.remove(&bob).await;
    let [follows, resumes, begins] = seen((&node, &other), group, (&ann, &bob), removal).await;
    let expected = [SENT, SENT, "organization.member_removed"];
    assert_eq!(follows, expected);
    // By now the term is over: nothing that was said in it is looked for.
    assert_eq!(resumes, ["organization.member_removed"]);
    assert!(begins.is_empty(), "{begins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_from_the_workspace_sees_nothing_there_from_then_on() {
    let site = Site::new().await;
    let (node, other) = (site.node().await, site.node().await);
    let (ann, bob) = (node.person().await, node.person().await);
    let workspace = node.workspace(&[&ann, &bob]).await;
    let elsewhere = node.group(&[&ann, &bob]).await;
    let group = node.group_in(Some(workspace.clone()), &[&ann, &bob]).await;
    let removal = async || {
        node.remove_from_workspace(workspace.0, &bob).await;
        node.send(&ann, elsewhere, b"elsewhere").await;
    };
    let [follows, resumes, begins] = seen((&node, &other), group, (&ann, &bob), removal).await;
    assert_eq!(follows, [SENT, SENT, "workspace.member_removed", SENT]);
    assert_eq!(resumes, ["workspace.member_removed", SENT]);
    assert!(begins.is_empty(), "{begins:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_workspace_is_told_to_those_in_it_on_every_node_and_nobody_types_there() {
    let site = Site::new().await;
    let (here, there) = (site.node().await, site.node().await);
    let (ann, bob, eve) = (here.person().await, here.person().await, here.person().await);
    let workspace = here.workspace(&[&ann, &bob]).await;
    let group = here.group_in(Some(workspace.clone()), &[&ann, &bob]).await;
    let elsewhere = here.group(&[&bob, &eve]).await;
    let mut follows = there.connect_fully(&bob).await;
    let mut hers = there.connect_fully(&eve).await;
    let (start, types) = (
        follows.cursor(),
        |conversation| json!({ "type": "typing", "conversation_id": conversation, "active": true }),
    );
    here.archive(workspace.0, &ann).await;
    here.mark(&bob).await;
    here.mark(&eve).await;
    assert_eq!(follows.names_to_mark().await, ["workspace.archived"]);
    assert_eq!(hers.names_to_mark().await, Vec::<String>::new());
    let mut resumes = there.resume(&bob, &start).await;
    assert_eq!(resumes.next().await["type"], "welcome");
    assert_eq!(resumes.names_to_mark().await, ["workspace.archived"]);
    for client in [&mut follows, &mut resumes, &mut there.connect_fully(&bob).await] {
        client.say(types(group)).await;
        assert_eq!(client.next().await["problem"]["code"], "workspace_archived");
    }
    follows.say(types(elsewhere)).await;
    assert_eq!(hers.next().await["conversation_id"], json!(elsewhere));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_a_conversation_that_is_set_aside_sees_nothing_of_it() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let (left, stays) = (node.group(&[&ann, &bob]).await, node.group(&[&ann, &bob]).await);
    node.leave(left, &bob).await;
    for group in [left, stays] {
        site.set_aside(&node, group, &bob).await;
    }
    let mut client = node.connect_fully(&bob).await;
    let start = client.cursor();
    node.send(&ann, left, b"not for bob").await;
    node.send(&ann, stays, b"for bob").await;
    node.mark(&bob).await;
    assert_eq!(client.names_to_mark().await, [SENT]);
    let mut again = node.resume(&bob, &start).await;
    assert_eq!(again.next().await["type"], "welcome");
    assert_eq!(again.names_to_mark().await, [SENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_set_anew_closes_the_sockets_of_all_other_sessions() {
    let site = Site::new().await;
    let node = site.node().await;
    let (ann, bob) = (node.person().await, node.person().await);
    let (mut anns, mut bobs) = (node.connect(&ann).await, node.connect(&bob).await);
    node.set_password(&ann, None).await;
    assert_eq!(anns.closed().await, Came::Closed(4403));
    node.set_password(&bob, Some(bob.session_id)).await;
    node.mark(&bob).await;
    assert_eq!(bobs.names_to_mark().await, Vec::<String>::new());
}
