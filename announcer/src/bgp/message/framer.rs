//! A byte stream cut into messages.

use super::{HEADER, Kind, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Malformed};

/// One message, cut out of the stream, its header checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its type.
    pub kind: Kind,
    /// What follows the header.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// Octets of the whole message.
    #[must_use]
    pub const fn len(&self) -> usize {
        HEADER + self.body.len()
    }

    /// Never: a message has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

/// Cuts a byte stream into messages. Holds at most one message that is not whole yet, and what was fed with its end.
#[derive(Debug, Clone)]
pub struct Framer {
    buffer: Vec<u8>,
    /// How much of the buffer was given out.
    taken: usize,
    max: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self { buffer: Vec::new(), taken: 0, max: MAX_MESSAGE }
    }
}

impl Framer {
    /// Lets messages be as long as RFC 8654 allows: both sides have said in their OPEN that they can.
    pub fn extend_messages(&mut self) {
        self.max = MAX_EXTENDED_MESSAGE;
    }

    /// Takes what was received.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message. `None` when more has to be fed first.
    ///
    /// # Errors
    /// As soon as the 19 octets of a header are there that no message can have: a wrong marker, a type that there is not, a
    /// length that is not one of that type. Nothing more can be read from this stream then.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Malformed> {
        let rest = &self.buffer[self.taken..];
        let Some((header, _)) = rest.split_first_chunk::<HEADER>() else { return Ok(None) };
        let (kind, length) = check(header, self.max)?;
        let Some(message) = rest.get(..length) else { return Ok(None) };
        self.taken += length;
        Ok(Some(Frame { kind, body: &message[HEADER..] }))
    }

    /// What was received of a message that is not whole yet.
    #[must_use]
    pub fn partial(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Gives memory back after a long message.
    pub fn shrink(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        self.buffer.shrink_to(MAX_MESSAGE);
    }
}

/// RFC 4271 section 6.1.
fn check(header: &[u8; HEADER], max: usize) -> Result<(Kind, usize), Malformed> {
    let [marker @ .., high, low, octet] = header;
    if marker.iter().any(|octet| *octet != 0xff) {
        return Err(Malformed::Marker);
    }
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length < HEADER || length > max {
        return Err(Malformed::Length { length });
    }
    let kind = Kind::from_octet(*octet).ok_or(Malformed::Kind { kind: *octet })?;
    let (shortest, longest) = kind.bounds(max);
    if length < shortest || length > longest {
        return Err(Malformed::Length { length });
    }
    Ok((kind, length))
}
