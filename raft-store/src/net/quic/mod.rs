//! The wire on QUIC, with mutual TLS and nothing else: there is no plaintext mode.
//!
//! One UDP socket serves and dials. Each node dials the peers that it has something to ask, so between two nodes there
//! is a connection for each direction, and one more while a snapshot is sent. A request is a stream; streams do not wait
//! for one another.
//!
//! Who is who: a certificate from the cluster's authority whose only DNS name is the node's name. The dialling side
//! demands the name that it expects, the serving side hands the proven name to the [`Service`].
//!
//! Versions: each side offers `quorumlb/V` for all that it speaks, and TLS (ALPN) picks the highest that both do.
//!
//! A peer that restarted is noticed by its stateless reset (whose key follows from the node's key), by a dial of its own,
//! or by silence during a call; the next call then finds a new connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::crypto::HmacKey;
use quinn::{Endpoint, Runtime, TokioRuntime, VarInt};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::time::{Instant, timeout_at};

use super::{Lane, Service, Wire, WireError, WireVersion};
use crate::codec::{Kind, Versions};
use crate::model::{Liveness, NodeName};
use crate::pki::Identity;
use crate::types::Member;

mod accept;
mod counters;
mod dial;
mod guard;
mod refusals;
mod tls;

use counters::Tally;
pub use counters::WireCounters;
use dial::Link;
use guard::{CidKey, GuardedSocket, Known};
pub use refusals::Refusal;
use refusals::Refusals;

/// The port that nodes listen on when none is given.
pub const DEFAULT_PORT: u16 = 7473;

/// The largest request or answer, in bytes.
const FRAME_LIMIT: usize = Kind::Message.frame_limit();

/// The largest datagram, in bytes: what fits into the smallest packet that QUIC allows.
pub const DATAGRAM_LIMIT: usize = 1100;

/// Bounds on what peers and strangers can make this node hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Incoming connections in total.
    pub connections: usize,
    /// Incoming connections from one address.
    pub connections_per_address: usize,
    /// Handshakes under way, after which a stranger must first prove that its address is its own.
    pub unproven_handshakes: usize,
    /// Requests under way on one connection.
    pub streams: u32,
    /// For a handshake.
    pub handshake: Duration,
    /// For a request to arrive whole, and again for its answer.
    pub request: Duration,
    /// Peers that this node dials.
    pub peers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 32,
            unproven_handshakes: 16,
            streams: 64,
            handshake: Duration::from_secs(2),
            request: Duration::from_secs(30),
            peers: 1024,
        }
    }
}

/// How to listen and dial.
#[derive(Clone, Debug)]
pub struct QuicConfig {
    /// The address and port of the UDP socket.
    pub listen: SocketAddr,
    /// Who this node is, and whom it trusts.
    pub identity: Identity,
    /// The message versions to offer and take.
    pub versions: Versions,
    /// How quickly a dead peer must be noticed.
    pub liveness: Liveness,
    /// Bounds.
    pub limits: Limits,
    /// For the jitter of redialling.
    pub seed: u64,
}

impl QuicConfig {
    /// The defaults of everything else.
    pub fn new(listen: SocketAddr, identity: Identity, seed: u64) -> Self {
        let (versions, liveness, limits) = (Versions::default(), Liveness::default(), Limits::default());
        Self { listen, identity, versions, liveness, limits, seed }
    }
}

/// Why QUIC does not come up.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The socket cannot be had.
    #[error("cannot listen on UDP {address}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// The system's word.
        source: std::io::Error,
    },
    /// TLS does not take the identity.
    #[error("TLS does not take the certificate of {node}: {reason}")]
    Tls {
        /// Whose.
        node: NodeName,
        /// Why not.
        reason: String,
    },
}

/// How streams and connections are ended, told to the other side.
mod code {
    use quinn::VarInt;

    pub(super) const STOPPING: VarInt = VarInt::from_u32(1);
    pub(super) const TOO_LARGE: VarInt = VarInt::from_u32(2);
    pub(super) const VERSION: VarInt = VarInt::from_u32(3);
    pub(super) const TOO_SLOW: VarInt = VarInt::from_u32(4);
    pub(super) const NAME: VarInt = VarInt::from_u32(5);
    pub(super) const RENEWED: VarInt = VarInt::from_u32(6);
    pub(super) const DEAD: VarInt = VarInt::from_u32(7);
}

/// Snapshots have a connection of their own, so that their packets do not fill the one that heartbeats use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Normal,
    Bulk,
}

impl From<Lane> for Class {
    fn from(lane: Lane) -> Self {
        if lane == Lane::Snapshot { Self::Bulk } else { Self::Normal }
    }
}

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    me: NodeName,
    versions: Versions,
    liveness: Liveness,
    limits: Limits,
    tally: Arc<Tally>,
    refusals: Refusals,
    known: Arc<Known>,
    client: Mutex<quinn::ClientConfig>,
    links: Mutex<BTreeMap<(NodeName, Class), Arc<Link>>>,
    jitter: Mutex<SmallRng>,
}

/// The wire on QUIC.
#[derive(Clone, Debug)]
pub struct QuicWire {
    inner: Arc<Inner>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl QuicWire {
    /// Listens, and hands what arrives to `service`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be bound or TLS does not take the identity.
    pub fn bind(config: QuicConfig, service: Arc<impl Service>) -> Result<Self, QuicError> {
        let tls = |reason: String| QuicError::Tls { node: config.identity.name().clone(), reason };
        let bind = |source| QuicError::Bind { address: config.listen, source };
        let server = tls::server(&config).map_err(tls)?;
        let client = tls::client(&config).map_err(tls)?;
        let (tally, known) = (Arc::new(Tally::default()), Arc::new(Known::default()));
        let cids = CidKey::new(&config.identity);
        let runtime = Arc::new(TokioRuntime);
        let socket = std::net::UdpSocket::bind(config.listen).and_then(|socket| runtime.wrap_udp_socket(socket));
        let socket = GuardedSocket::new(socket.map_err(bind)?, cids.clone(), known.clone(), tally.clone());
        let endpoint = endpoint_config(&config.identity, cids);
        let endpoint = Endpoint::new_with_abstract_socket(endpoint, Some(server), Arc::new(socket), runtime);
        let inner = Arc::new(Inner {
            endpoint: endpoint.map_err(bind)?,
            me: config.identity.name().clone(),
            versions: config.versions,
            liveness: config.liveness,
            limits: config.limits,
            tally,
            refusals: Refusals::default(),
            known,
            client: Mutex::new(client),
            links: Mutex::new(BTreeMap::new()),
            jitter: Mutex::new(SmallRng::seed_from_u64(config.seed)),
        });
        tokio::spawn(accept::serve(inner.clone(), service));
        Ok(Self { inner })
    }

    /// The address that it listens on, with the port that was really taken.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.inner.endpoint.local_addr()
    }

    /// What came of connections so far.
    pub fn counters(&self) -> WireCounters {
        self.inner.tally.snapshot(self.inner.endpoint.open_connections())
    }

    /// Peers that this node has no connection with because of their certificates, or of its own.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.inner.refusals.read()
    }

    /// Takes a renewed certificate, or a changed authority. New connections use it, and the ones that this node dialled
    /// are made anew.
    ///
    /// # Errors
    /// When TLS does not take it, or it is for another node; the one before then stays.
    pub fn reload(&self, identity: Identity) -> Result<(), QuicError> {
        let inner = &self.inner;
        if *identity.name() != inner.me {
            let reason = format!("it is for another node, not for {}", inner.me);
            return Err(QuicError::Tls { node: identity.name().clone(), reason });
        }
        let tls = |reason| QuicError::Tls { node: inner.me.clone(), reason };
        let config = QuicConfig {
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            identity,
            versions: inner.versions,
            liveness: inner.liveness,
            limits: inner.limits,
            seed: 0,
        };
        let (server, client) = (tls::server(&config).map_err(tls)?, tls::client(&config).map_err(tls)?);
        inner.endpoint.set_server_config(Some(server));
        *lock(&inner.client) = client;
        let links = std::mem::take(&mut *lock(&inner.links));
        links.values().for_each(|link| link.close(code::RENEWED));
        Ok(())
    }

    /// Ends every connection. The socket is freed when the last clone is gone.
    pub async fn close(&self) {
        self.inner.endpoint.close(code::STOPPING, b"stopping");
        self.inner.endpoint.wait_idle().await;
    }

    fn link(&self, to: &Member, class: Class) -> Result<Arc<Link>, WireError> {
        let mut links = lock(&self.inner.links);
        let key = (to.name.clone(), class);
        if let Some(link) = links.get(&key) {
            if link.to.address == to.address {
                return Ok(link.clone());
            }
            // The node has moved.
            link.close(code::DEAD);
        } else if links.len() >= self.inner.limits.peers {
            let reason = format!("{} peers are connected already, which is the limit", links.len());
            return Err(WireError::Unreachable { to: to.clone(), reason });
        }
        let link = Arc::new(Link::new(to.clone(), class));
        links.insert(key, link.clone());
        Ok(link)
    }
}

impl Inner {
    /// The node that this one dials at an address, whatever the port.
    fn name_at(&self, address: SocketAddr) -> Option<NodeName> {
        let ip = address.ip().to_canonical();
        let links = lock(&self.links);
        let mut there = links.values().filter(|link| link.to.address.ip().to_canonical() == ip);
        let name = &there.next()?.to.name;
        // On one machine several nodes may have one address.
        there.all(|link| link.to.name == *name).then(|| name.clone())
    }

    /// A peer has dialled us: it is there, so there is no reason to wait before dialling it.
    fn peer_is_back(self: &Arc<Self>, name: &NodeName) {
        let links: Vec<Arc<Link>> = {
            let links = lock(&self.links);
            [Class::Normal, Class::Bulk]
                .iter()
                .filter_map(|class| links.get(&(name.clone(), *class)).cloned())
                .collect()
        };
        links.iter().for_each(|link| link.peer_is_back(self));
    }
}

fn endpoint_config(identity: &Identity, cids: CidKey) -> quinn::EndpointConfig {
    let reset: Arc<dyn HmacKey> = Arc::new(guard::derived_key(identity, b"stateless reset"));
    let mut endpoint = quinn::EndpointConfig::new(reset);
    // Packets without the fixed bit are then never ours, and versions other than 1 neither.
    endpoint.grease_quic_bit(false).supported_versions(vec![guard::QUIC_VERSION]);
    endpoint.min_reset_interval(Duration::from_millis(5));
    endpoint.cid_generator(move || Box::new(cids.generator()));
    endpoint
}

impl Wire for QuicWire {
    async fn version(&self, to: &Member, lane: Lane, ttl: Duration) -> Result<WireVersion, WireError> {
        let link = self.link(to, lane.into())?;
        link.connection(&self.inner, Instant::now() + ttl).await.map(|(_, version)| version)
    }

    async fn call(&self, to: &Member, lane: Lane, request: Vec<u8>, ttl: Duration) -> Result<Vec<u8>, WireError> {
        if request.len() > FRAME_LIMIT {
            return Err(WireError::TooLarge { bytes: request.len(), limit: FRAME_LIMIT });
        }
        let deadline = Instant::now() + ttl;
        let link = self.link(to, lane.into())?;
        let (connection, _) = link.connection(&self.inner, deadline).await?;
        let heard_before = connection.stats().udp_rx.datagrams;
        match timeout_at(deadline, dial::exchange(&connection, to, lane, &request)).await {
            Ok(Ok(answer)) => {
                link.proven(&self.inner, &connection);
                Ok(answer)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => {
                // Not a packet during the whole call: the peer is gone, or has forgotten this connection.
                if connection.stats().udp_rx.datagrams == heard_before {
                    connection.close(code::DEAD, b"silent");
                }
                Err(WireError::Timeout { to: to.clone(), ttl })
            }
        }
    }

    fn version_now(&self, to: &Member) -> Option<WireVersion> {
        let link = self.link(to, Class::Normal).ok()?;
        link.connection_now(&self.inner).map(|(_, version)| version)
    }

    fn notify(&self, to: &Member, datagram: Vec<u8>) -> Result<(), WireError> {
        let link = self.link(to, Class::Normal)?;
        let unreachable = |reason: String| WireError::Unreachable { to: to.clone(), reason };
        let (connection, _) = link.connection_now(&self.inner).ok_or_else(|| unreachable("connecting".into()))?;
        let limit = connection.max_datagram_size().unwrap_or_default().min(DATAGRAM_LIMIT);
        if datagram.len() > limit {
            return Err(WireError::TooLarge { bytes: datagram.len(), limit });
        }
        connection.send_datagram(datagram.into()).map_err(|error| unreachable(error.to_string()))
    }
}

/// How long a connection may be silent before it is taken for dead.
fn idle_limit(liveness: Liveness) -> Duration {
    (liveness.hold * 2).clamp(Duration::from_millis(250), Duration::from_secs(30))
}

fn varint(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

#[cfg(test)]
mod tests;
