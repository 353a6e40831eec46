//! Which clients of an HTTP listener are nodes.

use super::verify::{PeerVerifier, Unreadable};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// Verifies clients that may, but need not, prove that they are nodes of ours: who presents a certificate is held to
/// it as any peer is.
#[derive(Debug)]
pub(super) struct NodesAmongClients {
    peers: PeerVerifier,
    /// What clients of many people's making (browsers) choose a certificate by, or none.
    subjects: Vec<DistinguishedName>,
}

impl NodesAmongClients {
    pub(super) fn new(
        authority: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Unreadable> {
        let mut named = RootCertStore::empty();
        named.add_parsable_certificates(authority.iter().cloned());
        Ok(Self { subjects: named.subjects(), peers: PeerVerifier::new(authority, provider)? })
    }
}

impl ClientCertVerifier for NodesAmongClients {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.subjects
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        self.peers.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        ClientCertVerifier::verify_tls12_signature(&self.peers, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        ClientCertVerifier::verify_tls13_signature(&self.peers, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ClientCertVerifier::supported_verify_schemes(&self.peers)
    }
}
