//! The socket on which packets come in: one for each port and family.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, RecvMsg, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::Family;
use super::register::register;
use crate::bfd::path::{Arrival, Hops};
use crate::bfd::wire::{OpenError, Take};

/// Bytes of a datagram that are read. A control packet has 24; the rest of a longer datagram is of no use.
const BUFFER: usize = 64;
/// Bytes of received datagrams that wait to be read at most, with the kernel's own bookkeeping: some 1000 packets.
const RECEIVE_BUFFER: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Receiver {
    io: AsyncFd<OwnedFd>,
    hops: Hops,
    /// Room for what the kernel tells of a datagram.
    control: Vec<u8>,
}

impl Receiver {
    pub fn open(family: Family, hops: Hops) -> Result<Self, OpenError> {
        let system = |what| move |source: io::Error| OpenError::System { what, source };
        let (domain, any) = match family {
            Family::V4 => (Domain::IPV4, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            Family::V6 => (Domain::IPV6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(domain, kind, Some(Protocol::UDP)).map_err(system("opening a UDP socket"))?;
        ask_for_details(&socket, family).map_err(system("asking for the TTL of packets"))?;
        bound_receive_buffer(&socket).map_err(system("setting the receive buffer"))?;
        let port = hops.port();
        socket.bind(&SocketAddr::new(any, port).into()).map_err(|source| match source.kind() {
            ErrorKind::AddrInUse => OpenError::PortInUse { port },
            _ => OpenError::System { what: "binding the port of BFD", source },
        })?;
        let io = register(socket.into()).map_err(system("registering a UDP socket"))?;
        Ok(Self { io, hops, control: nix::cmsg_space!(libc::in6_pktinfo, libc::c_int) })
    }

    /// Gives what waits, `limit` datagrams at most; whether there may be more.
    pub fn drain(&mut self, limit: usize, take: Take<'_>) -> bool {
        for _ in 0..limit {
            match self.read(take) {
                Ok(()) | Err(Errno::EINTR) => {}
                // Without a wait: an error such as of memory comes again, or does not.
                Err(_) => return false,
            }
        }
        true
    }

    fn read(&mut self, take: Take<'_>) -> Result<(), Errno> {
        let mut buffer = [0; BUFFER];
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let fd = self.io.get_ref().as_raw_fd();
        let message = recvmsg(fd, &mut slices, Some(&mut self.control), MsgFlags::MSG_DONTWAIT)?;
        let length = message.bytes;
        let arrival = arrival(&message, self.hops);
        if let (Some(arrival), Some(datagram)) = (arrival, buffer.get(..length)) {
            take(&arrival, datagram);
        }
        Ok(())
    }

    /// Whether something came since the last time it was ready. Then all there is has to be read, since what came is not
    /// told again.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        match self.io.poll_read_ready(context) {
            Poll::Ready(Ok(mut ready)) => {
                ready.clear_ready();
                Poll::Ready(())
            }
            // The runtime is being shut down.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

fn arrival(message: &RecvMsg<'_, '_, SockaddrStorage>, hops: Hops) -> Option<Arrival> {
    let address = message.address.as_ref()?;
    let from = match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => IpAddr::V4(v4.ip()),
        (None, Some(v6)) => IpAddr::V6(v6.ip()),
        (None, None) => return None,
    };
    let mut arrival = Arrival { hops, from, to: None, interface: None, ttl: None };
    for detail in message.cmsgs().ok()? {
        match detail {
            ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                arrival.ttl = u8::try_from(ttl).ok();
            }
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                arrival.to = Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_addr.s_addr))));
                arrival.interface = u32::try_from(info.ipi_ifindex).ok().and_then(NonZeroU32::new);
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                arrival.to = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                arrival.interface = NonZeroU32::new(info.ipi6_ifindex);
            }
            _ => {}
        }
    }
    Some(arrival)
}

fn ask_for_details(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => {
            setsockopt(socket, sockopt::Ipv4RecvTtl, &true)?;
            setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
        }
        Family::V6 => {
            socket.set_only_v6(true)?;
            setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
            setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?;
        }
    }
    Ok(())
}

/// Beyond the system's own bound where the process may (CAP_NET_ADMIN).
fn bound_receive_buffer(socket: &Socket) -> io::Result<()> {
    rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER))?;
    Ok(())
}
