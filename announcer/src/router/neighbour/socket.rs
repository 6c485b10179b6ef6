//! The ICMPv6 socket of one interface.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt, sockopt,
};
use pnet_packet::icmpv6::Icmpv6Types;
use rustix::net::netdevice;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::unix::AsyncFd;

use super::options;
use super::packet::{ALL_ROUTERS, Arrival, HOP_LIMIT};
use crate::socket::OpenError;

/// Octets of a message that are read. No link that routers advertise themselves on needs longer ones.
const BUFFER: usize = 4096;
/// Octets of received messages that wait to be read at most, with the kernel's own bookkeeping: some 100 messages.
const RECEIVE_BUFFER: usize = 128 << 10;

/// Sends and receives router solicitations and advertisements on one interface. The kernel checks the checksums.
#[derive(Debug)]
pub(super) struct RouterSocket {
    io: AsyncFd<OwnedFd>,
    index: NonZeroU32,
    buffer: Vec<u8>,
    /// Room for what the kernel tells of a message.
    control: Vec<u8>,
}

impl RouterSocket {
    pub fn open(interface: &str) -> Result<Self, OpenError> {
        let failed = |what| move |source| open_error(interface, what, source);
        let kind = Type::RAW.nonblocking().cloexec();
        let socket =
            Socket::new(Domain::IPV6, kind, Some(Protocol::ICMPV6)).map_err(failed("opening an ICMPv6 socket"))?;
        let types = [Icmpv6Types::RouterSolicit.0, Icmpv6Types::RouterAdvert.0];
        options::receive_only(&socket, &types).map_err(failed("setting the filter"))?;
        let index = netdevice::name_to_index(&socket, interface)
            .map_err(io::Error::from)
            .and_then(|index| NonZeroU32::new(index).ok_or(ErrorKind::NotFound.into()))
            .map_err(failed("finding it"))?;
        set_options(&socket, index).map_err(failed("setting the socket's options"))?;
        let io = options::register(socket.into()).map_err(failed("registering the ICMPv6 socket"))?;
        let control = nix::cmsg_space!(libc::c_int);
        Ok(Self { io, index, buffer: vec![0; BUFFER], control })
    }

    pub const fn index(&self) -> u32 {
        self.index.get()
    }

    /// Lets the interface hear what is sent to all routers.
    ///
    /// # Errors
    /// When IPv6 is off on it.
    pub fn join_routers(&self) -> io::Result<()> {
        match SockRef::from(self.io.get_ref()).join_multicast_v6(&ALL_ROUTERS, self.index()) {
            // It is joined already.
            Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => Ok(()),
            result => result,
        }
    }

    /// Sends to a group from this address, or says at once why not.
    pub fn send(&self, source: Ipv6Addr, group: Ipv6Addr, bytes: &[u8]) -> io::Result<()> {
        let group = SockaddrIn6::from(SocketAddrV6::new(group, 0, 0, self.index()));
        let from =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: source.octets() }, ipi6_ifindex: self.index() };
        let fd = self.io.get_ref().as_raw_fd();
        let control = [ControlMessage::Ipv6PacketInfo(&from)];
        sendmsg(fd, &[IoSlice::new(bytes)], &control, MsgFlags::MSG_DONTWAIT, Some(&group))?;
        Ok(())
    }

    /// Gives what waits, `limit` messages at most; whether there may be more.
    pub fn drain(&mut self, limit: usize, mut take: impl FnMut(&Arrival, &[u8])) -> bool {
        for _ in 0..limit {
            match self.read(&mut take) {
                Ok(()) | Err(Errno::EINTR) => {}
                // Also for a wrong checksum: what waits behind it is read after the next wait.
                Err(_) => return false,
            }
        }
        true
    }

    fn read(&mut self, take: &mut impl FnMut(&Arrival, &[u8])) -> Result<(), Errno> {
        let Self { io, buffer, control, .. } = self;
        let mut slices = [IoSliceMut::new(buffer)];
        let fd = io.get_ref().as_raw_fd();
        let message = recvmsg::<SockaddrIn6>(fd, &mut slices, Some(control), MsgFlags::MSG_DONTWAIT)?;
        let length = message.bytes;
        let hop_limit = message.cmsgs()?.find_map(|detail| match detail {
            ControlMessageOwned::Ipv6HopLimit(limit) => u8::try_from(limit).ok(),
            _ => None,
        });
        let arrival = message.address.map(|address| Arrival { source: address.ip(), hop_limit });
        if let (Some(arrival), Some(bytes)) = (arrival, buffer.get(..length)) {
            take(&arrival, bytes);
        }
        Ok(())
    }

    /// Waits until something came since the last time that it was ready. Then all there is has to be read.
    pub async fn readable(&self) {
        match self.io.readable().await {
            Ok(mut ready) => ready.clear_ready(),
            // The runtime is being shut down.
            Err(_) => std::future::pending().await,
        }
    }
}

fn set_options(socket: &Socket, index: NonZeroU32) -> io::Result<()> {
    socket.bind_device_by_index_v6(Some(index))?;
    socket.set_multicast_if_v6(index.get())?;
    socket.set_multicast_hops_v6(HOP_LIMIT.into())?;
    socket.set_multicast_loop_v6(false)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    setsockopt(socket, sockopt::Ipv6RecvHopLimit, &true)?;
    Ok(())
}

fn open_error(interface: &str, what: &'static str, source: io::Error) -> OpenError {
    let interface = interface.to_owned();
    match (source.raw_os_error(), source.kind()) {
        // ENAMETOOLONG: no interface can have such a name.
        (Some(libc::ENODEV | libc::ENXIO | libc::ENAMETOOLONG), _) => OpenError::NoSuchInterface { interface },
        (_, ErrorKind::PermissionDenied) => OpenError::Permission { interface },
        _ => OpenError::System { interface, what, source },
    }
}
