//! What came of connections and messages.

use std::sync::atomic::{AtomicU64, Ordering};

use quinn::ConnectionError;

/// Counts since the start, except for `open`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounters {
    /// Connections that are open now, in both directions.
    pub open: usize,
    /// Incoming connections taken.
    pub accepted: u64,
    /// Refused: no certificate was shown.
    pub no_certificate: u64,
    /// Refused: the certificate is from another authority.
    pub other_authority: u64,
    /// Refused: the certificate is for another node, or for none.
    pub wrong_name: u64,
    /// Refused: the certificate is expired, revoked or otherwise not good.
    pub bad_certificate: u64,
    /// Refused: no message version in common, or not our protocol.
    pub no_common_version: u64,
    /// Refused: too many connections.
    pub too_many: u64,
    /// Refused: the handshake took too long.
    pub handshake_timeout: u64,
    /// Handshakes that failed otherwise.
    pub handshake_failed: u64,
    /// Packets that are no QUIC, or belong to no connection of ours.
    pub garbage_packets: u64,
    /// Requests or datagrams over their limit.
    pub oversize: u64,
    /// Requests or datagrams in a version that is not known.
    pub unknown_version: u64,
    /// Requests that did not arrive whole, or were not answered, in time.
    pub too_slow: u64,
    /// Connections that were dialled and came up.
    pub dialled: u64,
    /// Dials that failed, for whatever reason.
    pub dial_failed: u64,
    /// Peers that refused this node's certificate.
    pub refused_by_peer: u64,
    /// Dialled connections that ended.
    pub lost: u64,
}

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Accepted,
    NoCertificate,
    OtherAuthority,
    WrongName,
    BadCertificate,
    NoCommonVersion,
    TooMany,
    HandshakeTimeout,
    HandshakeFailed,
    GarbagePacket,
    Oversize,
    UnknownVersion,
    TooSlow,
    Dialled,
    DialFailed,
    RefusedByPeer,
    Lost,
}

const KINDS: usize = Count::Lost as usize + 1;

#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU64; KINDS]);

impl Tally {
    pub(super) fn count(&self, what: Count) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn snapshot(&self, open: usize) -> WireCounters {
        let read = |what: Count| self.0[what as usize].load(Ordering::Relaxed);
        WireCounters {
            open,
            accepted: read(Count::Accepted),
            no_certificate: read(Count::NoCertificate),
            other_authority: read(Count::OtherAuthority),
            wrong_name: read(Count::WrongName),
            bad_certificate: read(Count::BadCertificate),
            no_common_version: read(Count::NoCommonVersion),
            too_many: read(Count::TooMany),
            handshake_timeout: read(Count::HandshakeTimeout),
            handshake_failed: read(Count::HandshakeFailed),
            garbage_packets: read(Count::GarbagePacket),
            oversize: read(Count::Oversize),
            unknown_version: read(Count::UnknownVersion),
            too_slow: read(Count::TooSlow),
            dialled: read(Count::Dialled),
            dial_failed: read(Count::DialFailed),
            refused_by_peer: read(Count::RefusedByPeer),
            lost: read(Count::Lost),
        }
    }
}

/// Which side of a handshake we were on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Dialling,
    Serving,
}

/// Why a handshake failed, by the TLS alert (RFC 8446 section 6) that QUIC carries as error 0x100 + alert (RFC 9001
/// section 4.8).
pub(super) fn classify(side: Side, error: &ConnectionError) -> Count {
    match error {
        ConnectionError::TransportError(error) => by_alert(side, u64::from(error.code)),
        ConnectionError::ConnectionClosed(close) if alert(u64::from(close.error_code)).is_some() => {
            Count::RefusedByPeer
        }
        ConnectionError::TimedOut => Count::HandshakeTimeout,
        ConnectionError::ApplicationClosed(close) if close.error_code == super::code::NAME => Count::RefusedByPeer,
        _ => Count::HandshakeFailed,
    }
}

/// The TLS alert that ended a connection, ours or the peer's.
pub(super) fn alert_of(error: &ConnectionError) -> Option<u64> {
    match error {
        ConnectionError::TransportError(error) => alert(u64::from(error.code)),
        ConnectionError::ConnectionClosed(close) => alert(u64::from(close.error_code)),
        _ => None,
    }
}

fn alert(code: u64) -> Option<u64> {
    code.checked_sub(0x100).filter(|alert| *alert < 0x100)
}

fn by_alert(side: Side, code: u64) -> Count {
    match (alert(code), side) {
        // certificate_required
        (Some(116), _) => Count::NoCertificate,
        // unknown_ca; decrypt_error, for an authority of the same name with another key
        (Some(48 | 51), _) => Count::OtherAuthority,
        // bad_certificate: what rustls says when the name is not the expected one
        (Some(42), Side::Dialling) => Count::WrongName,
        (Some(42..=46), _) => Count::BadCertificate,
        // no_application_protocol
        (Some(120), _) => Count::NoCommonVersion,
        _ => Count::HandshakeFailed,
    }
}
