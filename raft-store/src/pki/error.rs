//! What can be wrong with certificates, said so that the reader knows what to do.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

/// Why a certificate could not be made or taken.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or folder could not be read, made or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        source: std::io::Error,
    },
    /// A file that would be written is there already.
    #[error("{} is there already; it is never overwritten. Move it away, or name another folder", .0.display())]
    Exists(PathBuf),
    /// A file does not hold what it should.
    #[error("{path}: {problem}; expected {expected}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What would be right.
        expected: &'static str,
    },
    /// A node's name cannot stand in a certificate.
    #[error(
        "node name {name:?} cannot stand in a certificate; a lower-case DNS name of at most 253 characters can, such \
         as node1 or node1.example.org"
    )]
    NodeName {
        /// The name.
        name: String,
    },
    /// The certificate is no longer, or not yet, valid.
    #[error("{path}: valid from {from} to {until}, and now it is {now}; issue a new one or set the clock", path = path.display())]
    OutOfDate {
        /// Which file.
        path: PathBuf,
        /// Start of its validity.
        from: OffsetDateTime,
        /// End of its validity.
        until: OffsetDateTime,
        /// What time it was taken to be.
        now: OffsetDateTime,
    },
    /// The certificate is not signed by the cluster's authority.
    #[error("{path}: not signed by the authority in {authority}; issue it with `quorumlb pki issue` from that one", path = path.display(), authority = authority.display())]
    OtherAuthority {
        /// The certificate's file.
        path: PathBuf,
        /// The authority's file.
        authority: PathBuf,
    },
    /// The key does not belong to the certificate.
    #[error("{key}: is not the key of the certificate in {path}", path = path.display(), key = key.display())]
    OtherKey {
        /// The certificate's file.
        path: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate is for another node.
    #[error("{path}: is for node {found}, but this is node {wanted}", path = path.display())]
    OtherName {
        /// The certificate's file.
        path: PathBuf,
        /// Whom it is for.
        found: String,
        /// Who we are.
        wanted: String,
    },
    /// Making a key or a signature failed.
    #[error("cannot make a certificate: {0}")]
    Crypto(String),
}

impl PkiError {
    pub(super) fn file(path: &Path, source: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn content(path: &Path, problem: impl ToString, expected: &'static str) -> Self {
        Self::Content { path: path.to_owned(), problem: problem.to_string(), expected }
    }
}
