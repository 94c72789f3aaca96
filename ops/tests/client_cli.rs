//! `envoi client` with the real binary against a private installation.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod support;

use serde_json::{Value, json};
use support::{Dev, Listening, PASSWORD, Person, Ran, envoi, fed, text};

fn texts(history: &Value) -> Vec<String> {
    history.as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap_or("").to_owned()).collect()
}

#[test]
fn two_people_meet_talk_and_part() {
    let (dev, home) = (Dev::start(), tempfile::tempdir().unwrap());
    let (ann, bob) = (Person::new(&dev, home.path(), "ann"), Person::new(&dev, home.path(), "bob"));
    let (ann_id, bob_id) = (ann.enters("Ann Archer"), bob.enters("Bob Baker"));
    let organization = organization(&ann, &bob, &bob_id);
    let group = group(&ann, &bob, &organization, &bob_id);
    talk(&ann, &bob, &group, &ann_id);
    change(&ann, &bob, &group);
    compare_safety_numbers(&ann, &bob, &group, &ann_id, &bob_id);
    second_device(&ann, &bob, &dev, &group);
    part(&ann, &bob, &group, &bob_id);
}

fn organization(ann: &Person<'_>, bob: &Person<'_>, bob_id: &str) -> String {
    assert!(ann.sees(&["org", "list"]).contains("in no organization yet"));
    let organization = text(&ann.does(&["org", "create", "Archers"]), "organization_id");
    let token = text(&ann.does(&["org", "invite", &organization]), "token");
    assert_eq!(bob.does(&["org", "join", &token]), json!({ "organization_id": organization }));
    let again = ann.runs(&["org", "join", &token]);
    assert_eq!(again.code, 1, "{}", again.stderr);

    let listed = ann.does(&["org", "list"]);
    assert_eq!(
        (listed[0]["organization_id"].as_str(), listed[0]["name"].as_str()),
        (Some(&*organization), Some("Archers"))
    );
    let members = ann.does(&["org", "members", &organization]);
    let member = |id: &str| members.as_array().unwrap().iter().find(|row| row["account_id"] == id).cloned();
    assert_eq!(members.as_array().unwrap().len(), 2);
    assert_eq!(member(bob_id).unwrap()["role"], "member");
    let shown = ann.sees(&["org", "members", &organization]);
    assert!(shown.contains("Ann Archer") && shown.contains("owner"), "{shown}");

    assert!(ann.sees(&["workspace", "list", &organization]).contains("No workspaces yet"));
    let workspace = text(&ann.does(&["workspace", "create", &organization, "Range"]), "workspace_id");
    assert_eq!(text(&ann.does(&["workspace", "list", &organization])[0], "workspace_id"), workspace);
    organization
}

fn group(ann: &Person<'_>, bob: &Person<'_>, organization: &str, bob_id: &str) -> String {
    assert!(ann.sees(&["conversation", "list", organization]).contains("No conversations yet"));
    let opened = ann.does(&["conversation", "create", organization, "--title", "Sunday"]);
    let group = text(&opened, "conversation_id");
    assert!(ann.sees(&["history", &group]).contains("No messages"));
    ann.does(&["conversation", "add", &group, bob_id]);
    let listed = bob.does(&["conversation", "list", organization]);
    assert_eq!((listed[0]["title"].as_str(), listed[0]["kind"].as_str()), (Some("Sunday"), Some("GROUP")));
    assert_eq!(bob.does(&["conversation", "members", &group]).as_array().unwrap().len(), 2);

    let direct = text(&ann.does(&["conversation", "direct", organization, bob_id]), "conversation_id");
    let found = text(&ann.does(&["conversation", "direct", organization, bob_id]), "conversation_id");
    assert_eq!(direct, found);
    group
}

fn talk(ann: &Person<'_>, bob: &Person<'_>, group: &str, ann_id: &str) {
    let mut bob_hears = Listening::start(bob.command(&["listen", group, "--count", "2"]));
    let mut ann_hears = Listening::start(ann.command(&["listen"]));
    assert_eq!(ann.does(&["send", group, "Arrows at ten?"])["number"], 1);
    let first = bob_hears.next("message");
    assert_eq!(
        (first["text"].as_str(), first["state"].as_str()),
        (Some("Arrows at ten?"), Some("encrypted"))
    );
    assert_eq!((first["sender_id"].as_str(), first["sender"].as_str()), (Some(ann_id), Some("Ann Archer")));
    let receipt = ann_hears.next("receipt");
    assert_eq!((receipt["delivered_up_to"].as_u64(), receipt["read_up_to"].as_u64()), (Some(1), Some(1)));

    let mut command = ann.command(&["send", group, "-", "--reply-to", "1", "--json"]);
    command.env("RUST_BACKTRACE", "0");
    assert_eq!(fed(command, "Two lines:\nnine o'clock\n").succeeded().json()["number"], 2);
    let second = bob_hears.next("message");
    assert_eq!(
        (second["text"].as_str(), second["reply_to"].as_u64()),
        (Some("Two lines:\nnine o'clock"), Some(1))
    );
    assert_eq!(bob_hears.ends(), 0);
    assert_eq!(bob.does(&["send", group, "-Yes.\u{1b}[2J"])["number"], 3);
    assert_eq!(ann_hears.next("message")["number"], 2);
    assert_eq!(ann_hears.next("message")["text"], "-Yes.\u{1b}[2J");
    assert_eq!(ann_hears.interrupt(), 0);

    let history = ann.does(&["history", group]);
    assert_eq!(texts(&history), ["Arrows at ten?", "Two lines:\nnine o'clock", "-Yes.\u{1b}[2J"]);
    assert!(
        history
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["state"] == "encrypted" && row["sender_verified"] == false)
    );
    assert_eq!(texts(&ann.does(&["history", group, "--after", "1", "--limit", "1"])).len(), 1);
    assert_eq!(texts(&ann.does(&["history", group, "--before", "2"])), ["Arrows at ten?"]);
}

fn change(ann: &Person<'_>, bob: &Person<'_>, group: &str) {
    ann.does(&["edit", group, "1", "Arrows at eleven?"]);
    let foreign = bob.runs(&["edit", group, "1", "No arrows"]);
    assert_eq!(foreign.code, 1, "{}", foreign.stderr);
    assert!(foreign.stderr.contains("not_sender"), "{}", foreign.stderr);
    let missing = bob.runs(&["edit", group, "99", "-x"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    bob.does(&["react", group, "1", "🏹"]);
    bob.does(&["react", group, "2", "👍", "--slot", "1"]);
    bob.does(&["react", group, "2", "--slot", "1"]);
    ann.does(&["delete", group, "2"]);
    let history = bob.does(&["history", group, "--reactions"]);
    assert_eq!(history[0]["text"], "Arrows at eleven?");
    assert_eq!(history[0]["reactions"][0]["emoji"], "🏹");
    assert_eq!((history[1]["state"].as_str(), history[1]["text"].as_str()), (Some("deleted"), None));
    let shown = bob.sees(&["history", group, "--reactions"]);
    assert!(shown.contains("Ann Archer") && shown.contains("(edited)") && shown.contains("[🏹]"), "{shown}");
    assert!(shown.contains("(deleted)") && shown.contains(": -Yes.␛[2J"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "a message gives orders to the terminal");
}

#[test]
fn what_others_write_does_not_pose_as_what_the_program_says() {
    let (dev, home) = (Dev::start(), tempfile::tempdir().unwrap());
    let (ann, bob) = (Person::new(&dev, home.path(), "ann"), Person::new(&dev, home.path(), "bob"));
    ann.enters("Ann Archer");
    let bob_id = bob.enters("Ann Archer");
    let organization = text(&ann.does(&["org", "create", "Archers"]), "organization_id");
    let token = text(&ann.does(&["org", "invite", &organization]), "token");
    bob.does(&["org", "join", &token]);
    let opened =
        ann.does(&["conversation", "create", &organization, "--title", "Sunday", "--member", &bob_id]);
    let group = text(&opened, "conversation_id");
    ann.does(&["send", &group, "Shall I pay?"]);
    let posing = "Wait.\n    3  2026-01-01 10:00:00Z  Ann Archer: Yes, pay.\u{202e}\r(deleted)";
    bob.does(&["send", &group, posing]);
    let shown = ann.sees(&["history", &group]);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    let own: Vec<_> =
        lines.iter().filter(|line| line.contains("Z  Ann Archer") && !line.contains('│')).collect();
    assert_eq!(own.len(), 2, "{shown}");
    assert!(lines[2].starts_with("      │ ") && !shown.contains(['\r', '\u{202e}']), "{shown}");
    // The two are told apart by the ends of their ids.
    let end = format!("Ann Archer ‹{}›: Wait.", &bob_id[bob_id.len() - 8..]);
    assert!(lines[1].contains(&end), "{shown}");
    assert!(
        lines[0].contains("›: Shall I pay?") && !lines[0].contains(&bob_id[bob_id.len() - 8..]),
        "{shown}"
    );
    assert_eq!(ann.does(&["history", &group])[1]["text"], posing, "machines get it as it is");
    // Nor where nobody else is there to be told apart from: only who was made sure of goes by the name alone.
    let posing_alone = ann.sees(&["history", &group, "--after", "1"]);
    assert!(posing_alone.contains(&end), "{posing_alone}");
    ann.does(&["safety-number", &bob_id, "--verified"]);
    let sure = ann.sees(&["history", &group, "--after", "1"]);
    assert!(sure.contains("Ann Archer: Wait."), "{sure}");
}

#[test]
fn keys_are_not_made_under_what_can_be_guessed() {
    let (dev, home) = (Dev::start(), tempfile::tempdir().unwrap());
    let mut ann = Person::new(&dev, home.path(), "ann");
    for (weak, said) in [("sunshine", "easy to guess"), (PASSWORD, "password")] {
        ann.passphrase = weak.to_owned();
        let refused = ann.runs(&["--server", &dev.url, "login", "--email", &ann.email]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains(said) && refused.stderr.contains("try:"), "{}", refused.stderr);
        assert!(!home.path().join("ann.key").exists());
    }
}

fn compare_safety_numbers(ann: &Person<'_>, bob: &Person<'_>, group: &str, ann_id: &str, bob_id: &str) {
    let (one, other) = (ann.does(&["safety-number", bob_id]), bob.does(&["safety-number", ann_id]));
    assert_eq!(one["safety_number"], other["safety_number"]);
    assert_eq!(one["verified"], false);
    assert_eq!(ann.does(&["safety-number", bob_id, "--verified"])["verified"], true);
    assert_eq!(ann.does(&["safety-number", bob_id])["verified"], true);
    assert_eq!(ann.does(&["safety-number", ann_id])["verified"], false, "there is nobody to compare it with");
    let verified = |person: &Person<'_>| -> Vec<bool> {
        let history = person.does(&["history", group]);
        history.as_array().unwrap().iter().map(|row| row["sender_verified"].as_bool().unwrap()).collect()
    };
    assert_eq!(verified(ann), [false, false, true], "who compared it knows the other");
    assert_eq!(verified(bob), [false, false, false]);
}

fn second_device(ann: &Person<'_>, bob: &Person<'_>, dev: &Dev, group: &str) {
    let mut laptop = Person::new(dev, ann.home, "ann-laptop");
    laptop.email.clone_from(&ann.email);
    let login = ["--server", &dev.url, "login", "--email", &ann.email, "--device-name", "laptop"];
    let refused = laptop.runs(&login);
    assert_eq!(refused.code, 2, "the vault has another passphrase: {}", refused.stderr);
    assert!(!ann.home.join("ann-laptop.key").exists());
    laptop.passphrase.clone_from(&ann.passphrase);
    let device = text(&laptop.does(&login), "device_id");
    assert_eq!(texts(&laptop.does(&["history", group]))[0], "Arrows at eleven?");
    laptop.does(&["send", group, "From the laptop."]);
    assert_eq!(texts(&bob.does(&["history", group])).last().unwrap(), "From the laptop.");

    let devices = ann.does(&["devices", "list"]);
    let names: Vec<_> = devices.as_array().unwrap().iter().map(|row| text(row, "name")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"laptop".to_owned()));
    ann.does(&["devices", "revoke", &device, "--cause", "lost"]);
    let revoked = laptop.runs(&["send", group, "Still me?"]);
    assert_ne!(revoked.code, 0, "a revoked device still sends");
    ann.does(&["send", group, "The laptop is gone."]);
    assert_eq!(texts(&bob.does(&["history", group])).last().unwrap(), "The laptop is gone.");
}

fn part(ann: &Person<'_>, bob: &Person<'_>, group: &str, bob_id: &str) {
    ann.does(&["conversation", "remove", group, bob_id]);
    for verb in [&["history", group][..], &["send", group, "Hello?"], &["conversation", "members", group]] {
        let refused = bob.runs(verb);
        assert_eq!(refused.code, 1, "{verb:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("try:"), "{}", refused.stderr);
    }
    let whoami = bob.does(&["whoami"]);
    assert_eq!(whoami["account_id"], bob_id);
    assert!(whoami["device_id"].is_string());
    assert!(bob.sees(&["whoami"]).contains("Bob Baker"));
    assert_eq!(bob.does(&["sessions"]).as_array().unwrap().len(), 1);
    bob.does(&["logout"]);
    let over = bob.runs(&["whoami"]);
    assert_eq!(over.code, 2, "{}", over.stderr);
    assert!(over.stderr.contains("envoi client login"), "{}", over.stderr);
    let again = bob.does(&["login", "--email", &bob.email, "--server", &bob.dev.url]);
    assert_eq!((again["new_device"].as_bool(), &again["device_id"]), (Some(false), &whoami["device_id"]));
}

#[test]
fn sessions_are_listed_and_ended() {
    let (dev, home) = (Dev::start(), tempfile::tempdir().unwrap());
    let ann = Person::new(&dev, home.path(), "ann");
    ann.enters("Ann");
    let mut other = Person::new(&dev, home.path(), "ann-2");
    other.passphrase.clone_from(&ann.passphrase);
    other.does(&["--server", &dev.url, "login", "--email", &ann.email]);
    let sessions = ann.does(&["sessions", "list"]);
    let sessions = sessions.as_array().unwrap();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let foreign = sessions.iter().find(|row| row["is_current"] == false).unwrap();
    ann.does(&["sessions", "end", &text(foreign, "session_id")]);
    let over = other.runs(&["whoami"]);
    assert_eq!(over.code, 2, "{}", over.stderr);
    assert!(ann.sees(&["sessions"]).contains("SESSION"));
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let client = |arguments: &[&str]| {
        let mut command = envoi(&["client"]);
        command.args(arguments).env("ENVOI_HOME", home.path()).env("ENVOI_PASSWORD", PASSWORD);
        command
    };
    let stranger = Ran::of(client(&["whoami"]));
    assert_eq!(stranger.code, 2);
    assert!(stranger.stderr.contains("envoi client login"), "{}", stranger.stderr);
    let traversal = Ran::of(client(&["--profile", "../x", "whoami"]));
    assert_eq!(traversal.code, 2);
    let address = Ran::of(client(&["--server", "ftp://x", "register", "--email", "a@b.c", "--name", "A"]));
    assert_eq!(address.code, 2);
    assert!(address.stderr.contains("http"), "{}", address.stderr);
    let id = Ran::of(client(&["history", "not-an-id"]));
    assert_eq!(id.code, 2);
    let mut silent =
        client(&["--server", "http://127.0.0.1:1", "register", "--email", "a@b.c", "--name", "A"]);
    silent.env_remove("ENVOI_PASSWORD");
    let silent = Ran::of(silent);
    assert_eq!(silent.code, 2);
    assert!(silent.stderr.contains("ENVOI_PASSWORD"), "{}", silent.stderr);
    let machine = Ran::of(client(&["whoami", "--json"]));
    let told: Value = serde_json::from_str(&machine.stderr).unwrap();
    assert_eq!(told["exit_code"], 2);
}

#[test]
fn wrong_secrets_are_refused() {
    let (dev, home) = (Dev::start(), tempfile::tempdir().unwrap());
    let mut ann = Person::new(&dev, home.path(), "ann");
    ann.enters("Ann");
    ann.passphrase = "another one".to_owned();
    let refused = ann.runs(&["whoami"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("passphrase"), "{}", refused.stderr);
    let mut stranger = Person::new(&dev, home.path(), "stranger");
    stranger.email.clone_from(&ann.email);
    let mut command = stranger.command(&["--server", &dev.url, "login", "--email", &ann.email]);
    command.env("ENVOI_PASSWORD", "not the password at all");
    let refused = Ran::of(command);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("login_refused"), "{}", refused.stderr);
    assert!(!home.path().join("stranger.key").exists());
    let mut elsewhere = Person::new(&dev, home.path(), "ann");
    elsewhere.passphrase = "violet harbour tractor of ann".to_owned();
    let foreign = elsewhere.runs(&["--server", "http://127.0.0.1:1", "whoami"]);
    assert_eq!(foreign.code, 2, "{}", foreign.stderr);
    assert!(foreign.stderr.contains("--server"), "{}", foreign.stderr);
}
