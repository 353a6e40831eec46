//! The HTTP side of an `fnserver`: what it reads of its environment beyond single variables.

use super::{HttpCertFiles, check_pem};
use crate::env::{Auth, Http, HttpTls, Reader, Tls};
use remuda_front::{Cors, CorsError};

/// The HTTP side, its lists of origins and headers checked.
pub(super) fn read(reader: &mut Reader) -> Http {
    let http = Http::read(reader);
    let is_base = |url: &&String| {
        ["http://", "https://"]
            .iter()
            .any(|scheme| url.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
    };
    if let Some(url) = http.public_lb_url.as_ref().filter(|url| !is_base(url)) {
        let fix = "use the base URL of the load balancers, such as https://functions.example";
        reader.mistake("FN_PUBLIC_LB_URL", Some(url.clone()), fix);
    }
    if let Err(error) = cors(&http) {
        let (variable, held) = match &error {
            CorsError::Origin(_) => ("FN_API_CORS_ORIGINS", &http.cors_origins),
            CorsError::Header(_) => ("FN_API_CORS_HEADERS", &http.cors_headers),
        };
        reader.mistake(variable, held.clone(), error.to_string());
    }
    http
}

/// Which pages may use the node from a browser.
pub(crate) fn cors(http: &Http) -> Result<Option<Cors>, CorsError> {
    let origins = http.cors_origins.as_deref();
    origins.map(|origins| Cors::new(origins, http.cors_headers.as_deref())).transpose()
}

/// With authentication on, load balancers read the API by their certificates: this says why they cannot.
pub(super) fn why_no_balancer_may_read(http: &Http, https: Option<&HttpCertFiles>) -> Option<String> {
    let fix = match (http.auth, https) {
        (Auth::None, _) => return None,
        (Auth::Token, None) => "set FN_HTTP_CERT, FN_HTTP_CERT_KEY and FN_NODE_CERT_AUTHORITY",
        (Auth::Token, Some(files)) if files.node_authority.is_none() => "set FN_NODE_CERT_AUTHORITY",
        (Auth::Token, Some(_)) => return None,
    };
    Some(format!(
        "with FN_AUTH=token load balancers read this node over https, by their node certificates: {fix}"
    ))
}

/// Callers send their tokens to this node: without TLS anyone on the way may take them.
pub(super) fn tokens_in_clear(http: &Http, https: Option<&HttpCertFiles>) -> Option<String> {
    (http.auth == Auth::Token && https.is_none()).then(|| {
        "with FN_AUTH=token over http, callers' tokens cross the network in clear: set FN_HTTP_CERT and \
         FN_HTTP_CERT_KEY, or let only a proxy that speaks TLS reach this node"
            .to_owned()
    })
}

/// The listener's certificate and key: both or none. Nodes with a catalogue are read by other nodes.
pub(super) fn read_tls(reader: &mut Reader, has_catalogue: bool) -> Option<HttpCertFiles> {
    let files = HttpTls::read(reader);
    let named =
        [("FN_HTTP_CERT", "certificate", &files.cert), ("FN_HTTP_CERT_KEY", "private key", &files.key)];
    for (variable, what, path) in named {
        match path {
            Some(path) => check_pem(reader, variable, what, path),
            None if files.cert.is_some() || files.key.is_some() => {
                let fix = format!(
                    "set it to the PEM file of the {what}: the two FN_HTTP_CERT variables go together"
                );
                reader.missing(variable, fix);
            }
            None => {}
        }
    }
    let node_authority = if has_catalogue { Tls::read(reader).authority } else { None };
    if let (Some(path), true) = (&node_authority, files.cert.is_some()) {
        check_pem(reader, "FN_NODE_CERT_AUTHORITY", "authority", path);
    }
    Some(HttpCertFiles { cert: files.cert?, key: files.key?, node_authority })
}
