//! `remuda certs`: certificates for mutual TLS between nodes.

use crate::Failure;
use clap::Args;
use remuda_wire::certs::{CertFiles, authority, leaf, self_signed};
use std::fs;
use std::path::PathBuf;

/// Names of the walk-through's one certificate.
const LOCAL_NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

/// What to make, and where.
#[derive(Args, Debug)]
pub struct Arguments {
    /// One pair for everything: cert.pem and key.pem; cert.pem is every node's certificate and authority.
    #[arg(long, conflicts_with = "authority", required_unless_present = "authority")]
    self_signed: bool,
    /// Sets the CA flag of the self-signed certificate.
    #[arg(long, requires = "self_signed")]
    ca: bool,
    /// A DNS name or IP address of the self-signed certificate, beside localhost and 127.0.0.1.
    #[arg(long = "name", requires = "self_signed")]
    names: Vec<String>,
    /// An authority (ca.pem, ca.key) and a leaf for each --node; an authority that is already there is used again.
    #[arg(long)]
    authority: bool,
    /// A node: NAME, or NAME=HOST,IP,… with what it is dialled by beside NAME; makes NAME.pem and NAME.key.
    #[arg(long = "node", requires = "authority")]
    nodes: Vec<String>,
    /// Replaces a certificate and key that are already there.
    #[arg(long)]
    force: bool,
    /// The directory that the files go to.
    #[arg(long, default_value = ".")]
    out: PathBuf,
}

/// Makes the files and says which.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    fs::create_dir_all(&arguments.out).map_err(Failure::to(format!("make {}", arguments.out.display())))?;
    if arguments.self_signed { one_pair(arguments) } else { authority_and_leaves(arguments) }
}

fn one_pair(arguments: &Arguments) -> Result<(), Failure> {
    let mut names: Vec<String> = LOCAL_NAMES.iter().map(|name| (*name).to_owned()).collect();
    names.extend(arguments.names.iter().cloned());
    let pair = self_signed(&names, arguments.ca).map_err(Failure::to("make a certificate"))?;
    write(&pair, arguments, "cert.pem", "key.pem")
}

fn authority_and_leaves(arguments: &Arguments) -> Result<(), Failure> {
    let (certificate, key) = (arguments.out.join("ca.pem"), arguments.out.join("ca.key"));
    let ca = match (fs::read_to_string(&certificate), fs::read_to_string(&key)) {
        (Ok(certificate), Ok(key)) => CertFiles { certificate, key },
        _ => {
            let ca = authority().map_err(Failure::to("make an authority"))?;
            write(&ca, arguments, "ca.pem", "ca.key")?;
            ca
        }
    };
    for node in &arguments.nodes {
        let (name, others) = node.split_once('=').unwrap_or((node, ""));
        if name.is_empty() || name.contains('/') {
            return Err(Failure::Unusable(format!(
                "--node '{node}': use NAME or NAME=HOST,IP,… without slashes"
            )));
        }
        let mut names = vec![name.to_owned()];
        names.extend(others.split(',').map(str::trim).filter(|other| !other.is_empty()).map(str::to_owned));
        let pair = leaf(&ca, &names).map_err(Failure::to(format!("make a certificate for {name}")))?;
        write(&pair, arguments, &format!("{name}.pem"), &format!("{name}.key"))?;
    }
    Ok(())
}

fn write(pair: &CertFiles, arguments: &Arguments, certificate: &str, key: &str) -> Result<(), Failure> {
    let (certificate, key) = (arguments.out.join(certificate), arguments.out.join(key));
    if let Some(there) = [&certificate, &key].into_iter().find(|path| path.exists() && !arguments.force) {
        let text =
            format!("{} is already there: pass --force to replace it, or another --out", there.display());
        return Err(Failure::Unusable(text));
    }
    pair.write(&certificate, &key).map_err(Failure::to("write a certificate"))?;
    println!("{}\n{}", certificate.display(), key.display());
    Ok(())
}
