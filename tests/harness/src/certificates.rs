//! Certificates for a cluster: by our own tool, and by openssl exactly as an operator would make them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use crate::daemons::Daemons;
use crate::{Error, process};

const WITHIN: Duration = Duration::from_secs(60);

/// The three files that a node is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `FN_NODE_CERT`.
    pub certificate: PathBuf,
    /// `FN_NODE_CERT_KEY`.
    pub key: PathBuf,
    /// `FN_NODE_CERT_AUTHORITY`.
    pub authority: PathBuf,
}

impl Identity {
    /// The variables that give a node this identity.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("FN_NODE_CERT".to_owned(), text(&self.certificate)),
            ("FN_NODE_CERT_KEY".to_owned(), text(&self.key)),
            ("FN_NODE_CERT_AUTHORITY".to_owned(), text(&self.authority)),
        ]
    }

    /// The variables that make a node serve HTTP over TLS with this identity, and know other nodes by theirs.
    #[must_use]
    pub fn https_variables(&self) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        vec![
            ("FN_HTTP_CERT".to_owned(), text(&self.certificate)),
            ("FN_HTTP_CERT_KEY".to_owned(), text(&self.key)),
            ("FN_NODE_CERT_AUTHORITY".to_owned(), text(&self.authority)),
        ]
    }

    /// `cert.pem` and `key.pem` of a directory, where one certificate is everything.
    #[must_use]
    pub fn one_for_all(directory: &Path) -> Self {
        let certificate = directory.join("cert.pem");
        Self { authority: certificate.clone(), certificate, key: directory.join("key.pem") }
    }

    /// The leaf of a node in a directory that [`authority`] has filled.
    #[must_use]
    pub fn of_node(directory: &Path, node: &str) -> Self {
        Self {
            certificate: directory.join(format!("{node}.pem")),
            key: directory.join(format!("{node}.key")),
            authority: directory.join("ca.pem"),
        }
    }
}

/// `remuda certs --self-signed`: one key pair that every node shares. With `ca`, the certificate says CA:TRUE.
///
/// # Errors
/// When the tool fails.
pub async fn self_signed(daemons: &Daemons, directory: &Path, ca: bool) -> Result<Identity, Error> {
    let mut command = Command::new(daemons.program("remuda")?);
    command.args(["certs", "--self-signed"]);
    if ca {
        command.arg("--ca");
    }
    process::run(command.arg("--out").arg(directory), WITHIN).await?;
    Ok(Identity::one_for_all(directory))
}

/// `remuda certs --authority`: an authority and a leaf for each node, all of them valid for loopback.
///
/// # Errors
/// When the tool fails.
pub async fn authority(daemons: &Daemons, directory: &Path, nodes: &[String]) -> Result<(), Error> {
    let mut command = Command::new(daemons.program("remuda")?);
    command.args(["certs", "--authority", "--out"]).arg(directory);
    for node in nodes {
        command.args(["--node", &format!("{node}=localhost,127.0.0.1")]);
    }
    process::run(&mut command, WITHIN).await.map(drop)
}

/// What openssl is to write into a certificate for everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenSsl {
    /// The walk-through's: RSA 2048, self-signed, `localhost` and 127.0.0.1, key in PKCS#1.
    WalkThrough,
    /// The same with CA:TRUE.
    WithCa,
    /// The walk-through's, but over since the year 2020.
    Expired,
}

/// Makes `cert.pem` and `key.pem` with openssl, as an operator who follows the walk-through does.
///
/// # Errors
/// When openssl is missing or fails.
pub async fn openssl(directory: &Path, kind: OpenSsl) -> Result<Identity, Error> {
    std::fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
    let ca = if kind == OpenSsl::WithCa { "TRUE" } else { "FALSE" };
    let configuration = directory.join("openssl.cnf");
    let text = format!(
        "[req]\ndistinguished_name=name\nx509_extensions=extensions\nprompt=no\n[name]\nCN=localhost\n\
         [extensions]\nbasicConstraints=CA:{ca}\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n\
         [ca]\ndefault_ca=self\n[self]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n\
         policy=any\nunique_subject=no\n[any]\ncommonName=supplied\n"
    );
    std::fs::write(&configuration, text).map_err(Error::file("write", &configuration))?;
    let line = match kind {
        OpenSsl::WalkThrough | OpenSsl::WithCa => {
            "openssl genrsa -traditional -out key.pem 2048\n\
             openssl req -new -x509 -sha256 -days 365 -key key.pem -config openssl.cnf -out cert.pem"
        }
        // Only `openssl ca` lets the dates be chosen in OpenSSL 3.0.
        OpenSsl::Expired => {
            "openssl genrsa -traditional -out key.pem 2048\n\
             openssl req -new -key key.pem -config openssl.cnf -out request.pem\n\
             : > index.txt; echo 01 > serial\n\
             openssl ca -batch -selfsign -notext -config openssl.cnf -extensions extensions -keyfile key.pem \
               -startdate 190101000000Z -enddate 200101000000Z -in request.pem -out cert.pem"
        }
    };
    let quoted = directory.to_string_lossy().replace('\'', "'\\''");
    process::shell(&format!("cd '{quoted}'\n{line}"), WITHIN).await?;
    Ok(Identity::one_for_all(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn openssl_makes_the_walk_throughs_certificate() {
        let directory = tempfile::tempdir().unwrap();
        let identity = openssl(directory.path(), OpenSsl::WalkThrough).await.unwrap();
        let key = std::fs::read_to_string(&identity.key).unwrap();
        assert!(key.starts_with("-----BEGIN RSA PRIVATE KEY-----"), "the key must be PKCS#1");
        assert_eq!(identity.certificate, identity.authority);
    }

    #[tokio::test]
    async fn an_expired_certificate_is_expired() {
        let directory = tempfile::tempdir().unwrap();
        let identity = openssl(directory.path(), OpenSsl::Expired).await.unwrap();
        let mut command = Command::new("openssl");
        command.args(["x509", "-noout", "-checkend", "0", "-in"]).arg(&identity.certificate);
        let ended = process::output(&mut command, WITHIN).await.unwrap();
        assert!(!ended.status.success(), "openssl says that the certificate is still valid");
    }
}
