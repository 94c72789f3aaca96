//! Credentials and TLS.

use std::io::Write as _;

use eventstore::{Error, ExpectedRevision};
use eventstore_double::{Double, DoubleConfig, TlsIdentity};

use super::{append, connect};

#[tokio::test]
async fn only_the_right_credentials_are_let_in() {
    let credentials = Some(("admin".to_owned(), "changeit".to_owned()));
    let double = Double::start(DoubleConfig { credentials, ..DoubleConfig::default() }).await.unwrap();
    let right = connect(&double.url_as("admin", "changeit"));
    append(&right, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    for url in [double.url_as("admin", "wrong"), double.url_as("other", "changeit"), double.url()] {
        let outcome = append(&connect(&url), "a", ExpectedRevision::Any, &[2]).await;
        assert!(matches!(outcome, Err(Error::AccessDenied)), "{outcome:?}");
    }
    assert_eq!(double.faults().last_revision("a"), Some(0));
}

#[tokio::test]
async fn a_certificate_is_accepted_by_who_trusts_it_and_names_it_right() {
    let identity = TlsIdentity::self_signed(&["localhost"]).unwrap();
    let mut trusted = tempfile::NamedTempFile::new().unwrap();
    trusted.write_all(identity.certificate_pem.as_bytes()).unwrap();
    let tls = Some(identity);
    let double = Double::start(DoubleConfig { tls, ..DoubleConfig::default() }).await.unwrap();
    let port = double.address().port();
    let authority = trusted.path().display();

    let client = connect(&format!("esdb://localhost:{port}?tls=true&tlsCaFile={authority}"));
    append(&client, "a", ExpectedRevision::NoStream, &[1]).await.unwrap();
    let unverified = connect(&format!("{}&tlsVerifyCert=false", double.url()));
    append(&unverified, "a", ExpectedRevision::Any, &[2]).await.unwrap();

    let other_name = format!("esdb://127.0.0.1:{port}?tls=true&tlsCaFile={authority}");
    let plain = format!("esdb://localhost:{port}?tls=false");
    for url in [other_name, plain, double.url()] {
        append(&connect(&url), "a", ExpectedRevision::Any, &[3]).await.unwrap_err();
    }
    assert_eq!(double.faults().last_revision("a"), Some(1));
}
