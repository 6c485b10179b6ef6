//! Makes the authority and the nodes' certificates: `quorumlb pki init` and `quorumlb pki issue`.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use time::{Duration, OffsetDateTime};

use super::{AUTHORITY_CERTIFICATE, AUTHORITY_KEY, PkiError};
use crate::model::NodeName;

/// When a certificate begins to be valid, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// From when. A certificate is dated back by five minutes, so that clocks may differ by that much.
    pub from: OffsetDateTime,
    /// How many days, 1 to 36500.
    pub days: u32,
}

/// The files of a new authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthority {
    /// Its certificate; every node gets a copy.
    pub certificate: PathBuf,
    /// Its key; keep it off the nodes.
    pub key: PathBuf,
}

/// The files of a node's new certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, readable only by its owner.
    pub key: PathBuf,
    /// When it ends.
    pub until: OffsetDateTime,
}

/// Makes the authority of `cluster` in the folder `dir`, which is made when it is missing.
///
/// # Errors
/// When the authority is there already, or a file cannot be written. Nothing is ever overwritten.
pub fn init(dir: &Path, cluster: &str, validity: Validity) -> Result<NewAuthority, PkiError> {
    let authority = NewAuthority { certificate: dir.join(AUTHORITY_CERTIFICATE), key: dir.join(AUTHORITY_KEY) };
    refuse_existing(&[&authority.certificate, &authority.key])?;
    let mut params = dated(validity);
    params.distinguished_name = common_name(&format!("QuorumLB authority of {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = new_key()?;
    let certificate = params.self_signed(&key).map_err(crypto)?;
    fs::create_dir_all(dir).map_err(|error| PkiError::file(dir, error))?;
    write_new(&authority.key, &key.serialize_pem(), 0o600)?;
    write_new(&authority.certificate, &certificate.pem(), 0o644)?;
    Ok(authority)
}

/// Makes a certificate for `node`, signed by the authority in the folder `dir`, as `out/NODE.crt` and `out/NODE.key`, with the
/// authority's certificate beside them unless one is there.
///
/// # Errors
/// When the authority cannot be read, the name cannot stand in a certificate, or a file is there already.
pub fn issue(dir: &Path, node: &NodeName, out: &Path, validity: Validity) -> Result<Issued, PkiError> {
    check_name(node)?;
    let issued = Issued {
        certificate: out.join(format!("{node}.crt")),
        key: out.join(format!("{node}.key")),
        until: end(validity),
    };
    refuse_existing(&[&issued.certificate, &issued.key])?;
    let issuer = authority(dir)?;
    let mut params = dated(validity);
    params.distinguished_name = common_name(node.as_str());
    let name = node.as_str().try_into().map_err(|_| PkiError::NodeName { name: node.0.clone() })?;
    params.subject_alt_names = vec![SanType::DnsName(name)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    let certificate = params.signed_by(&key, &issuer).map_err(crypto)?;
    fs::create_dir_all(out).map_err(|error| PkiError::file(out, error))?;
    write_new(&issued.key, &key.serialize_pem(), 0o600)?;
    write_new(&issued.certificate, &certificate.pem(), 0o644)?;
    let trusted = out.join(AUTHORITY_CERTIFICATE);
    if !trusted.exists() {
        let authority = dir.join(AUTHORITY_CERTIFICATE);
        let pem = fs::read_to_string(&authority).map_err(|error| PkiError::file(&authority, error))?;
        write_new(&trusted, &pem, 0o644)?;
    }
    Ok(issued)
}

/// A name that TLS can carry as a DNS name: labels of `a-z`, `0-9` and `-`, joined by dots, not an IP address.
fn check_name(node: &NodeName) -> Result<(), PkiError> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = node.as_str();
    let fits = name.len() <= 253 && name.split('.').all(label) && name.parse::<std::net::IpAddr>().is_err();
    if fits { Ok(()) } else { Err(PkiError::NodeName { name: node.0.clone() }) }
}

fn authority(dir: &Path) -> Result<Issuer<'static, KeyPair>, PkiError> {
    let (certificate, key) = (dir.join(AUTHORITY_CERTIFICATE), dir.join(AUTHORITY_KEY));
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| PkiError::file(path, error));
    let pair = KeyPair::from_pem(&read(&key)?).map_err(|error| {
        PkiError::content(&key, error, "the authority's key in PEM, as `quorumlb pki init` writes it")
    })?;
    Issuer::from_ca_cert_pem(&read(&certificate)?, pair).map_err(|error| {
        PkiError::content(&certificate, error, "the authority's certificate in PEM, as `quorumlb pki init` writes it")
    })
}

fn dated(validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.from - Duration::minutes(5);
    params.not_after = end(validity);
    params
}

fn end(validity: Validity) -> OffsetDateTime {
    validity.from + Duration::days(i64::from(validity.days.clamp(1, 36_500)))
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn new_key() -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(crypto)
}

fn refuse_existing(paths: &[&Path]) -> Result<(), PkiError> {
    match paths.iter().find(|path| path.exists()) {
        Some(path) => Err(PkiError::Exists((*path).to_owned())),
        None => Ok(()),
    }
}

/// Writes a file that must not be there yet, with its mode from the first byte on.
fn write_new(path: &Path, content: &str, mode: u32) -> Result<(), PkiError> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(|error| {
        match error.kind() {
            std::io::ErrorKind::AlreadyExists => PkiError::Exists(path.to_owned()),
            _ => PkiError::file(path, error),
        }
    })?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| PkiError::file(path, error))
}

fn crypto(error: rcgen::Error) -> PkiError {
    PkiError::Crypto(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn validity() -> Validity {
        Validity { from: OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(), days: 30 }
    }

    #[test]
    fn keys_are_private_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let made = init(dir.path(), "lab", validity()).unwrap();
        let before = fs::read(&made.key).unwrap();
        assert!(matches!(init(dir.path(), "lab", validity()), Err(PkiError::Exists(path)) if path == made.certificate));
        let node = issue(dir.path(), &"node1".into(), dir.path(), validity()).unwrap();
        let again = issue(dir.path(), &"node1".into(), dir.path(), validity()).unwrap_err();
        assert!(again.to_string().contains("never overwritten"), "{again}");
        assert_eq!(before, fs::read(&made.key).unwrap());
        for key in [&made.key, &node.key] {
            assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
        }
        assert_eq!(node.until, validity().from + Duration::days(30));
    }

    #[test]
    fn names_that_tls_cannot_carry_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), "lab", validity()).unwrap();
        for name in ["", "Node1", "10.0.0.1", "*.lab", "a_b", "-a", "a..b", "../../etc/passwd", &"a".repeat(64)] {
            let error = issue(dir.path(), &name.into(), dir.path(), validity()).unwrap_err();
            assert!(matches!(error, PkiError::NodeName { .. }), "{name}: {error}");
        }
        issue(dir.path(), &"node-1.rack2.example.org".into(), dir.path(), validity()).unwrap();
    }

    #[test]
    fn a_missing_authority_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = issue(dir.path(), &"node1".into(), dir.path(), validity()).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("No such file"), "{error}");
        fs::write(dir.path().join(AUTHORITY_KEY), "rubbish").unwrap();
        fs::write(dir.path().join(AUTHORITY_CERTIFICATE), "rubbish").unwrap();
        let error = issue(dir.path(), &"node1".into(), dir.path(), validity()).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("expected the authority's key in PEM"), "{error}");
    }
}
