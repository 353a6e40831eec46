//! Makes certificates: the one self-signed pair of the walk-through, or an authority with a leaf per node.
//!
//! Keys are ECDSA P-256. For development and small installations; a site with its own authority brings its own files.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use time::{Duration, OffsetDateTime};

/// How long a certificate is valid.
const LIFETIME: Duration = Duration::days(3650);
/// How far in the past it begins, for nodes whose clocks are behind.
const CLOCK_SKEW: Duration = Duration::hours(24);

/// Why certificates could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name is neither a DNS name nor an IP address, or the key failed.
    #[error("make a certificate for {names}")]
    Make {
        /// The names asked for.
        names: String,
        /// What the generator said.
        source: rcgen::Error,
    },
    /// An authority's files do not hold a certificate and its key.
    #[error("read the authority")]
    Authority(#[source] rcgen::Error),
    /// A file cannot be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A certificate and its private key (PKCS#8), as PEM text.
#[derive(Clone)]
pub struct CertFiles {
    /// The certificate.
    pub certificate: String,
    /// Its private key. Secret.
    pub key: String,
}

impl std::fmt::Debug for CertFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertFiles").field("certificate", &self.certificate).field("key", &"***").finish()
    }
}

impl CertFiles {
    /// Writes both; the key's file can be read by its owner alone. Blocks on the file system.
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<(), Error> {
        write_file(certificate, self.certificate.as_bytes(), 0o644)?;
        write_file(key, self.key.as_bytes(), 0o600)
    }
}

/// One pair for everything: the same certificate serves as every node's own and as the authority. `names` are DNS
/// names and IP addresses; `ca` sets the CA flag.
pub fn self_signed(names: &[String], ca: bool) -> Result<CertFiles, Error> {
    let mut params = params(names)?;
    params.extended_key_usages = both_directions();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.is_ca = IsCa::ExplicitNoCa;
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    }
    sign(names, |key| params.self_signed(key))
}

/// An authority that signs leaves and nothing else.
pub fn authority() -> Result<CertFiles, Error> {
    let mut params = params(&[])?;
    params.distinguished_name.push(DnType::CommonName, "remuda authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    sign(&[], |key| params.self_signed(key))
}

/// A node's certificate, signed by `authority`, for the DNS names and IP addresses it is dialled by.
pub fn leaf(authority: &CertFiles, names: &[String]) -> Result<CertFiles, Error> {
    let key = KeyPair::from_pem(&authority.key).map_err(Error::Authority)?;
    let issuer = Issuer::from_ca_cert_pem(&authority.certificate, key).map_err(Error::Authority)?;
    let mut params = params(names)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = both_directions();
    params.use_authority_key_identifier_extension = true;
    sign(names, |key| params.signed_by(key, &issuer))
}

fn params(names: &[String]) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names.to_vec())
        .map_err(|source| Error::Make { names: names.join(", "), source })?;
    params.distinguished_name = DistinguishedName::new();
    if let Some(first) = names.first() {
        params.distinguished_name.push(DnType::CommonName, first.clone());
    }
    let now = OffsetDateTime::now_utc();
    params.not_before = now - CLOCK_SKEW;
    params.not_after = now + LIFETIME;
    Ok(params)
}

/// Nodes are servers to some and clients of others.
fn both_directions() -> Vec<ExtendedKeyUsagePurpose> {
    vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth]
}

fn sign(
    names: &[String],
    certify: impl FnOnce(&KeyPair) -> Result<rcgen::Certificate, rcgen::Error>,
) -> Result<CertFiles, Error> {
    let failed = |source| Error::Make { names: names.join(", "), source };
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = certify(&key).map_err(failed)?;
    Ok(CertFiles { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
        // A file that was there keeps its mode otherwise.
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.write_all(bytes)
    };
    write().map_err(|source| Error::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_written_key_is_readable_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        std::fs::write(&key, "old").unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o666)).unwrap();
        self_signed(&["localhost".into()], false).unwrap().write(&certificate, &key).unwrap();
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(std::fs::read_to_string(&key).unwrap().contains("PRIVATE KEY"));
    }

    #[test]
    fn a_key_is_not_printed() {
        let files = self_signed(&["localhost".into()], false).unwrap();
        assert!(!format!("{files:?}").contains("PRIVATE KEY"));
    }
}
