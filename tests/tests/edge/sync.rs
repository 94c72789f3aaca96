//! What changed while somebody was away: told to them whole, to nobody else, and never as if nothing was left out.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use commands::clock::Clock;
use domain::organization::OrganizationRole;
use domain::{ConversationId, OrganizationId};
use envoi_client::http::Position;
use envoi_client::live::Incoming;
use eventstore_schema::over_engines;
use eventstore_schema::testing::Engine;
use serde_json::{Value, json};
use tests::http::{Answer, Http, send};
use tests::person::Person;
use tests::server::{Options, PATIENCE, START, TestServer, until};
use uuid::Uuid;

over_engines! {
    what_changed_since_is_told_and_nothing_else,
    a_place_is_its_accounts_and_whoever_is_removed_is_told_no_more,
}

async fn group(http: &Http, organization: OrganizationId, members: &[&Person]) -> ConversationId {
    let members: Vec<_> = members.iter().map(|one| one.id()).collect();
    let body = json!({ "title": "Plans", "allows_plaintext": true, "members": members });
    let opened =
        http.post(&format!("/v1/organizations/{organization}/conversations"), &body).await.expect(201);
    serde_json::from_value(opened.json["conversation_id"].clone()).unwrap()
}

async fn say(http: &Http, id: ConversationId, text: &str) -> Answer {
    let body =
        json!({ "generation": 0, "reply_to": null, "content": BASE64URL.encode(text), "cipher": null });
    http.post(&format!("/v1/conversations/{id}/messages"), &body).await.expect(201)
}

/// What the account is told.
async fn sync(http: &Http, since: Option<&Value>) -> Value {
    let path = match since {
        Some(since) => format!("/v1/sync?since={}", since.as_str().unwrap()),
        None => "/v1/sync".to_owned(),
    };
    http.get(&path).await.expect(200).json
}

fn ids(list: &Value) -> Vec<&str> {
    let rows = list.as_array().unwrap().iter();
    rows.map(|row| row["conversation"]["conversation_id"].as_str().unwrap()).collect()
}

/// A conversation in which something was said, another one, and two people in both.
struct Talk {
    server: TestServer,
    ann: Person,
    ben: Person,
    anns: Http,
    bens: Http,
    id: ConversationId,
    other: ConversationId,
    /// The first message.
    said: Value,
}

impl Talk {
    async fn new(engine: Engine) -> Self {
        let server = TestServer::start_over(engine).await;
        let (ann, ben) =
            tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "ben"));
        let organization = ann.client.create_organization("Acme").await.unwrap();
        ann.bring(organization, &ben, OrganizationRole::Member).await;
        let (anns, bens) = (ann.http().await, ben.http().await);
        let id = group(&anns, organization, &[&ben]).await;
        let other = group(&anns, organization, &[&ben]).await;
        let said = say(&anns, id, "hello").await.json;
        server.settled().await;
        Self { server, ann, ben, anns, bens, id, other, said }
    }

    /// A place behind which nothing happened, as soon as what was folded is saved as such.
    async fn now(&self) -> Value {
        settled(&self.bens).await
    }

    /// Edits the message, reacts to it twice, takes one reaction away, pins it.
    async fn change(&self) {
        let message = format!("/v1/conversations/{}/messages/1", self.id);
        let content = |name: &str, id: Value, text: &str| json!({ name: id, "generation": 0, "content": BASE64URL.encode(text), "cipher": null });
        let edited = content("message_id", self.said["message_id"].clone(), "hello all");
        self.anns.put(&message, &edited).await.expect(204);
        for slot in [0, 1] {
            let reaction = content("reaction_id", json!(Uuid::now_v7()), "x");
            self.anns.put(&format!("{message}/reactions/{slot}"), &reaction).await.expect(204);
        }
        self.anns.delete(&format!("{message}/reactions/1")).await.expect(204);
        self.anns.put(&format!("{message}/pin"), &json!({})).await.expect(204);
        self.server.settled().await;
    }

    fn changes(&self) -> String {
        format!("/v1/conversations/{}/changes", self.id)
    }
}

async fn settled(http: &Http) -> Value {
    until(async || {
        let now = sync(http, None).await["position"].clone();
        ids(&sync(http, Some(&now)).await["conversations"]).is_empty().then_some(now)
    })
    .await
}

/// How many there are of each kind of change.
fn counts(page: &Value) -> [usize; 4] {
    ["messages", "reactions", "pins", "members"].map(|kind| page[kind].as_array().unwrap().len())
}

async fn what_changed_since_is_told_and_nothing_else(engine: Engine) {
    let talk = Talk::new(engine).await;
    let Talk { ann, bens, id, other, .. } = &talk;
    let first = sync(bens, None).await;
    assert_eq!(
        ids(&first["conversations"]),
        [id.to_string(), other.to_string()],
        "the newest activity first"
    );
    let row = &first["conversations"][0];
    assert_eq!((&row["unread"], &row["visible_after"]), (&json!(1), &json!(0)));
    let last = &row["last_message"];
    assert_eq!((&row["conversation"]["title"], &last["number"]), (&json!("Plans"), &json!(1)));
    assert_eq!(last["sender_id"], json!(ann.id()));
    let named = json!([{ "account_id": ann.id(), "display_name": "ann", "erased": false }]);
    assert_eq!((&first["people"], &first["reset"], &first["left"]), (&named, &json!(false), &json!([])));

    let since = talk.now().await;
    talk.change().await;
    let now = sync(bens, Some(&since)).await;
    assert_eq!(ids(&now["conversations"]), [id.to_string()]);
    let since_then = format!("{}?since={}", talk.changes(), since.as_str().unwrap());
    let changed = bens.get(&since_then).await.expect(200).json;
    assert_eq!(counts(&changed), [1, 2, 1, 0]);
    assert_eq!(changed["messages"][0]["content"], BASE64URL.encode("hello all"));
    assert_eq!(changed["pins"][0]["pin"]["pinned_by"], json!(ann.id()));
    let slots = changed["reactions"].as_array().unwrap().iter();
    let mut slots: Vec<_> = slots.map(|one| (one["slot"].as_u64(), one["reaction"].is_null())).collect();
    slots.sort_unstable();
    assert_eq!(slots, [(Some(0), false), (Some(1), true)]);
    // Page by page it is what it is on one, of one position.
    let (mut pages, mut next) = (Vec::new(), format!("{since_then}&limit=1"));
    loop {
        let page = bens.get(&next).await.expect(200).json;
        assert!(counts(&page).iter().sum::<usize>() <= 1);
        pages.push((page["position"].clone(), counts(&page)));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("{}?limit=1&cursor={cursor}", talk.changes());
    }
    assert!(pages.windows(2).all(|two| two[0].0 == two[1].0));
    assert_eq!(pages.iter().map(|page| page.1.iter().sum::<usize>()).sum::<usize>(), 4);
}

async fn a_place_is_its_accounts_and_whoever_is_removed_is_told_no_more(engine: Engine) {
    let talk = Talk::new(engine).await;
    let Talk { ben, anns, bens, id, other, .. } = &talk;
    let since = talk.now().await;
    talk.change().await;
    let since_then = format!("{}?since={}", talk.changes(), since.as_str().unwrap());
    anns.get(&since_then).await.refused(400, "invalid_cursor");
    anns.get(&format!("/v1/sync?since={}", since.as_str().unwrap())).await.refused(400, "invalid_cursor");
    // Without a place everything is told that is there, and nothing that is gone.
    let whole = bens.get(&talk.changes()).await.expect(200).json;
    assert_eq!(counts(&whole), [1, 1, 1, 2]);
    anns.delete(&format!("/v1/conversations/{id}/members/{}", ben.id())).await.expect(204);
    say(anns, *id, "without him").await;
    talk.server.settled().await;
    let removed = sync(bens, Some(&since)).await;
    assert_eq!((&removed["left"], ids(&removed["conversations"])), (&json!([id]), vec![]));
    bens.get(&since_then).await.refused(404, "conversation_not_found");
    assert_eq!(ids(&sync(bens, None).await["conversations"]), [other.to_string()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_from_the_organization_is_told_by_another_node_with_every_reactor_dead() {
    let mut here = TestServer::start().await;
    let (ann, ben) = tokio::join!(Person::with_device(&here, "ann"), Person::with_device(&here, "ben"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &ben, OrganizationRole::Member).await;
    let anns = ann.http().await;
    let id = group(&anns, organization, &[&ben]).await;
    say(&anns, id, "hello").await;
    here.settled().await;
    here.stop_reactions().await;
    let there = here.another().await;
    let token = ben.client.session().token().await.unwrap();
    let bens = there.http().with_token(&token);
    let before = sync(&ben.http().await, None).await["position"].clone();
    assert_eq!(ids(&sync(&bens, None).await["conversations"]), [id.to_string()]);
    anns.delete(&format!("/v1/organizations/{organization}/members/{}", ben.id())).await.expect(204);
    // At once nothing is shown; that it ended is told when the read models know.
    assert!(ids(&sync(&bens, None).await["conversations"]).is_empty());
    until(async || {
        let told = sync(&bens, Some(&before)).await;
        assert!(ids(&told["conversations"]).is_empty());
        (told["left"] == json!([id])).then_some(())
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_after_thirty_days_or_from_another_log_is_told_everything() {
    const DAY: i64 = 86_400;
    let clock = Clock::manual(START);
    let server = TestServer::start_with(Options { clock: Some(clock.clone()), ..Options::default() }).await;
    let ann = Person::with_device(&server, "ann").await;
    let organization = ann.client.create_organization("Acme").await.unwrap();
    let http = ann.http().await;
    let first = group(&http, organization, &[]).await;
    say(&http, first, "hello").await;
    server.settled().await;
    let since = settled(&http).await;
    say(&http, first, "the next thing that happens").await;
    clock.advance_seconds(30 * DAY);
    let (email, url) = (ann.email.clone(), server.url());
    let anew = async || {
        let server = envoi_client::Server::new(&url).unwrap();
        let client = server.login(&email, tests::person::PASSWORD, envoi_client::Keep::Memory).await.unwrap();
        Http::new(&url).with_token(&client.session().token().await.unwrap())
    };
    let second = group(&anew().await, organization, &[]).await;
    server.settled().await;
    let in_time = sync(&anew().await, Some(&since)).await;
    assert_eq!((&in_time["reset"], ids(&in_time["conversations"]).len()), (&json!(false), 2));
    clock.advance_seconds(60);
    let late = sync(&anew().await, Some(&since)).await;
    assert_eq!(late["reset"], json!(true));
    assert_eq!(ids(&late["conversations"]), [second.to_string(), first.to_string()]);
    let path = format!("/v1/conversations/{first}/changes?since={}", since.as_str().unwrap());
    let changes = anew().await.get(&path).await.expect(200).json;
    assert_eq!((&changes["reset"], changes["members"].as_array().unwrap().len()), (&json!(true), 1));
}

#[tokio::test]
async fn pages_of_a_sync_are_of_one_position_and_each_conversation_is_on_one() {
    let server = TestServer::start().await;
    let ann = Person::register(&server, "ann").await;
    let http = ann.http().await;
    let mut all = Vec::new();
    for name in ["Acme", "Other"] {
        let organization = ann.client.create_organization(name).await.unwrap();
        for _ in 0..2 {
            all.push(group(&http, organization, &[]).await.to_string());
        }
    }
    server.settled().await;
    all.reverse();
    let (mut shown, mut positions, mut next) = (Vec::new(), Vec::new(), "/v1/sync?limit=1".to_owned());
    loop {
        let page = http.get(&next).await.expect(200).json;
        shown.extend(ids(&page["conversations"]).into_iter().map(str::to_owned));
        positions.push(page["position"].clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("/v1/sync?limit=1&cursor={cursor}");
    }
    assert_eq!(shown, all);
    assert!(positions.windows(2).all(|two| two[0] == two[1]));
    // The same place is one to read from, and one that a live socket resumes after.
    let place = positions[0].as_str().unwrap();
    send(http.request(reqwest::Method::GET, "/v1/sync").header("envoi-min-position", place))
        .await
        .expect(200);
    let mut live = ann.client.live(Some(Position(place.to_owned())));
    assert!(matches!(live.next().await, Some(Incoming::Connected)));
}

#[tokio::test]
async fn a_client_syncs_from_where_it_was_and_after_a_reset_from_there() {
    let server = TestServer::start().await;
    let (ann, ben) = tokio::join!(Person::with_device(&server, "ann"), Person::with_device(&server, "ben"));
    let organization = ann.client.create_organization("Acme").await.unwrap();
    ann.bring(organization, &ben, OrganizationRole::Member).await;
    let id = ann.client.open_direct(organization, ben.id()).await.unwrap();
    let sent = ann.client.send_text(id, "hello").await.unwrap();
    server.settled().await;
    let first = ben.client.sync().await.unwrap();
    assert_eq!((first.since.is_none(), first.conversations.len()), (true, 1));
    let one = &first.conversations[0];
    assert_eq!((one.direct_with, one.unread), (Some(ann.id()), 1));
    assert!(first.people.iter().any(|one| one.display_name.as_deref() == Some("ann")));
    ben.client.keep_synced(&first.position).unwrap();
    ann.client.edit_text(id, 1, sent.message_id, "hello Ben").await.unwrap();
    server.settled().await;
    let second = ben.client.sync().await.unwrap();
    assert_eq!((second.since.as_ref(), second.reset), (Some(&first.position), false));
    let changes = ben.client.changes(id, second.since.as_ref()).await.unwrap();
    assert_eq!(changes.messages.iter().map(|one| one.body.text()).collect::<Vec<_>>(), [Some("hello Ben")]);
    // A cursor that is none: everything is asked for, and nothing is taken for known.
    let mut live = ben.client.live(Some(Position("none".to_owned())));
    let take = async {
        loop {
            if let Some(Incoming::Synced(synced)) = live.next().await {
                return synced;
            }
        }
    };
    let synced = tokio::time::timeout(PATIENCE, take).await.expect("a sync follows the reset");
    assert_eq!((synced.reset, synced.conversations.len()), (true, 1));
}
