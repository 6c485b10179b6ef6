//! How everything that is stored or sent looks in bytes.
//!
//! A *frame* is what goes over the wire (QUIC keeps its length and integrity): kind, version, body. A *sealed* frame is
//! what goes to disk and adds a length and a checksum, all integers little-endian:
//!
//! ```text
//! frame    kind u8 | version u8 | body
//! sealed   kind u8 | version u8 | length of body u32 | first 4 bytes of the body's SHA-256 | body
//! ```
//!
//! The body is bincode 2 in its standard configuration (little-endian, variable-length integers) through serde. That
//! choice is part of the format: it changes only together with [`WIRE_VERSION`].
//!
//! A release reads every version from [`OLDEST_WIRE_VERSION`] to [`WIRE_VERSION`] and writes the one it is told, so
//! that nodes one release apart work in one group. All versions have had equal bodies so far; the release that changes
//! one overrides [`Versioned::write_body`] and [`Versioned::read_body`] for that type and translates there.

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use bincode::enc::write::SizeWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// The newest version that this build speaks. The feature `bumped-wire-version` stands for the next release in tests.
pub const WIRE_VERSION: u8 = if cfg!(feature = "bumped-wire-version") { 3 } else { 2 };

/// The oldest version that this build understands.
pub const OLDEST_WIRE_VERSION: u8 = 1;

/// The largest body of a message or record, in bytes.
pub const MESSAGE_LIMIT: usize = 16 << 20;

/// The largest body of a log entry, in bytes: less than a message, so that each entry can be replicated.
pub const ENTRY_LIMIT: usize = MESSAGE_LIMIT - (64 << 10);

/// The largest body of a whole state, in bytes.
pub const STATE_LIMIT: usize = 256 << 20;

/// Bytes before a frame's body.
const HEADER: usize = 2;

/// Bytes before a sealed frame's body.
const SEALED_HEADER: usize = HEADER + 4 + 4;

/// What a frame holds. The number is its first byte and never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Something that nodes say to each other.
    Message = b'M',
    /// An entry of the log.
    Entry = b'E',
    /// A vote.
    Vote = b'V',
    /// A place in the log.
    LogId = b'I',
    /// Something that one node remembers for itself.
    Local = b'L',
    /// What a stored snapshot is.
    SnapshotHeader = b'H',
    /// A piece of a stored snapshot.
    SnapshotPart = b'P',
    /// A whole replicated state.
    State = b'S',
}

impl Kind {
    /// The largest frame, in bytes.
    pub const fn frame_limit(self) -> usize {
        self.limit() + HEADER
    }

    /// The largest body, in bytes.
    pub const fn limit(self) -> usize {
        match self {
            Self::Entry => ENTRY_LIMIT,
            Self::State => STATE_LIMIT,
            _ => MESSAGE_LIMIT,
        }
    }
}

/// Why bytes could not be made or understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes end within the header.
    #[error("{found} bytes are too few: a header has {needed}")]
    Short {
        /// How many there are.
        found: usize,
        /// How many a header has.
        needed: usize,
    },
    /// Something else, or nothing of ours at all.
    #[error("this is not a {wanted:?}: its first byte is {found:#04x}, not {:#04x}", *wanted as u8)]
    Kind {
        /// What was to be read.
        wanted: Kind,
        /// The first byte.
        found: u8,
    },
    /// A version that this build does not know.
    #[error("version {found} is not known here: this build knows {OLDEST_WIRE_VERSION} to {WIRE_VERSION}")]
    Version {
        /// The version that was given.
        found: u8,
    },
    /// More than is allowed.
    #[error("a {kind:?} of {bytes} bytes is over the limit of {} bytes", kind.limit())]
    TooLarge {
        /// What it is.
        kind: Kind,
        /// The body's size.
        bytes: usize,
    },
    /// The body does not follow the format.
    #[error("the body of this {kind:?} cannot be read: {message}")]
    Body {
        /// What it is.
        kind: Kind,
        /// bincode's words.
        message: String,
    },
    /// The body is followed by something.
    #[error("{bytes} bytes follow the body of this {kind:?}")]
    Trailing {
        /// What it is.
        kind: Kind,
        /// How many.
        bytes: usize,
    },
    /// The length in a sealed frame is not that of its body.
    #[error("the header says {said} bytes, {found} are there")]
    Length {
        /// By the header.
        said: u32,
        /// In fact.
        found: usize,
    },
    /// A sealed frame was damaged.
    #[error("the checksum of this {kind:?} is wrong: it was damaged on disk")]
    Checksum {
        /// What it is.
        kind: Kind,
    },
    /// A value that cannot be encoded.
    #[error("this {kind:?} cannot be encoded: {message}")]
    Encode {
        /// What it is.
        kind: Kind,
        /// bincode's words.
        message: String,
    },
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// A type that has a place in the format.
pub trait Versioned: Serialize + DeserializeOwned {
    /// What its frames say that they are.
    const KIND: Kind;

    /// Appends the body as `version` has it.
    ///
    /// # Errors
    /// [`CodecError::Encode`] when the value has no encoding.
    fn write_body(&self, version: u8, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let _ = version;
        bincode::serde::encode_into_std_write(self, out, standard())
            .map(drop)
            .map_err(|error| CodecError::Encode { kind: Self::KIND, message: error.to_string() })
    }

    /// Reads a body as `version` has it.
    ///
    /// # Errors
    /// [`CodecError::Body`] and [`CodecError::Trailing`].
    fn read_body(version: u8, body: &[u8]) -> Result<Self, CodecError> {
        let _ = version;
        let read = match Self::KIND {
            Kind::State => bincode::serde::decode_from_slice(body, limited::<STATE_LIMIT>()),
            _ => bincode::serde::decode_from_slice(body, limited::<MESSAGE_LIMIT>()),
        };
        let (value, used) = read.map_err(|error| CodecError::Body { kind: Self::KIND, message: error.to_string() })?;
        match body.len() - used {
            0 => Ok(value),
            bytes => Err(CodecError::Trailing { kind: Self::KIND, bytes }),
        }
    }
}

/// The body's configuration. The limit makes bincode refuse a claimed length before it allocates for it.
fn limited<const LIMIT: usize>() -> Configuration<LittleEndian, Varint, Limit<LIMIT>> {
    standard().with_limit::<LIMIT>()
}

/// The versions that a node speaks, both ends included. Two nodes speak the highest that both know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub oldest: u8,
    /// The newest.
    pub newest: u8,
}

impl Default for Versions {
    fn default() -> Self {
        Self { oldest: OLDEST_WIRE_VERSION, newest: WIRE_VERSION }
    }
}

impl Versions {
    /// Whether `version` is one of them.
    pub fn contains(self, version: u8) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

/// Makes a frame in `version`.
///
/// # Errors
/// When the version is not known here, or the value is over its kind's limit.
pub fn encode<T: Versioned>(version: u8, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut frame = vec![T::KIND as u8, check_version(version)?];
    value.write_body(version, &mut frame)?;
    check_size(T::KIND, frame.len() - HEADER)?;
    Ok(frame)
}

/// Reads a frame of any version that is known here.
///
/// # Errors
/// When it is of another kind, version or form, or over its kind's limit.
pub fn decode<T: Versioned>(frame: &[u8]) -> Result<T, CodecError> {
    let (version, body) = open(T::KIND, frame, HEADER)?;
    T::read_body(version, body)
}

/// Makes a sealed frame in the newest version, for the disk.
///
/// # Errors
/// As [`encode`].
pub fn seal<T: Versioned>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut sealed = vec![0; SEALED_HEADER];
    value.write_body(WIRE_VERSION, &mut sealed)?;
    finish_seal(T::KIND, sealed)
}

/// Reads a sealed frame.
///
/// # Errors
/// As [`decode`], and when it was cut or damaged.
pub fn unseal<T: Versioned>(sealed: &[u8]) -> Result<T, CodecError> {
    let (version, body) = open_sealed(T::KIND, sealed)?;
    T::read_body(version, body)
}

/// Seals bytes that are their own body.
///
/// # Errors
/// [`CodecError::TooLarge`].
pub(crate) fn seal_bytes(kind: Kind, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut sealed = Vec::with_capacity(SEALED_HEADER + bytes.len());
    sealed.resize(SEALED_HEADER, 0);
    sealed.extend_from_slice(bytes);
    finish_seal(kind, sealed)
}

/// The bytes that [`seal_bytes`] sealed.
pub(crate) fn unseal_bytes(kind: Kind, sealed: &[u8]) -> Result<&[u8], CodecError> {
    open_sealed(kind, sealed).map(|(_, body)| body)
}

/// The version that a frame of this kind is in.
///
/// # Errors
/// As [`decode`], without looking into the body.
pub fn version_of(kind: Kind, frame: &[u8]) -> Result<u8, CodecError> {
    open(kind, frame, HEADER).map(|(version, _)| version)
}

/// The version that a frame claims to be in, known here or not; `None` when it is no frame of this kind.
pub fn claimed_version(kind: Kind, frame: &[u8]) -> Option<u8> {
    match frame {
        [first, version, ..] if *first == kind as u8 => Some(*version),
        _ => None,
    }
}

/// How many bytes the body of a value takes, without making it.
///
/// # Errors
/// [`CodecError::Encode`] when the value has no encoding.
pub fn body_bytes<T: Serialize>(kind: Kind, value: &T) -> Result<usize, CodecError> {
    let mut size = SizeWriter::default();
    bincode::serde::encode_into_writer(value, &mut size, standard())
        .map_err(|error| CodecError::Encode { kind, message: error.to_string() })?;
    Ok(size.bytes_written)
}

fn finish_seal(kind: Kind, mut sealed: Vec<u8>) -> Result<Vec<u8>, CodecError> {
    let bytes = sealed.len() - SEALED_HEADER;
    check_size(kind, bytes)?;
    let length = u32::try_from(bytes).map_err(|_| CodecError::TooLarge { kind, bytes })?;
    let checksum = checksum(&sealed[SEALED_HEADER..]);
    sealed[0] = kind as u8;
    sealed[1] = WIRE_VERSION;
    sealed[2..6].copy_from_slice(&length.to_le_bytes());
    sealed[6..SEALED_HEADER].copy_from_slice(&checksum);
    Ok(sealed)
}

fn open_sealed(kind: Kind, sealed: &[u8]) -> Result<(u8, &[u8]), CodecError> {
    let (version, body) = open(kind, sealed, SEALED_HEADER)?;
    let said = u32::from_le_bytes([sealed[2], sealed[3], sealed[4], sealed[5]]);
    if usize::try_from(said) != Ok(body.len()) {
        return Err(CodecError::Length { said, found: body.len() });
    }
    if sealed[6..SEALED_HEADER] != checksum(body) {
        return Err(CodecError::Checksum { kind });
    }
    Ok((version, body))
}

fn open(kind: Kind, frame: &[u8], header: usize) -> Result<(u8, &[u8]), CodecError> {
    if frame.len() < header {
        return Err(CodecError::Short { found: frame.len(), needed: header });
    }
    if frame[0] != kind as u8 {
        return Err(CodecError::Kind { wanted: kind, found: frame[0] });
    }
    let version = check_version(frame[1])?;
    check_size(kind, frame.len() - header)?;
    Ok((version, &frame[header..]))
}

fn check_version(version: u8) -> Result<u8, CodecError> {
    if Versions::default().contains(version) { Ok(version) } else { Err(CodecError::Version { found: version }) }
}

fn check_size(kind: Kind, bytes: usize) -> Result<(), CodecError> {
    if bytes > kind.limit() { Err(CodecError::TooLarge { kind, bytes }) } else { Ok(()) }
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(body);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests;
