//! NOTIFICATION.

use std::fmt;

use super::{HEADER, MAX_MESSAGE, Malformed};

/// Error code and subcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
}

macro_rules! codes {
    ($($name:ident = $code:literal / $subcode:literal, $text:literal;)*) => {
        impl Code {
            $(#[doc = $text] pub const $name: Self = Self { code: $code, subcode: $subcode };)*

            const fn text(self) -> Option<&'static str> {
                match (self.code, self.subcode) {
                    $(($code, $subcode) => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    CONNECTION_NOT_SYNCHRONIZED = 1 / 1, "Connection Not Synchronized";
    BAD_MESSAGE_LENGTH = 1 / 2, "Bad Message Length";
    BAD_MESSAGE_TYPE = 1 / 3, "Bad Message Type";
    OPEN_UNSPECIFIC = 2 / 0, "OPEN Message Error";
    UNSUPPORTED_VERSION = 2 / 1, "Unsupported Version Number";
    BAD_PEER_AS = 2 / 2, "Bad Peer AS";
    BAD_IDENTIFIER = 2 / 3, "Bad BGP Identifier";
    UNSUPPORTED_PARAMETER = 2 / 4, "Unsupported Optional Parameter";
    UNACCEPTABLE_HOLD_TIME = 2 / 6, "Unacceptable Hold Time";
    UNSUPPORTED_CAPABILITY = 2 / 7, "Unsupported Capability";
    MALFORMED_ATTRIBUTE_LIST = 3 / 1, "Malformed Attribute List";
    UNRECOGNIZED_WELL_KNOWN = 3 / 2, "Unrecognized Well-known Attribute";
    MISSING_WELL_KNOWN = 3 / 3, "Missing Well-known Attribute";
    ATTRIBUTE_FLAGS = 3 / 4, "Attribute Flags Error";
    ATTRIBUTE_LENGTH = 3 / 5, "Attribute Length Error";
    INVALID_ORIGIN = 3 / 6, "Invalid ORIGIN Attribute";
    INVALID_NEXT_HOP = 3 / 8, "Invalid NEXT_HOP Attribute";
    OPTIONAL_ATTRIBUTE = 3 / 9, "Optional Attribute Error";
    INVALID_NETWORK = 3 / 10, "Invalid Network Field";
    MALFORMED_AS_PATH = 3 / 11, "Malformed AS_PATH";
    HOLD_TIMER = 4 / 0, "Hold Timer Expired";
    STATE_MACHINE = 5 / 0, "Finite State Machine Error";
    UNEXPECTED_IN_OPEN_SENT = 5 / 1, "Unexpected Message in OpenSent";
    UNEXPECTED_IN_OPEN_CONFIRM = 5 / 2, "Unexpected Message in OpenConfirm";
    UNEXPECTED_IN_ESTABLISHED = 5 / 3, "Unexpected Message in Established";
    MAXIMUM_PREFIXES = 6 / 1, "Maximum Number of Prefixes Reached";
    ADMINISTRATIVE_SHUTDOWN = 6 / 2, "Administrative Shutdown";
    DECONFIGURED = 6 / 3, "Peer De-configured";
    ADMINISTRATIVE_RESET = 6 / 4, "Administrative Reset";
    CONNECTION_REJECTED = 6 / 5, "Connection Rejected";
    CONFIGURATION_CHANGE = 6 / 6, "Other Configuration Change";
    COLLISION = 6 / 7, "Connection Collision Resolution";
    OUT_OF_RESOURCES = 6 / 8, "Out of Resources";
    HARD_RESET = 6 / 9, "Hard Reset";
    BFD_DOWN = 6 / 10, "BFD Down";
    REFRESH_LENGTH = 7 / 1, "Invalid Message Length";
    SEND_HOLD_TIMER = 8 / 0, "Send Hold Timer Expired";
}

impl Code {
    const fn code_text(self) -> &'static str {
        match self.code {
            1 => "Message Header Error",
            2 => "OPEN Message Error",
            3 => "UPDATE Message Error",
            4 => "Hold Timer Expired",
            5 => "Finite State Machine Error",
            6 => "Cease",
            7 => "ROUTE-REFRESH Message Error",
            8 => "Send Hold Timer Expired",
            _ => "unknown error",
        }
    }

    /// Whether the data begins with a text for people (RFC 9003; administrative shutdown and reset only).
    const fn has_text(self) -> bool {
        self.code == 6 && matches!(self.subcode, 2 | 4)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, name) = (self.code, self.code_text());
        match self.text() {
            Some(text) if text != name => write!(f, "{name}: {text} ({code}/{})", self.subcode),
            _ => write!(f, "{name} ({code}/{})", self.subcode),
        }
    }
}

/// NOTIFICATION: why the sender ends the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Code and subcode.
    pub code: Code,
    /// What goes with it; its form depends on the code.
    pub data: Vec<u8>,
}

impl From<Code> for Notification {
    fn from(code: Code) -> Self {
        Self { code, data: Vec::new() }
    }
}

impl Notification {
    /// With data, of which only as much is kept as fits into a message.
    #[must_use]
    pub fn new(code: Code, data: impl AsRef<[u8]>) -> Self {
        let data = data.as_ref();
        Self { code, data: data[..data.len().min(MAX_MESSAGE - HEADER - 2)].to_vec() }
    }

    /// Administrative shutdown or reset with a text for people, of which at most 255 octets are sent (RFC 9003).
    #[must_use]
    pub fn with_text(code: Code, text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(255)];
        let mut data = Vec::new();
        if !text.is_empty() {
            data.push(text.len() as u8);
            data.extend_from_slice(text.as_bytes());
        }
        Self { code, data }
    }

    /// This one as hard reset (RFC 8538 section 3.1): routes do not outlive the session, whatever was negotiated.
    #[must_use]
    pub fn into_hard_reset(self) -> Self {
        let mut data = vec![self.code.code, self.code.subcode];
        data.extend(self.data);
        Self::new(Code::HARD_RESET, data)
    }

    /// The one within a hard reset.
    #[must_use]
    pub fn within_hard_reset(&self) -> Option<Self> {
        match self.data.as_slice() {
            [code, subcode, data @ ..] if self.code == Code::HARD_RESET => {
                Some(Self::new(Code { code: *code, subcode: *subcode }, data))
            }
            _ => None,
        }
    }

    /// The text for people, where there is one. What is not UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let (length, text) = self.data.split_first().filter(|_| self.code.has_text())?;
        let text = text.get(..usize::from(*length)).filter(|text| !text.is_empty())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let [code, subcode, data @ ..] = body else {
            return Err(Malformed::Length { length: HEADER + body.len() });
        };
        Ok(Self { code: Code { code: *code, subcode: *subcode }, data: data.to_vec() })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.code.code, self.code.subcode]);
        out.extend_from_slice(&self.data);
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(within) = self.within_hard_reset() {
            return write!(f, " for {within}");
        }
        match self.text() {
            // A peer's text goes into logs: control characters do not.
            Some(text) => write!(f, ", \"{}\"", text.escape_debug()),
            None if self.data.is_empty() => Ok(()),
            None => {
                let (shown, more) = self.data.split_at(self.data.len().min(32));
                write!(f, ", data ")?;
                shown.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                if more.is_empty() { Ok(()) } else { write!(f, "...") }
            }
        }
    }
}
