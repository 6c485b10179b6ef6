//! A node's certificate, its key, and the authority it trusts.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::PkiError;
use crate::model::NodeName;

/// Who a node is towards its peers, and whom it takes for a peer.
#[derive(Debug)]
pub struct Identity {
    name: NodeName,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
    authorities: Vec<String>,
    from: OffsetDateTime,
    until: OffsetDateTime,
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            chain: self.chain.clone(),
            key: self.key.clone_key(),
            roots: self.roots.clone(),
            authorities: self.authorities.clone(),
            from: self.from,
            until: self.until,
        }
    }
}

impl Identity {
    /// Reads the authority's certificate (more than one while it is being replaced), the node's certificate and its
    /// key, all in PEM, and checks that they belong together and are valid at `now`.
    ///
    /// # Errors
    /// Which file is wrong, and how. A name mismatch is for [`Identity::expect_name`].
    pub fn load(authority: &Path, certificate: &Path, key: &Path, now: OffsetDateTime) -> Result<Self, PkiError> {
        let authorities = read_certificates(authority)?;
        let chain = read_certificates(certificate)?;
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| pem_error(key, error, "a private key in PEM"))?;
        let (name, from, until) = examine(certificate, &chain[0])?;
        if now < from || now > until {
            return Err(PkiError::OutOfDate { path: certificate.to_owned(), from, until, now });
        }
        let fingerprints = authorities.iter().map(fingerprint).collect();
        let mut roots = RootCertStore::empty();
        for root in authorities {
            roots.add(root).map_err(|error| PkiError::content(authority, error, "a certificate authority"))?;
        }
        let roots = Arc::new(roots);
        check_signature(authority, &roots, certificate, &chain, now)?;
        check_key(certificate, &chain, key, &private)?;
        Ok(Self { name, chain, key: private, roots, authorities: fingerprints, from, until })
    }

    /// Checks that the certificate is for the node that this one is meant to be.
    ///
    /// # Errors
    /// [`PkiError::OtherName`], with `certificate` as the file to name.
    pub fn expect_name(&self, wanted: &NodeName, certificate: &Path) -> Result<(), PkiError> {
        if self.name == *wanted {
            return Ok(());
        }
        let (found, wanted) = (self.name.0.clone(), wanted.0.clone());
        Err(PkiError::OtherName { path: certificate.to_owned(), found, wanted })
    }

    /// The node's name, as the certificate says it.
    pub fn name(&self) -> &NodeName {
        &self.name
    }

    /// When the certificate begins to be valid.
    pub fn valid_from(&self) -> OffsetDateTime {
        self.from
    }

    /// When the certificate ends; for a metric and a warning in time.
    pub fn valid_until(&self) -> OffsetDateTime {
        self.until
    }

    /// The SHA-256 fingerprints of the authorities that it trusts, as `openssl x509 -fingerprint -sha256` shows them.
    pub fn authorities(&self) -> &[String] {
        &self.authorities
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        self.roots.clone()
    }
}

/// The fingerprint of a certificate: pairs of hexadecimal digits of its SHA-256.
fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The node that a certificate is for: its one DNS name, which is not a wildcard. `None` for any other certificate.
pub fn certified_name(certificate: &CertificateDer<'_>) -> Option<NodeName> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    name_of(&parsed)
}

fn name_of(certificate: &X509Certificate<'_>) -> Option<NodeName> {
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::DNSName(name)] if !name.contains('*') => Some(NodeName((*name).to_owned())),
        _ => None,
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    const EXPECTED: &str = "one or more certificates in PEM";
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem_error(path, error, EXPECTED))?;
    if certificates.is_empty() {
        return Err(PkiError::content(path, "holds no certificate", EXPECTED));
    }
    Ok(certificates)
}

fn pem_error(path: &Path, error: rustls::pki_types::pem::Error, expected: &'static str) -> PkiError {
    match error {
        rustls::pki_types::pem::Error::Io(source) => PkiError::file(path, source),
        other => PkiError::content(path, other, expected),
    }
}

fn parse<'a>(path: &Path, certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, parsed)| parsed).map_err(|error| PkiError::content(path, error, "an X.509 certificate"))
}

fn examine(
    path: &Path,
    certificate: &CertificateDer<'_>,
) -> Result<(NodeName, OffsetDateTime, OffsetDateTime), PkiError> {
    const EXPECTED: &str = "a node's certificate with the node's name as its only DNS name";
    let parsed = parse(path, certificate)?;
    let name = name_of(&parsed).ok_or_else(|| PkiError::content(path, "names no node", EXPECTED))?;
    let date = |timestamp| {
        OffsetDateTime::from_unix_timestamp(timestamp).map_err(|error| PkiError::content(path, error, "a date"))
    };
    Ok((name, date(parsed.validity().not_before.timestamp())?, date(parsed.validity().not_after.timestamp())?))
}

/// The same check that a peer will make in the handshake.
fn check_signature(
    authority: &Path,
    roots: &Arc<RootCertStore>,
    path: &Path,
    chain: &[CertificateDer<'static>],
    now: OffsetDateTime,
) -> Result<(), PkiError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider)
        .build()
        .map_err(|error| PkiError::content(authority, error, "a certificate authority"))?;
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or_default();
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    match verifier.verify_client_cert(&chain[0], &chain[1..], now) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            Err(PkiError::OtherAuthority { path: path.to_owned(), authority: authority.to_owned() })
        }
        Err(error) => Err(PkiError::content(path, error, "a certificate as `quorumlb pki issue` makes it")),
    }
}

fn check_key(
    path: &Path,
    chain: &[CertificateDer<'static>],
    key_path: &Path,
    key: &PrivateKeyDer<'static>,
) -> Result<(), PkiError> {
    let signing = rustls::crypto::ring::sign::any_supported_type(key)
        .map_err(|error| PkiError::content(key_path, error, "an ECDSA, Ed25519 or RSA key"))?;
    let certified = rustls::sign::CertifiedKey::new(chain.to_vec(), signing);
    certified.keys_match().map_err(|_| PkiError::OtherKey { path: path.to_owned(), key: key_path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::{AUTHORITY_CERTIFICATE, Validity, init, issue};
    use super::*;

    struct Lab {
        dir: tempfile::TempDir,
        now: OffsetDateTime,
    }

    impl Lab {
        fn new() -> Self {
            let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
            let lab = Self { dir: tempfile::tempdir().unwrap(), now };
            init(lab.dir.path(), "lab", lab.validity()).unwrap();
            issue(lab.dir.path(), &"node1".into(), lab.dir.path(), lab.validity()).unwrap();
            lab
        }

        fn validity(&self) -> Validity {
            Validity { from: self.now, days: 30 }
        }

        fn path(&self, file: &str) -> std::path::PathBuf {
            self.dir.path().join(file)
        }

        fn load(
            &self,
            authority: &Path,
            certificate: &str,
            key: &str,
            now: OffsetDateTime,
        ) -> Result<Identity, PkiError> {
            Identity::load(authority, &self.path(certificate), &self.path(key), now)
        }

        fn load_node1(&self, now: OffsetDateTime) -> Result<Identity, PkiError> {
            self.load(&self.path(AUTHORITY_CERTIFICATE), "node1.crt", "node1.key", now)
        }
    }

    #[test]
    fn an_issued_certificate_is_taken() {
        let lab = Lab::new();
        let identity = lab.load_node1(lab.now).unwrap();
        assert_eq!(identity.name(), &NodeName::from("node1"));
        assert_eq!(identity.valid_until(), lab.now + time::Duration::days(30));
        let [authority] = identity.authorities() else { panic!("{:?}", identity.authorities()) };
        assert!(authority.len() == 95 && authority.split(':').all(|pair| pair.len() == 2), "{authority}");
        identity.expect_name(&"node1".into(), &lab.path("node1.crt")).unwrap();
        let error = identity.expect_name(&"node2".into(), &lab.path("node1.crt")).unwrap_err().to_string();
        assert!(error.ends_with("node1.crt: is for node node1, but this is node node2"), "{error}");
    }

    #[test]
    fn validity_is_held_against_the_given_time() {
        let lab = Lab::new();
        lab.load_node1(lab.now - time::Duration::minutes(4)).unwrap();
        for days in [-1, 31] {
            let error = lab.load_node1(lab.now + time::Duration::days(days)).unwrap_err();
            assert!(matches!(error, PkiError::OutOfDate { .. }), "{error}");
        }
    }

    #[test]
    fn another_authority_and_another_key_are_told_apart() {
        let (lab, other) = (Lab::new(), Lab::new());
        let error = lab.load(&other.path(AUTHORITY_CERTIFICATE), "node1.crt", "node1.key", lab.now).unwrap_err();
        assert!(matches!(error, PkiError::OtherAuthority { .. }), "{error}");
        issue(lab.dir.path(), &"node2".into(), lab.dir.path(), lab.validity()).unwrap();
        let error = lab.load(&lab.path(AUTHORITY_CERTIFICATE), "node1.crt", "node2.key", lab.now).unwrap_err();
        assert!(matches!(error, PkiError::OtherKey { .. }), "{error}");
    }

    #[test]
    fn a_wrong_file_is_named() {
        let lab = Lab::new();
        let authority = lab.path(AUTHORITY_CERTIFICATE);
        for (certificate, key, in_error) in [
            ("missing.crt", "node1.key", "missing.crt: No such file"),
            ("node1.key", "node1.key", "node1.key: holds no certificate"),
            ("node1.crt", "node1.crt", "node1.crt: no items found; expected a private key in PEM"),
            ("ca.crt", "ca.key", "ca.crt: names no node"),
        ] {
            let error = lab.load(&authority, certificate, key, lab.now).unwrap_err().to_string();
            assert!(error.contains(in_error), "{error}");
        }
    }
}
