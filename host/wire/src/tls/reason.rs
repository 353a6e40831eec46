//! Why a peer was refused, in words for a log.

use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error;

/// The reason behind a failed handshake or connection, from the TLS error in its chain of causes; else what the
/// error says.
pub(crate) fn refusal(error: &(dyn Error + 'static)) -> String {
    let mut next = Some(error);
    while let Some(at) = next {
        if let Some(tls) = at.downcast_ref::<TlsError>() {
            return sentence(tls);
        }
        // An io::Error hides the error it carries from `source`.
        if let Some(carried) = at.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            return refusal(carried);
        }
        next = at.source();
    }
    error.to_string()
}

fn sentence(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(why) => format!("its certificate is not trusted: {}", certificate(why)),
        TlsError::NoCertificatesPresented => "it presented no certificate".to_owned(),
        TlsError::AlertReceived(alert) => format!("it refused us: {}", alert_sentence(*alert)),
        TlsError::InvalidMessage(_) => format!("it does not speak TLS ({error})"),
        TlsError::NoApplicationProtocol => "it does not speak HTTP/2 over TLS".to_owned(),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate.
pub(crate) fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "unknown issuer: it is neither signed by the configured authority nor in its file".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => format!("expired ({error})"),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("not valid yet ({error})")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("it does not carry the name dialled ({error})")
        }
        CertificateError::BadSignature => "bad signature: its issuer's key did not make it".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            format!("its extended key usage forbids this use ({error})")
        }
        // webpki's own error is not public here; its name is all that is left of it.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is an authority's own (CA:TRUE) and not in the configured authority's file".to_owned()
        }
        other => other.to_string(),
    }
}

fn alert_sentence(alert: AlertDescription) -> String {
    let meaning = match alert {
        AlertDescription::CertificateRequired => "it requires a certificate and got none",
        AlertDescription::UnknownCA => "our certificate is of an authority that it does not know",
        AlertDescription::CertificateExpired => "our certificate has expired, or is not valid yet",
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "it does not accept our certificate"
        }
        AlertDescription::HandshakeFailure => "it requires a certificate, or shares no cipher with us",
        AlertDescription::AccessDenied => "it denies us access",
        AlertDescription::DecryptError => "we could not prove that the key is ours",
        AlertDescription::NoApplicationProtocol => "it does not speak HTTP/2",
        _ => return format!("alert {alert:?}"),
    };
    format!("{meaning} (alert {alert:?})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tls_error_is_found_behind_an_io_error() {
        let wrapped = std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            TlsError::AlertReceived(AlertDescription::CertificateRequired),
        );
        assert!(refusal(&wrapped).contains("got none"), "{}", refusal(&wrapped));
    }

    #[test]
    fn an_error_that_is_not_of_tls_speaks_for_itself() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(refusal(&refused), refused.to_string());
    }
}
