//! The socket's guard: tells packets that can be ours from garbage before QUIC looks at them, and counts the garbage.
//!
//! Connection ids carry a tag under a key of this node, so a short packet that names none of ours is known for garbage.
//! The key follows from the node's private key: a restarted process still recognises the ids of the one before, and
//! QUIC answers those with a stateless reset.

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, UdpPoller};
use rand::rngs::SmallRng;
use rand::{Rng, make_rng};
use ring::hmac;

use super::counters::{Count, Tally};
use super::lock;
use crate::pki::Identity;

/// The only version of QUIC that nodes speak (RFC 9000).
pub(super) const QUIC_VERSION: u32 = 1;

/// RFC 9000 section 14.1: a client's first datagram has at least this many bytes.
const SMALLEST_INITIAL: usize = 1200;

const CID_RANDOM: usize = 5;
const CID_TAG: usize = 3;
const CID_LENGTH: usize = CID_RANDOM + CID_TAG;

/// A key that follows from the node's private key.
pub(super) fn derived_key(identity: &Identity, purpose: &[u8]) -> hmac::Key {
    let private = hmac::Key::new(hmac::HMAC_SHA256, identity.key().secret_der());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&private, purpose).as_ref())
}

/// Makes and recognises connection ids.
#[derive(Clone, Debug)]
pub(super) struct CidKey(hmac::Key);

impl CidKey {
    pub(super) fn new(identity: &Identity) -> Self {
        Self(derived_key(identity, b"connection id"))
    }

    pub(super) fn generator(&self) -> CidGenerator {
        CidGenerator { key: self.clone(), randomness: make_rng() }
    }

    fn tag(&self, random: &[u8]) -> [u8; CID_TAG] {
        let mut tag = [0; CID_TAG];
        tag.copy_from_slice(&hmac::sign(&self.0, random).as_ref()[..CID_TAG]);
        tag
    }

    fn recognises(&self, cid: &[u8]) -> bool {
        cid.len() == CID_LENGTH && self.tag(&cid[..CID_RANDOM]) == cid[CID_RANDOM..]
    }
}

pub(super) struct CidGenerator {
    key: CidKey,
    randomness: SmallRng,
}

impl ConnectionIdGenerator for CidGenerator {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut cid = [0; CID_LENGTH];
        self.randomness.fill_bytes(&mut cid[..CID_RANDOM]);
        let tag = self.key.tag(&cid[..CID_RANDOM]);
        cid[CID_RANDOM..].copy_from_slice(&tag);
        ConnectionId::new(&cid)
    }

    fn cid_len(&self) -> usize {
        CID_LENGTH
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// Addresses that there is a connection with, or was until just now. A stateless reset, which looks like garbage, is let
/// through only from those.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<SocketAddr, usize>>);

/// While it lives, its address is known.
#[derive(Debug)]
pub(super) struct KnownAddress {
    known: Arc<Known>,
    address: SocketAddr,
}

impl Known {
    pub(super) fn enter(self: &Arc<Self>, address: SocketAddr) -> KnownAddress {
        *lock(&self.0).entry(canonical(address)).or_default() += 1;
        KnownAddress { known: self.clone(), address: canonical(address) }
    }

    fn contains(&self, address: SocketAddr) -> bool {
        lock(&self.0).contains_key(&canonical(address))
    }
}

impl Drop for KnownAddress {
    fn drop(&mut self) {
        let mut known = lock(&self.known.0);
        if let Some(count) = known.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                known.remove(&self.address);
            }
        }
    }
}

/// An IPv4 address on a dual-stack socket is the IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The UDP socket, with the guard in front of it.
#[derive(Debug)]
pub(super) struct GuardedSocket {
    socket: Arc<dyn AsyncUdpSocket>,
    cids: CidKey,
    known: Arc<Known>,
    tally: Arc<Tally>,
}

impl GuardedSocket {
    pub(super) fn new(socket: Arc<dyn AsyncUdpSocket>, cids: CidKey, known: Arc<Known>, tally: Arc<Tally>) -> Self {
        Self { socket, cids, known, tally }
    }

    /// Counts the garbage in one buffer, which may hold several datagrams of one sender; true when nothing else is in it.
    fn only_garbage(&self, meta: &RecvMeta, buffer: &[u8]) -> bool {
        let datagrams = buffer[..meta.len].chunks(meta.stride.max(1));
        let (mut all, mut garbage) = (0, 0);
        for datagram in datagrams {
            all += 1;
            let may_be_reset = || short(datagram) && self.known.contains(meta.addr);
            if !(plausible(datagram, &self.cids) || may_be_reset()) {
                garbage += 1;
                self.tally.count(Count::GarbagePacket);
            }
        }
        garbage == all
    }
}

fn short(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 == 0)
}

/// Whether a datagram can be part of one of our connections (RFC 8999, RFC 9000 section 17).
fn plausible(datagram: &[u8], cids: &CidKey) -> bool {
    let Some(first) = datagram.first() else { return false };
    if first & 0x40 == 0 {
        return false;
    }
    if first & 0x80 == 0 {
        return datagram.get(1..1 + CID_LENGTH).is_some_and(|cid| cids.recognises(cid));
    }
    let version = datagram.get(1..5).map(|bytes| bytes.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)));
    // A server's first packets may be short; they carry an id of ours.
    let to_us = || datagram.get(6..6 + CID_LENGTH).is_some_and(|cid| cids.recognises(cid));
    let initial = first & 0x30 == 0;
    version == Some(QUIC_VERSION) && (!initial || datagram.len() >= SMALLEST_INITIAL || to_us())
}

impl AsyncUdpSocket for GuardedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.socket.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let received = self.socket.poll_recv(cx, buffers, metas);
        if let Poll::Ready(Ok(count)) = &received {
            for (meta, buffer) in metas.iter_mut().zip(buffers.iter()).take(*count) {
                if self.only_garbage(meta, buffer) {
                    // QUIC passes over an empty buffer.
                    meta.len = 0;
                }
            }
        }
        received
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.socket.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.socket.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
