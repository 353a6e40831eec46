//! Who is trusted.
//!
//! A peer is verified as usual: its chain ends at a certificate authority of the authority file, it is valid now,
//! and it carries the name dialled. The one exception: when the certificate the peer presents IS a certificate in
//! the authority file, byte for byte, its name and its CA flag are not looked at. It was put there by hand, so
//! nobody else can present it; that it holds the key, and that the certificate is valid now, is checked all the same.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// A certificate that cannot be read; says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(String);

/// From when to when a certificate is valid, in unix seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validity {
    not_before: i64,
    pub(super) not_after: i64,
}

impl Validity {
    pub(crate) fn check(self, now: UnixTime) -> Result<(), CertificateError> {
        let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let time = |seconds: i64| {
            UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        };
        if at < self.not_before {
            return Err(CertificateError::NotValidYetContext {
                time: now,
                not_before: time(self.not_before),
            });
        }
        if at > self.not_after {
            return Err(CertificateError::ExpiredContext { time: now, not_after: time(self.not_after) });
        }
        Ok(())
    }
}

/// Reads when a certificate is valid.
pub(crate) fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, Unreadable> {
    Ok(read(certificate)?.0)
}

/// Reads when a certificate is valid, and whether it may issue others.
fn read(certificate: &CertificateDer<'_>) -> Result<(Validity, bool), Unreadable> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|why| Unreadable(why.to_string()))?;
    let validity = Validity {
        not_before: parsed.validity().not_before.timestamp(),
        not_after: parsed.validity().not_after.timestamp(),
    };
    // Authorities of version 1 have no CA flag; only self-issued ones are believed.
    let old_root = parsed.version() == X509Version::V1 && parsed.subject() == parsed.issuer();
    Ok((validity, parsed.is_ca() || old_root))
}

/// Verifies peers in both directions.
#[derive(Debug)]
pub(crate) struct PeerVerifier {
    /// The authority file's certificates: who presents one of these is trusted.
    listed: Vec<(CertificateDer<'static>, Validity)>,
    /// The usual verification; absent when no listed certificate may issue others.
    servers: Option<Arc<WebPkiServerVerifier>>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    pub(crate) fn new(
        authority: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Unreadable> {
        let mut roots = RootCertStore::empty();
        let mut listed = Vec::with_capacity(authority.len());
        for certificate in authority {
            let (validity, issues) = read(&certificate)?;
            // A listed certificate that may not issue others is no root: a leaf's key must not make more leaves.
            if issues {
                roots.add(certificate.clone()).map_err(|why| Unreadable(why.to_string()))?;
            }
            listed.push((certificate, validity));
        }
        let (mut servers, mut clients) = (None, None);
        if !roots.is_empty() {
            let roots = Arc::new(roots);
            let broken = |why: rustls::server::VerifierBuilderError| Unreadable(why.to_string());
            let server = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
            servers = Some(server.build().map_err(broken)?);
            let client = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
            clients = Some(client.build().map_err(broken)?);
        }
        Ok(Self { listed, servers, clients, algorithms: provider.signature_verification_algorithms })
    }

    /// The exception: `Some` when the certificate is a listed one, with whether it is valid now.
    fn listed(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Result<(), TlsError>> {
        let (_, validity) = self.listed.iter().find(|(known, _)| known.as_ref() == certificate.as_ref())?;
        Some(validity.check(now).map_err(TlsError::InvalidCertificate))
    }
}

const UNKNOWN: TlsError = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(verdict) = self.listed(end_entity, now) {
            return verdict.map(|()| ServerCertVerified::assertion());
        }
        let usual = self.servers.as_ref().ok_or(UNKNOWN)?;
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    /// None: a client that chooses its certificate by these would present nothing where it had the wrong one, and
    /// both logs would say less.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        if let Some(verdict) = self.listed(end_entity, now) {
            return verdict.map(|()| ClientCertVerified::assertion());
        }
        let usual = self.clients.as_ref().ok_or(UNKNOWN)?;
        usual.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certs::{self, CertFiles};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
    use rustls_pki_types::PrivateKeyDer;
    use rustls_pki_types::pem::PemObject;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    fn parts(files: &CertFiles) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = vec![CertificateDer::from_pem_slice(files.certificate.as_bytes()).unwrap()];
        (chain, PrivateKeyDer::from_pem_slice(files.key.as_bytes()).unwrap())
    }

    /// A handshake between two nodes that both trust `authority`; whether either side refused.
    async fn shake(
        version: &'static SupportedProtocolVersion,
        authority: &CertFiles,
        server: &CertFiles,
        client: &CertFiles,
    ) -> (bool, bool) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(PeerVerifier::new(parts(authority).0, &provider).unwrap());
        let (chain, key) = parts(server);
        let serving = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_client_cert_verifier(verifier.clone())
            .with_single_cert(chain, key)
            .unwrap();
        let (chain, key) = parts(client);
        let dialling = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key)
            .unwrap();
        let (near, far) = tokio::io::duplex(1 << 16);
        let accepting = TlsAcceptor::from(Arc::new(serving)).accept(far);
        let name = ServerName::try_from("not.on.the.certificate").unwrap();
        let connecting = TlsConnector::from(Arc::new(dialling)).connect(name, near);
        let (accepted, connected) = tokio::join!(accepting, connecting);
        (accepted.is_err(), connected.is_err())
    }

    #[tokio::test]
    async fn both_versions_of_tls_make_the_one_exception_and_no_other() {
        for version in [&TLS12, &TLS13] {
            for ca in [false, true] {
                let pair = certs::self_signed(&["localhost".into()], ca).unwrap();
                let stranger = certs::self_signed(&["localhost".into()], ca).unwrap();
                assert_eq!(shake(version, &pair, &pair, &pair).await, (false, false), "{version:?} {ca}");
                assert!(shake(version, &pair, &stranger, &pair).await.1, "{version:?} {ca}");
                assert!(shake(version, &pair, &pair, &stranger).await.0, "{version:?} {ca}");
            }
        }
    }
}
