//! What members are shown of what was before they joined.

use domain::conversation::{ConversationEvent, ConversationRole, HistoryVisibility};
use domain::organization::OrganizationRole;
use domain::{ConversationId, Event, EventGroup};
use envoi_client::api::dto::NewGroup;
use envoi_client::http::Position;
use envoi_client::live::{Incoming, Live};
use serde_json::{Value, json};
use tests::http::Http;
use tests::person::Person;
use tests::server::{PATIENCE, TestServer};

/// Three people of whom the third is no member yet; two messages, one of them pinned and reacted to.
struct Talk {
    server: TestServer,
    ann: Person,
    ben: Person,
    carol: Person,
    id: ConversationId,
}

impl Talk {
    async fn begin(visibility: Option<HistoryVisibility>) -> Self {
        let server = TestServer::start().await;
        let (ann, ben, carol) = tokio::join!(
            Person::with_device(&server, "ann"),
            Person::with_device(&server, "ben"),
            Person::with_device(&server, "carol")
        );
        let organization = ann.client.create_organization("Acme").await.unwrap();
        ann.bring(organization, &ben, OrganizationRole::Member).await;
        ann.bring(organization, &carol, OrganizationRole::Member).await;
        let new = NewGroup { members: vec![ben.id()], history_visibility: visibility, ..NewGroup::default() };
        let id = ann.client.create_group(organization, &new).await.unwrap();
        ann.client.send_text(id, "one").await.unwrap();
        ben.client.send_text(id, "two").await.unwrap();
        ben.client.messages().react(id, 1, 0, "🎉").await.unwrap();
        let http = ann.http().await;
        http.put(&format!("/v1/conversations/{id}/messages/1/pin"), &json!({})).await.expect(204);
        Self { server, ann, ben, carol, id }
    }

    async fn add_carol(&self) {
        self.ann.client.add_member(self.id, self.carol.id(), ConversationRole::Member).await.unwrap();
        self.server.settled().await;
    }

    async fn get(&self, http: &Http, rest: &str) -> Value {
        http.get(&format!("/v1/conversations/{}{rest}", self.id)).await.expect(200).json
    }

    /// Everything about messages that somebody is given: numbers of messages, whether the first one is, of pins; how many
    /// reactions and deliveries the first has; generations, and wraps.
    async fn given(&self, person: &Person) -> Value {
        self.server.settled().await;
        let http = person.http().await;
        let numbers = |page: Value| -> Vec<Value> {
            page["items"].as_array().unwrap().iter().map(|item| item["number"].clone()).collect()
        };
        let generations = |page: Value| -> Vec<Value> {
            page["items"].as_array().unwrap().iter().map(|item| item["generation"].clone()).collect()
        };
        let first = http.get(&format!("/v1/conversations/{}/messages/1", self.id)).await;
        if first.status != 200 {
            first.refused(404, "message_not_found");
        }
        let count = |page: Value| page["items"].as_array().unwrap().len();
        let mut wraps = generations(self.get(&http, "/wraps").await);
        wraps.dedup();
        json!({
            "messages": numbers(self.get(&http, "/messages?after=0").await),
            "backwards": numbers(self.get(&http, "/messages").await),
            "pins": numbers(self.get(&http, "/pins").await),
            "reactions": count(self.get(&http, "/messages/1/reactions").await),
            "deliveries": count(self.get(&http, "/messages/1/deliveries").await),
            "generations": generations(self.get(&http, "/generations").await),
            "wraps": wraps,
        })
    }
}

const NOTHING_OF_BEFORE: [&str; 2] = ["reactions", "deliveries"];

fn assert_hidden(given: &Value, messages: &[u64], generations: &[u32]) {
    let backwards: Vec<_> = messages.iter().rev().collect();
    assert_eq!(given["messages"], json!(messages));
    assert_eq!(given["backwards"], json!(backwards));
    assert_eq!(given["pins"], json!([]));
    for name in NOTHING_OF_BEFORE {
        assert_eq!(given[name], json!(0), "{name}");
    }
    assert_eq!(given["generations"], json!(generations));
    assert_eq!(given["wraps"], json!(generations));
}

/// An event's name and the number of the message that it is about.
type Told = (String, Option<u64>);

/// What comes up to the message of that number, and where the stream goes on behind it.
async fn told(live: &mut Live, until: u64) -> (Vec<Told>, Position) {
    let mut told = Vec::new();
    let take = async {
        loop {
            let Some(Incoming::Event(happening)) = live.next().await else { continue };
            let name = happening.event.name().to_owned();
            let number = number(&happening.event);
            let is_last = name == "conversation.message_sent" && number == Some(until);
            told.push((name, number));
            if is_last {
                return happening.cursor;
            }
        }
    };
    let cursor = tokio::time::timeout(PATIENCE, take).await.expect("the message comes");
    (told, cursor)
}

fn number(event: &Event) -> Option<u64> {
    use ConversationEvent as E;
    let Event::Conversation(event) = event else { return None };
    match event {
        E::MessageSent(event) => Some(event.number),
        E::MessageEdited(event) => Some(event.number),
        E::ReactionSet(event) => Some(event.number),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_is_given_nothing_from_before_and_who_comes_back_nothing_of_a_former_time() {
    let talk = Talk::begin(None).await;
    let Talk { ann, ben, carol, id, .. } = &talk;
    talk.add_carol().await;
    assert_hidden(&talk.given(carol).await, &[], &[1]);
    let (anns, carols) = (ann.http().await, carol.http().await);
    let shown = talk.get(&carols, "").await;
    assert_eq!(shown["history_visibility"], "joined");
    assert_eq!((&shown["hidden_up_to"], &shown["read_up_to"]), (&json!(2), &json!(2)));
    assert_eq!((&shown["last_number"], &shown["last_sent_at"]), (&json!(2), &json!(null)));
    let synced = async || {
        let page = carols.get("/v1/sync").await.expect(200).json;
        let mut all = page["conversations"].as_array().unwrap().iter();
        all.find(|one| one["conversation"]["conversation_id"] == json!(id)).cloned().unwrap()
    };
    let sync = synced().await;
    assert_eq!((&sync["visible_after"], &sync["unread"]), (&json!(2), &json!(0)));
    assert_eq!(sync["last_message"], json!(null));
    let before = talk.given(ben).await;
    assert_eq!((&before["messages"], &before["pins"]), (&json!([1, 2]), &json!([1])));

    // To her what is hidden is not there, whatever she does about it.
    let first = format!("/v1/conversations/{id}/messages/1");
    carols.put(&format!("{first}/pin"), &json!({})).await.refused(404, "message_not_found");
    carols.delete(&format!("{first}/pin")).await.refused(404, "message_not_found");
    carols.delete(&first).await.refused(404, "message_not_found");

    let third = until_sent(ann, *id, "three").await;
    assert_hidden(&talk.given(carol).await, &[third], &[1]);
    let sync = synced().await;
    assert_eq!((&sync["visible_after"], &sync["unread"]), (&json!(2), &json!(1)));
    assert_eq!(sync["last_message"]["number"], json!(third));
    // An edit of a hidden message is no change to her.
    let first_sent =
        ann.client.latest(*id, 10).await.unwrap().into_iter().find(|one| one.number == 1).unwrap();
    ann.client.edit_text(*id, 1, first_sent.message_id, "one, edited").await.unwrap();
    talk.server.settled().await;
    let position = carols.get("/v1/sync").await.expect(200).json["position"].as_str().unwrap().to_owned();
    ann.client.edit_text(*id, 1, first_sent.message_id, "one, edited again").await.unwrap();
    talk.server.settled().await;
    let changes =
        carols.get(&format!("/v1/conversations/{id}/changes?since={position}")).await.expect(200).json;
    assert_eq!(changes["messages"], json!([]));
    // She goes, something is said under a new key, and she comes back.
    ann.client.remove_member(*id, carol.id()).await.unwrap();
    let fourth = until_sent(ben, *id, "four").await;
    talk.server.settled().await;
    carols.get(&format!("/v1/conversations/{id}/messages")).await.refused(404, "conversation_not_found");
    talk.add_carol().await;
    let fifth = until_sent(ben, *id, "five").await;
    assert_hidden(&talk.given(carol).await, &[fifth], &[2]);
    assert_eq!((third, fourth, fifth), (3, 4, 5));

    // An admin shows everything to everybody, and hides it again.
    let change = format!("/v1/conversations/{id}/history-visibility");
    carols.put(&change, &json!({ "history_visibility": "all" })).await.refused(403, "role_insufficient");
    anns.put(&change, &json!({ "history_visibility": "all" })).await.expect(204);
    let given = talk.given(carol).await;
    assert_eq!((&given["messages"], &given["pins"]), (&json!([1, 2, 3, 4, 5]), &json!([1])));
    assert_eq!((&given["reactions"], &given["generations"]), (&json!(1), &json!([1, 2])));
    let shown = talk.get(&carols, "").await;
    assert_eq!((&shown["history_visibility"], &shown["hidden_up_to"]), (&json!("all"), &json!(0)));
    ann.client.change_history_visibility(*id, HistoryVisibility::Joined).await.unwrap();
    assert_hidden(&talk.given(carol).await, &[fifth], &[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_shows_its_history_shows_it_from_the_first_message_on() {
    let talk = Talk::begin(Some(HistoryVisibility::All)).await;
    talk.add_carol().await;
    let given = talk.given(&talk.carol).await;
    assert_eq!((&given["messages"], &given["pins"]), (&json!([1, 2]), &json!([1])));
    assert_eq!((&given["reactions"], &given["generations"]), (&json!(1), &json!([1])));
}

#[tokio::test(flavor = "multi_thread")]
async fn live_tells_nothing_of_a_message_from_before() {
    let talk = Talk::begin(None).await;
    let Talk { ann, ben, carol, id, .. } = &talk;
    let mut live = carol.client.live(None);
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
    talk.add_carol().await;
    let news = async || {
        let latest = ann.client.latest(*id, 10).await.unwrap();
        let first = latest.iter().find(|message| message.number == 1).unwrap();
        ann.client.edit_text(*id, 1, first.message_id, "one, edited").await.unwrap();
        ben.client.messages().react(*id, 1, 1, "👀").await.unwrap();
    };
    news().await;
    let third = until_sent(ben, *id, "three").await;
    let (seen, cursor) = told(&mut live, third).await;
    let names = |seen: &[Told]| seen.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert!(names(&seen).contains(&"conversation.member_joined".to_owned()), "{seen:?}");
    assert!(seen.iter().all(|(_, number)| *number != Some(1)), "{seen:?}");
    // The same for a socket that was away meanwhile.
    news().await;
    let fourth = until_sent(ben, *id, "four").await;
    let mut second = carol.client.live(Some(cursor));
    for live in [&mut live, &mut second] {
        let (seen, _) = told(live, fourth).await;
        assert!(seen.iter().all(|(_, number)| *number != Some(1)), "{seen:?}");
    }
    ann.client.change_history_visibility(*id, HistoryVisibility::All).await.unwrap();
    news().await;
    let fifth = until_sent(ben, *id, "five").await;
    for live in [&mut live, &mut second] {
        let seen = names(&told(live, fifth).await.0);
        for name in [
            "conversation.history_visibility_changed",
            "conversation.message_edited",
            "conversation.reaction_set",
        ] {
            assert!(seen.contains(&name.to_owned()), "{seen:?} has no {name}");
        }
    }
}

/// Sends as soon as the sender knows the key in force.
async fn until_sent(person: &Person, id: ConversationId, text: &str) -> u64 {
    tests::server::until(async || person.client.send_text(id, text).await.ok()).await.number
}
