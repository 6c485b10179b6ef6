//! TCP connections with routers.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::options::{self, MAX_KEY};
use super::{Dialer, Stream};

/// Class of service for network control (CS6), which routers keep free of other traffic.
const NETWORK_CONTROL: u32 = 0xc0;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// How many routers may be between this node and the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hops {
    /// Packets are sent with this TTL: 1 for an external peer on the same link, more for one that is further away.
    Ttl(u8),
    /// Generalized TTL security (RFC 5082): packets are sent with TTL 255, and those that crossed more than this many links
    /// are dropped; 1 for a peer on the same link. The peer has to do the same.
    Secured(u8),
}

/// A key for TCP MD5 signatures. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Vec<u8>);

/// Why something is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a TCP MD5 password has 1 to {MAX_KEY} octets, this one has {0}")]
pub struct PasswordError(usize);

impl Password {
    /// From 1 to 80 octets.
    ///
    /// # Errors
    /// For other lengths.
    pub fn new(octets: impl Into<Vec<u8>>) -> Result<Self, PasswordError> {
        let octets = octets.into();
        if (1..=MAX_KEY).contains(&octets.len()) { Ok(Self(octets)) } else { Err(PasswordError(octets.len())) }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Where a peer is and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address and port; a link-local one with the interface's index as scope.
    pub peer: SocketAddr,
    /// Our address; what the routes say where `None`.
    pub source: Option<IpAddr>,
    /// Only over this interface or VRF.
    pub interface: Option<String>,
    /// Key for TCP MD5 signatures.
    pub password: Option<Password>,
    /// How far away the peer may be.
    pub hops: Hops,
}

impl Target {
    /// A peer on the same link, at port 179.
    #[must_use]
    pub const fn new(peer: IpAddr) -> Self {
        let peer = SocketAddr::new(peer, 179);
        Self { peer, source: None, interface: None, password: None, hops: Hops::Ttl(1) }
    }

    /// Sets what concerns a connection on its socket, which may be an accepted one.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn prepare(&self, stream: &TcpStream) -> io::Result<()> {
        self.set_options(&SockRef::from(stream))
    }

    fn set_options(&self, socket: &Socket) -> io::Result<()> {
        let peer = self.peer.ip();
        let (ttl, min) = match self.hops {
            Hops::Ttl(ttl) => (ttl, None),
            Hops::Secured(links) => (255, Some(u8::MAX - links.saturating_sub(1))),
        };
        if let Some(min) = min {
            options::set_min_ttl(socket, peer, min)?;
        }
        socket.set_tcp_nodelay(true)?;
        match peer {
            IpAddr::V4(_) => {
                socket.set_ttl_v4(ttl.into())?;
                socket.set_tos_v4(NETWORK_CONTROL)
            }
            IpAddr::V6(_) => {
                socket.set_unicast_hops_v6(ttl.into())?;
                socket.set_tclass_v6(NETWORK_CONTROL)
            }
        }
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(self.peer), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        self.set_options(&socket)?;
        if let Some(interface) = &self.interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        if let Some(Password(key)) = &self.password {
            options::set_md5_key(&socket, self.peer.ip(), key)?;
        }
        if let Some(source) = self.source {
            let scope = match self.peer {
                SocketAddr::V6(peer) => peer.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            let mut source = SocketAddr::new(source, 0);
            if let SocketAddr::V6(source) = &mut source
                && source.ip().is_unicast_link_local()
            {
                source.set_scope_id(scope);
            }
            socket.bind(&source.into())?;
        }
        Ok(socket)
    }

    async fn connect(self) -> io::Result<TcpStream> {
        TcpSocket::from_std_stream(self.socket()?.into()).connect(self.peer).await
    }
}

/// Connects to a peer by TCP.
#[derive(Debug, Clone)]
pub struct TcpDialer(Target);

impl TcpDialer {
    /// For this peer.
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self(target)
    }
}

impl Dialer for TcpDialer {
    type Stream = TcpStream;

    fn dial(&self) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        self.0.clone().connect()
    }
}

/// Accepts connections of peers.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
}

impl Listener {
    /// Listens at an address; the unspecified one of a family means all of that family. With an interface or VRF, only
    /// there.
    ///
    /// # Errors
    /// When the system refuses, for example because the port is taken.
    pub fn bind(address: SocketAddr, interface: Option<&str>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        // A peer with TTL security wants 255 from the first answer on, and nobody minds it.
        match address {
            SocketAddr::V4(_) => socket.set_ttl_v4(255)?,
            SocketAddr::V6(_) => {
                socket.set_only_v6(true)?;
                socket.set_unicast_hops_v6(255)?;
            }
        }
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self { listener: TcpListener::from_std(socket.into())? })
    }

    /// Everywhere, IPv4.
    pub const ANY_V4: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 179);
    /// Everywhere, IPv6.
    pub const ANY_V6: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 179);

    /// From now on, connections from this address have to be signed with the key; with `None` not any more.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_password(&self, peer: IpAddr, password: Option<&Password>) -> io::Result<()> {
        let key = password.map_or(&[][..], |Password(key)| key);
        match options::set_md5_key(&self.listener, peer, key) {
            // There was none.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && key.is_empty() => Ok(()),
            result => result,
        }
    }

    /// The next connection. Whose it is says [`Stream::endpoints`]; its socket has to be prepared for that peer
    /// ([`Target::prepare`]) before it is used.
    ///
    /// # Errors
    /// When the system has no room for another one; the next call may succeed.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            // One that is gone already is passed over.
            if stream.endpoints().is_ok() {
                return Ok(stream);
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
