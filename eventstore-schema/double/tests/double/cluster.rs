//! Several nodes over one log.

use eventstore::{AppendToStreamOptions, Error, ExpectedRevision, ReadStreamOptions};
use eventstore_double::{AppendFault, Double, DoubleConfig, MemberState, cluster_url};

use super::{append, connect, event};

async fn three() -> Vec<Double> {
    Double::start_cluster(DoubleConfig::default(), 3).await.unwrap()
}

#[tokio::test]
async fn a_client_of_a_cluster_finds_the_leader() {
    let nodes = three().await;
    nodes[2].faults().set_state(MemberState::Leader);
    for (node, appends) in nodes.iter().zip([1, 1, 0]) {
        node.faults().next_appends(appends, AppendFault::Unavailable);
    }
    let client = connect(&cluster_url(&nodes));
    append(&client, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
}

#[tokio::test]
async fn a_follower_names_the_leader_and_the_client_goes_there() {
    let nodes = three().await;
    let client = connect(&nodes[1].url());
    match append(&client, "a", ExpectedRevision::NoStream, &[1]).await {
        Err(Error::NotLeaderException(leader)) => {
            assert_eq!(
                (leader.host.as_str(), leader.port),
                ("127.0.0.1", u32::from(nodes[0].address().port()))
            );
        }
        other => panic!("{other:?}"),
    }
    append(&client, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    assert_eq!(nodes[1].faults().last_revision("a"), Some(0), "the nodes share one log");
}

#[tokio::test]
async fn a_follower_answers_who_does_not_ask_for_the_leader() {
    let nodes = three().await;
    let url = format!("{}&nodePreference=follower", nodes[1].url());
    let client = connect(&url);
    let options = AppendToStreamOptions::default().requires_leader(false);
    client.append_to_stream("a", &options, event(1)).await.unwrap();
    let mut read = client.read_stream("a", &ReadStreamOptions::default()).await.unwrap();
    assert!(read.next().await.unwrap().is_some());
}

#[tokio::test]
async fn a_leader_that_steps_down_sends_its_clients_away() {
    let nodes = three().await;
    let client = connect(&nodes[0].url());
    append(&client, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    nodes[1].faults().set_state(MemberState::Leader);
    let outcome = append(&client, "a", ExpectedRevision::Exact(0), &[2]).await;
    assert!(matches!(outcome, Err(Error::NotLeaderException(_))), "{outcome:?}");
    append(&client, "a", ExpectedRevision::Exact(0), &[2]).await.unwrap();
}

#[tokio::test]
async fn a_node_without_a_leader_is_not_ready() {
    let nodes = three().await;
    let client = connect(&nodes[0].url());
    nodes[0].faults().set_state(MemberState::Unknown);
    let outcome = append(&client, "a", ExpectedRevision::NoStream, &[1]).await;
    assert!(
        matches!(&outcome, Err(Error::ServerError(text)) if text.contains("Server Is Not Ready")),
        "{outcome:?}"
    );
    nodes[0].faults().set_state(MemberState::Follower);
    let outcome = append(&client, "a", ExpectedRevision::NoStream, &[1]).await;
    assert!(
        matches!(&outcome, Err(Error::ServerError(text)) if text.contains("No leader info")),
        "{outcome:?}"
    );
}
