//! PEM files: certificates and keys.

use super::Error;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};

/// The kinds of files, by what each should hold.
pub(super) const CERTIFICATE: Kind = Kind { what: "certificate", expected: CERTIFICATES };
pub(super) const AUTHORITY: Kind = Kind { what: "authority", expected: CERTIFICATES };
pub(super) const KEY: Kind = Kind {
    what: "private key",
    expected: "an unencrypted RSA PRIVATE KEY, PRIVATE KEY or EC PRIVATE KEY block",
};

const CERTIFICATES: &str = "one or more CERTIFICATE blocks";

/// What a file should hold.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    what: &'static str,
    expected: &'static str,
}

impl Kind {
    /// Blocks on the file system.
    pub(super) fn read(self, path: &Path) -> Result<File, Error> {
        let text = std::fs::read(path).map_err(|source| Error::Read {
            what: self.what,
            path: path.to_owned(),
            source,
        })?;
        Ok(File { kind: self, path: path.to_owned(), text })
    }
}

/// A file that was read. Its text may be a key's, so it is not printed.
pub(super) struct File {
    kind: Kind,
    path: PathBuf,
    text: Vec<u8>,
}

impl File {
    /// The bytes, to tell whether the file has changed.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Every certificate of the file; at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(&self.text)
            .collect::<Result<_, _>>()
            .map_err(|source| self.wrong(Some(source)))?;
        if found.is_empty() { Err(self.wrong(None)) } else { Ok(found) }
    }

    /// The file's key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|source| self.wrong(Some(source)))
    }

    fn wrong(&self, source: Option<rustls_pki_types::pem::Error>) -> Error {
        Error::Pem { what: self.kind.what, path: self.path.clone(), expected: self.kind.expected, source }
    }
}
