//! E-mails over a real mail server: they arrive, wait for a server that is down, and stay nobody's business.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use commands::clock::Clock;
use commands::limits::REACTION_PARKED_REST_SECONDS_MIN;
use commands::mail::{MailError, Mailer};
use domain::limits::EMAIL_CONFIRMATION_SECONDS;
use eventstore_schema::ReadFilter;
use serde_json::json;
use tests::authority::Authority;
use tests::http::Answer;
use tests::mail::{Demands, MailServer, free_port};
use tests::server::{Options, SENDER, START, TestServer, until};
use tracing_subscriber::fmt::MakeWriter;

const PASSWORD: &str = "correct horse battery staple";
/// A password for the mail server that has to be written with escapes in a URL.
const SECRET: &str = "s3cr3t/w@rd";
const SECRET_IN_URL: &str = "s3cr3t%2Fw%40rd";

/// Lines up to which quoted-printable leaves them whole (RFC 2045, section 6.7).
const LINE_CHARS_MAX: usize = 76;

async fn server(transport: &str, roots: Option<&str>) -> TestServer {
    server_at(transport, roots, None).await
}

async fn server_at(transport: &str, roots: Option<&str>, clock: Option<Clock>) -> TestServer {
    let mail = Mailer::open(transport, SENDER, roots.map(str::as_bytes)).unwrap();
    TestServer::start_with(Options { mail: Some(mail), clock, ..Options::default() }).await
}

async fn register(server: &TestServer, email: &str) -> Answer {
    let body = json!({ "email": email, "password": PASSWORD, "display_name": "Ann" });
    server.http().post("/v1/accounts", &body).await
}

/// The value of a metric, if it has one.
async fn metric(server: &TestServer, name: &str) -> Option<f64> {
    let text = server.internal().request(reqwest::Method::GET, "/metrics").send().await.unwrap();
    let text = text.text().await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn mails(outcome: &str) -> String {
    format!("envoi_reactions_mails_total{{mail=\"confirm_email\",outcome=\"{outcome}\"}}")
}

/// Everything that is logged by this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn capture() -> Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        let log = LOG.get_or_init(|| {
            let log = Log::default();
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
                .with_ansi(false)
                .with_writer(log.clone())
                .init();
            log
        });
        log.clone()
    }

    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

#[tokio::test]
async fn a_registration_is_confirmed_by_the_e_mail_that_arrives() {
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let server = server(&format!("smtp://127.0.0.1:{}", mailbox.port), None).await;
    register(&server, "ann@envoi.test").await.expect(202);
    let mail = mailbox.next().await;
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("envoi@envoi.test", &["ann@envoi.test".to_owned()][..])
    );
    assert_eq!(mail.header("From"), SENDER);
    assert_eq!(mail.header("To"), "ann@envoi.test");
    assert!(mail.header("Subject").contains("Confirm"), "{}", mail.content);
    assert!(mail.header("Message-ID").ends_with("@envoi.test>") && !mail.header("Date").is_empty());
    // Nothing in it is so long that a relay would break it.
    assert!(mail.content.lines().all(|line| line.len() <= LINE_CHARS_MAX), "{}", mail.content);
    let command = mail.command();
    let [program, client, server_option, url, confirm, token_option, token] = command[..] else {
        panic!("{command:?}")
    };
    assert_eq!([program, client, server_option], ["envoi", "client", "--server"]);
    assert_eq!([confirm, token_option, token], ["confirm", "--token", mail.token()]);
    assert!(url.starts_with("http"), "{url}");
    let confirm = json!({ "token": mail.token() });
    server.http().post("/v1/accounts/confirm-email", &confirm).await.expect(204);
    let login = json!({ "email": "ann@envoi.test", "password": PASSWORD });
    server.http().post("/v1/sessions", &login).await.expect(200);
}

#[tokio::test]
async fn mail_waits_for_a_server_that_is_down_and_nobody_waits_with_it() {
    let port = free_port().await;
    let server = server(&format!("smtp://127.0.0.1:{port}"), None).await;
    let addresses = ["ann@envoi.test", "bob@envoi.test"];
    for address in addresses {
        register(&server, address).await.expect(202);
    }
    let lag = "envoi_reactions_lag_seconds{reaction=\"account_mail\"}";
    until(async || metric(&server, &mails("unreachable")).await.filter(|tries| *tries >= 5.0)).await;
    assert!(metric(&server, lag).await.is_some_and(|lag| lag > 0.0));
    let mut mailbox = MailServer::start_on(port, &Demands::default()).await;
    let mut ids = Vec::new();
    for address in addresses {
        let mail = mailbox.next().await;
        assert_eq!(mail.to, [address]);
        server.http().post("/v1/accounts/confirm-email", &json!({ "token": mail.token() })).await.expect(204);
        ids.push(mail.header("Message-ID").to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 2);
    assert_eq!(metric(&server, "envoi_reactions_parked_events{reaction=\"account_mail\"}").await, Some(0.0));
}

#[tokio::test]
async fn an_address_that_does_not_exist_is_given_up_and_not_told() {
    let log = Log::capture();
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let server = server(&format!("smtp://127.0.0.1:{}", mailbox.port), None).await;
    register(&server, "nobody@envoi.test").await.expect(202);
    register(&server, "later@envoi.test").await.expect(202);
    register(&server, "ann@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["ann@envoi.test"]);
    until(async || metric(&server, &mails("sent")).await).await;
    assert_eq!(metric(&server, &mails("refused")).await, Some(1.0));
    // The other is set aside, and tried again after a while.
    assert_eq!(metric(&server, &mails("deferred")).await, Some(1.0));
    let parked = "envoi_reactions_parked_events{reaction=\"account_mail\"}";
    assert_eq!(metric(&server, parked).await, Some(1.0));
    let text = log.text();
    assert!(text.contains("an e-mail is given up") && text.contains("550"), "{text}");
    for address in ["nobody@envoi.test", "later@envoi.test", "ann@envoi.test"] {
        assert!(!text.contains(address), "{address} is in the log");
    }
}

#[tokio::test]
async fn what_a_relay_defers_arrives_while_its_token_lives() {
    let clock = Clock::manual(START);
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let server = server_at(&format!("smtp://127.0.0.1:{}", mailbox.port), None, Some(clock.clone())).await;
    register(&server, "grey@envoi.test").await.expect(202);
    register(&server, "ann@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["ann@envoi.test"]);
    until(async || metric(&server, &mails("deferred")).await.filter(|tries| *tries >= 1.0)).await;
    clock.advance_seconds(i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    until(async || metric(&server, &mails("deferred")).await.filter(|tries| *tries >= 2.0)).await;
    clock.advance_seconds(2 * i64::from(REACTION_PARKED_REST_SECONDS_MIN));
    let mail = mailbox.next().await;
    assert_eq!(mail.to, ["grey@envoi.test"]);
    server.http().post("/v1/accounts/confirm-email", &json!({ "token": mail.token() })).await.expect(204);
    assert_eq!(metric(&server, &mails("deferred")).await, Some(2.0));
}

#[tokio::test]
async fn every_spelling_of_a_domain_is_one_address_and_every_relay_understands_it() {
    let mut mailbox = MailServer::start(&Demands { ascii: true, ..Demands::default() }).await;
    let server = server(&format!("smtp://127.0.0.1:{}", mailbox.port), None).await;
    register(&server, "ann@b\u{fc}cher.example").await.expect(202);
    let mail = mailbox.next().await;
    assert_eq!(
        (&mail.to[..], mail.header("To")),
        (&["ann@xn--bcher-kva.example".to_owned()][..], "ann@xn--bcher-kva.example")
    );
    let confirm = json!({ "token": mail.token() });
    server.http().post("/v1/accounts/confirm-email", &confirm).await.expect(204);
    for spelling in ["ann@b\u{fc}cher.example", "Ann@BU\u{308}CHER.example", "ann@XN--bcher-kva.example"] {
        let login = json!({ "email": spelling, "password": PASSWORD });
        server.http().post("/v1/sessions", &login).await.expect(200);
    }
    // Whoever registers it once more is told so by mail, in whichever spelling.
    register(&server, "ann@xn--bcher-kva.example").await.expect(202);
    let told = mailbox.next().await;
    assert!(told.to == ["ann@xn--bcher-kva.example"] && !told.text.contains("token: "), "{}", told.text);
}

#[tokio::test]
async fn an_address_that_no_mail_can_go_to_is_refused_at_registration() {
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let plain = server(&format!("smtp://127.0.0.1:{}", mailbox.port), None).await;
    let refused = register(&plain, "j\u{f6}rg@envoi.test").await.refused(422, "invalid_field");
    assert_eq!(refused.json["field"], "email");
    // A relay that takes it is told by its URL.
    let able = server(&format!("smtp://127.0.0.1:{}?smtputf8=yes", mailbox.port), None).await;
    register(&able, "j\u{f6}rg@envoi.test").await.expect(202);
    let mail = mailbox.next().await;
    assert_eq!(mail.to, ["j\u{f6}rg@envoi.test"]);
    able.http().post("/v1/accounts/confirm-email", &json!({ "token": mail.token() })).await.expect(204);
}

#[tokio::test]
async fn an_address_that_the_relay_turns_out_not_to_take_is_set_aside_and_told() {
    let clock = Clock::manual(START);
    let mut mailbox = MailServer::start(&Demands { ascii: true, ..Demands::default() }).await;
    let url = format!("smtp://127.0.0.1:{}?smtputf8=yes", mailbox.port);
    let server = server_at(&url, None, Some(clock.clone())).await;
    register(&server, "j\u{f6}rg@envoi.test").await.expect(202);
    register(&server, "ann@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["ann@envoi.test"]);
    let parked = "envoi_reactions_parked_events{reaction=\"account_mail\"}";
    until(async || metric(&server, parked).await.filter(|events| *events == 1.0)).await;
    assert!(metric(&server, &mails("undeliverable")).await.is_some_and(|tries| tries >= 1.0));
    // It is not tried for longer than what it brings holds.
    clock.advance_seconds(2 * EMAIL_CONFIRMATION_SECONDS);
    until(async || metric(&server, &mails("expired")).await.filter(|times| *times >= 1.0)).await;
    until(async || metric(&server, parked).await.filter(|events| *events == 0.0)).await;
}

#[tokio::test]
async fn one_stuck_recipient_delays_nobody_for_long() {
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let server = server(&format!("smtp://127.0.0.1:{}", mailbox.port), None).await;
    register(&server, "stuck@envoi.test").await.expect(202);
    register(&server, "ann@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["ann@envoi.test"]);
    // While the first is tried again, and hangs again.
    let parked = "envoi_reactions_parked_events{reaction=\"account_mail\"}";
    until(async || metric(&server, parked).await.filter(|events| *events == 1.0)).await;
    register(&server, "bob@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["bob@envoi.test"]);
}

#[tokio::test]
async fn what_was_deferred_until_its_token_expired_is_given_up_on_record() {
    let clock = Clock::manual(START);
    let mut mailbox = MailServer::start(&Demands::default()).await;
    let server = server_at(&format!("smtp://127.0.0.1:{}", mailbox.port), None, Some(clock.clone())).await;
    register(&server, "later@envoi.test").await.expect(202);
    until(async || metric(&server, &mails("deferred")).await.filter(|tries| *tries >= 1.0)).await;
    clock.advance_seconds(EMAIL_CONFIRMATION_SECONDS);
    until(async || metric(&server, &mails("expired")).await.filter(|times| *times >= 1.0)).await;
    let given_up = "envoi_reactions_events_total{outcome=\"given_up\",reaction=\"account_mail\"}";
    until(async || metric(&server, given_up).await.filter(|times| *times >= 1.0)).await;
    let filter =
        ReadFilter { event_types: vec!["operations.parked_event_discarded"], ..ReadFilter::default() };
    assert_eq!(server.log.read_all(None, 10, &filter).await.unwrap().len(), 1);
    // Whoever asks again gets another.
    register(&server, "ann@envoi.test").await.expect(202);
    assert_eq!(mailbox.next().await.to, ["ann@envoi.test"]);
}

#[tokio::test]
async fn mail_goes_out_encrypted_and_logged_in() {
    let log = Log::capture();
    let (authority, directory) = (Authority::default(), tempfile::tempdir().unwrap());
    let issued = authority.issue("localhost", directory.path());
    let demands = Demands { tls: Some(&issued), login: Some(("envoi", SECRET)), ascii: false };
    let mut mailbox = MailServer::start(&demands).await;
    let url =
        |host: &str, secret: &str| format!("smtp://envoi:{secret}@{host}:{}?tls=required", mailbox.port);
    let refused = async |url: &str, roots: Option<&Authority>| {
        let roots = roots.map(Authority::root);
        let mailer = Mailer::open(url, SENDER, roots.as_deref().map(str::as_bytes)).unwrap();
        let Err(MailError::Unreachable(reason)) = mailer.reach().await else { panic!("{url} is let in") };
        assert!(!reason.contains(SECRET) && !reason.contains(SECRET_IN_URL), "{reason}");
        reason
    };
    let wrong = refused(&url("localhost", "wrong"), Some(&authority)).await;
    assert_eq!(wrong, "the server answered 535");
    refused(&url("localhost", SECRET_IN_URL), None).await;
    refused(&url("localhost", SECRET_IN_URL), Some(&Authority::default())).await;
    refused(&url("127.0.0.1", SECRET_IN_URL), Some(&authority)).await;
    let anonymous = format!("smtp://localhost:{}?tls=required", mailbox.port);
    Mailer::open(&anonymous, SENDER, Some(authority.root().as_bytes())).unwrap().reach().await.unwrap();

    let server = server(&url("localhost", SECRET_IN_URL), Some(&authority.root())).await;
    register(&server, "ann@envoi.test").await.expect(202);
    let mail = mailbox.next().await;
    assert!(mail.encrypted);
    assert_eq!(
        (mail.login.as_deref(), mail.to.as_slice()),
        (Some("envoi"), &["ann@envoi.test".to_owned()][..])
    );
    let text = log.text();
    assert!(!text.contains(SECRET) && !text.contains(SECRET_IN_URL));
}
