//! A whole state as a file, for `quorumlb snapshot save` and `restore`.
//!
//! ```text
//! "QLBSNAP" | SHA-256 of the frame, 32 bytes | frame of the state
//! ```

use sha2::{Digest, Sha256};

use crate::codec::{self, CodecError, Kind, Versioned, WIRE_VERSION};
use crate::machine::State;

const MAGIC: &[u8] = b"QLBSNAP";
const DIGEST: usize = 32;

impl Versioned for State {
    const KIND: Kind = Kind::State;
}

/// Why bytes are not a saved state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Something else.
    #[error("this is not a saved snapshot: it does not begin with QLBSNAP")]
    Foreign,
    /// A part is missing or was changed.
    #[error("the snapshot is damaged or cut off: its SHA-256 does not fit; save it again")]
    Damaged,
    /// Whole, but not for this build.
    #[error("the snapshot cannot be read: {0}")]
    Content(#[from] CodecError),
}

/// A state as bytes of a file.
///
/// # Errors
/// When it is over the limit of 256 MiB.
pub fn export(state: &State) -> Result<Vec<u8>, ArchiveError> {
    let frame = codec::encode(WIRE_VERSION, state)?;
    Ok([MAGIC, &Sha256::digest(&frame), &frame].concat())
}

/// The state of [`export`]'s bytes, ready for use.
///
/// # Errors
/// See [`ArchiveError`].
pub fn import(bytes: &[u8]) -> Result<State, ArchiveError> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(ArchiveError::Foreign)?;
    let (digest, frame) = rest.split_at_checked(DIGEST).ok_or(ArchiveError::Damaged)?;
    if Sha256::digest(frame)[..] != *digest {
        return Err(ArchiveError::Damaged);
    }
    decode_state(frame).map_err(ArchiveError::from)
}

/// Reads a state's frame and rebuilds what is not in it.
pub(super) fn decode_state(frame: &[u8]) -> Result<State, CodecError> {
    let mut state: State = codec::decode(frame)?;
    state.reindex();
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Object, Service, ServiceKey};

    fn state() -> State {
        let mut state = State::default();
        state.wanted.put(Object::Service(Box::new(Service::bare(ServiceKey::new("default", "web")))));
        state
    }

    #[test]
    fn what_was_saved_is_restored() {
        assert_eq!(import(&export(&state()).unwrap()).unwrap(), state());
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let saved = export(&state()).unwrap();
        assert_eq!(import(b"hello"), Err(ArchiveError::Foreign));
        for cut in MAGIC.len()..saved.len() {
            assert_eq!(import(&saved[..cut]), Err(ArchiveError::Damaged), "cut at {cut}");
        }
        for at in MAGIC.len()..saved.len() {
            let mut changed = saved.clone();
            changed[at] ^= 0x40;
            assert_eq!(import(&changed), Err(ArchiveError::Damaged), "changed at {at}");
        }
        let mut frame = codec::encode(WIRE_VERSION, &state()).unwrap();
        frame[1] = WIRE_VERSION + 1;
        let newer = [MAGIC, &Sha256::digest(&frame), &frame].concat();
        assert!(matches!(import(&newer), Err(ArchiveError::Content(CodecError::Version { .. }))));
    }
}
