//! A certificate authority of a test's own.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// Issues certificates that only those trust who trust [`Authority::root`].
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Files of a certificate and its key, both PEM.
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, readable by its owner only.
    pub key: PathBuf,
}

impl Default for Authority {
    fn default() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }
}

impl Authority {
    /// Its own certificate, PEM.
    pub fn root(&self) -> String {
        self.0.pem()
    }

    /// Writes a certificate for a name or address, and its key, into `directory`.
    pub fn issue(&self, name: &str, directory: &Path) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let issued = Issued { certificate: directory.join("server.crt"), key: directory.join("server.key") };
        std::fs::write(&issued.certificate, certificate.pem()).expect("the certificate is written");
        std::fs::write(&issued.key, key.serialize_pem()).expect("the key is written");
        issued
    }
}
