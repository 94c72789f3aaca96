//! The certificate a double shows, and what a client must trust to accept it.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::StartError;

/// A certificate chain and its key, both PEM.
#[derive(Clone)]
pub struct TlsIdentity {
    /// The chain, the server's own certificate first.
    pub certificate_pem: String,
    /// The key, PKCS #8.
    pub key_pem: String,
}

impl TlsIdentity {
    /// A certificate for these names and addresses that is its own authority, and a new key.
    ///
    /// # Errors
    ///
    /// [`StartError::Certificate`] for a name that no certificate can hold.
    pub fn self_signed(names: &[&str]) -> Result<Self, StartError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| StartError::Certificate(Box::new(error)))?;
        Ok(Self { certificate_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() })
    }

    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, StartError> {
        let certificate = |error| StartError::Certificate(Box::new(error));
        let chain =
            CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()).map_err(certificate)?;
        // The provider is named: clients in the same process install the process's own.
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| StartError::Certificate(Box::new(error)))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}
