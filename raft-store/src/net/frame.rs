//! Messages as bytes: one byte of version, then the body (bincode 2 in its standard configuration, through serde).

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::WireVersion;

/// The oldest version that this build understands.
pub const OLDEST: WireVersion = 1;

/// The newest version that this build speaks.
pub const NEWEST: WireVersion = if cfg!(feature = "bumped-wire-version") { 3 } else { 2 };

/// The largest message, in bytes.
pub const MESSAGE_LIMIT: usize = 16 << 20;

/// The versions that a node speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub oldest: WireVersion,
    /// The newest.
    pub newest: WireVersion,
}

impl Default for Versions {
    fn default() -> Self {
        Self { oldest: OLDEST, newest: NEWEST }
    }
}

impl Versions {
    /// Whether `version` is one of them.
    pub fn contains(self, version: WireVersion) -> bool {
        (self.oldest..=self.newest).contains(&version)
    }
}

/// Why a message could not be made or understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Nothing at all.
    #[error("an empty message")]
    Empty,
    /// A version that this build does not know.
    #[error("message version {0} is not known here: this build knows {OLDEST} to {NEWEST}")]
    Version(WireVersion),
    /// More than a message may have.
    #[error("a message of {0} bytes is over the limit of {MESSAGE_LIMIT} bytes")]
    TooLarge(usize),
    /// The body does not follow the format.
    #[error("the message cannot be read: {0}")]
    Body(String),
    /// The body is followed by something.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// A message as bytes, in a version that the receiver knows.
///
/// # Errors
/// When it would be larger than [`MESSAGE_LIMIT`].
pub fn encode<T: Serialize>(version: WireVersion, message: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![version];
    bincode::serde::encode_into_std_write(message, &mut bytes, bincode::config::standard())
        .map_err(|error| FrameError::Body(error.to_string()))?;
    if bytes.len() > MESSAGE_LIMIT { Err(FrameError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// A message from bytes, and the version it was in, which an answer is to have, too. All versions have had equal bodies
/// so far.
///
/// # Errors
/// When the version is not known or the bytes do not follow the format.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<(WireVersion, T), FrameError> {
    let (version, body) = bytes.split_first().ok_or(FrameError::Empty)?;
    if bytes.len() > MESSAGE_LIMIT {
        return Err(FrameError::TooLarge(bytes.len()));
    }
    if !Versions::default().contains(*version) {
        return Err(FrameError::Version(*version));
    }
    let config = bincode::config::standard().with_limit::<MESSAGE_LIMIT>();
    let (message, used) =
        bincode::serde::decode_from_slice(body, config).map_err(|error| FrameError::Body(error.to_string()))?;
    if used < body.len() { Err(FrameError::Trailing(body.len() - used)) } else { Ok((*version, message)) }
}

/// The version of an encoded message.
pub fn version_of(bytes: &[u8]) -> Option<WireVersion> {
    bytes.first().copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Refusal, Request, Response};
    use super::*;

    #[test]
    fn every_version_this_build_knows_is_read_and_no_other() {
        for version in OLDEST..=NEWEST {
            let bytes = encode(version, &Response::Refused(Refusal::Stopping)).unwrap();
            assert_eq!(version_of(&bytes), Some(version));
            assert_eq!(decode::<Response>(&bytes).unwrap(), (version, Response::Refused(Refusal::Stopping)));
        }
        for version in [0, NEWEST + 1, 255] {
            let bytes = encode(version, &1_u8).unwrap();
            assert_eq!(decode::<u8>(&bytes), Err(FrameError::Version(version)));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(decode::<u8>(&[]), Err(FrameError::Empty));
        assert_eq!(decode::<u8>(&[NEWEST, 1, 2, 3]), Err(FrameError::Trailing(2)));
        assert!(matches!(decode::<u8>(&[NEWEST]), Err(FrameError::Body(_))));
        assert!(matches!(encode(NEWEST, &vec![0_u8; MESSAGE_LIMIT]), Err(FrameError::TooLarge(_))));
        // A length that claims more than the limit is refused before anything is allocated for it.
        let claim = [NEWEST, 253, 255, 255, 255, 255, 255, 255, 255, 127];
        assert!(matches!(decode::<Vec<u8>>(&claim), Err(FrameError::Body(_))));
    }

    proptest! {
        #[test]
        fn rubbish_is_an_error_and_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode::<Request>(&bytes);
            let _ = decode::<Response>(&bytes);
        }
    }
}
