//! The socket from which one session sends.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::num::NonZeroU32;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::bfd::path::Path;
use crate::bfd::wire::OpenError;

/// RFC 5881 section 5.
const TTL: u32 = 255;
/// DSCP CS6, network control, in the upper six bits of the field.
const TRAFFIC_CLASS: u32 = 48 << 2;
/// The highest band of the queue at the interface that needs no capability (TC_PRIO_INTERACTIVE).
const PRIORITY: u32 = 6;

#[derive(Debug)]
pub(super) struct Sender {
    socket: Socket,
    peer: SockAddr,
}

impl Sender {
    pub fn open(path: &Path, source_port: u16) -> Result<Self, OpenError> {
        let system = |what| move |source: io::Error| OpenError::System { what, source };
        let domain = if path.peer().is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(domain, kind, Some(Protocol::UDP)).map_err(system("opening a UDP socket"))?;
        mark(&socket, path.peer()).map_err(system("setting TTL and priority"))?;
        if let Some(interface) = path.interface() {
            leave_by(&socket, path.peer(), interface)?;
        }
        let unspecified = match path.peer() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let local = path.local().unwrap_or(unspecified);
        socket.bind(&address(local, source_port, path.interface())).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => OpenError::SourcePortInUse(source_port),
            ErrorKind::AddrNotAvailable => OpenError::NoSuchAddress(local),
            _ => OpenError::System { what: "binding the source port", source },
        })?;
        Ok(Self { socket, peer: address(path.peer(), path.hops().port(), path.interface()) })
    }

    /// Sends, or says at once why not.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket.send_to(bytes, &self.peer).map(drop)
    }
}

fn mark(socket: &Socket, peer: IpAddr) -> io::Result<()> {
    match peer {
        IpAddr::V4(_) => {
            socket.set_ttl_v4(TTL)?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(TTL)?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        }
    }
    // After the traffic class, which sets a priority of its own.
    socket.set_priority(PRIORITY)?;
    // Nobody sends to this port. What comes all the same is to take no memory.
    socket.set_recv_buffer_size(0)
}

fn leave_by(socket: &Socket, peer: IpAddr, interface: NonZeroU32) -> Result<(), OpenError> {
    let bound = match peer {
        IpAddr::V4(_) => socket.bind_device_by_index_v4(Some(interface)),
        IpAddr::V6(_) => socket.bind_device_by_index_v6(Some(interface)),
    };
    bound.map_err(|source| match source.raw_os_error() {
        Some(libc::ENODEV) => OpenError::NoSuchInterface(interface.get()),
        _ => OpenError::System { what: "binding to the interface", source },
    })
}

/// A link-local address goes with its interface.
fn address(address: IpAddr, port: u16, interface: Option<NonZeroU32>) -> SockAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(v6, port, 0, interface.map_or(0, NonZeroU32::get))).into()
        }
        _ => SocketAddr::new(address, port).into(),
    }
}
