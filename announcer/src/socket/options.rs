//! The options of AF_PACKET sockets that no crate wraps. Every `unsafe` of this room is here.

use std::ffi::{c_int, c_ushort};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd};

use pnet_base::MacAddr;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What a bound packet socket is bound to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Hardware type, ARPHRD_*.
    pub hardware: u16,
    /// Link-layer address; `None` when it is not 6 bytes long.
    pub mac: Option<MacAddr>,
}

/// What a membership is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reception {
    /// The multicast MAC.
    Group(MacAddr),
    /// Every multicast MAC.
    AllGroups,
}

/// Registers a socket with the tokio runtime.
#[expect(unsafe_code, reason = "tokio leaves it to the caller that the descriptor stays what it is")]
pub(super) fn register(socket: Socket, interest: Interest) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor and always gives the same one; the AsyncFd owns the socket, and nothing that
    // it lends out can close it.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(|error| error.into_parts().1)
}

/// Does not queue what this host sends (Linux 4.20 and newer).
pub(super) fn ignore_outgoing(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::PACKET_IGNORE_OUTGOING, &c_int::from(true))
}

/// Makes the interface receive what is meant, until [`drop_reception`] or until the socket is closed.
pub(super) fn add_reception(socket: &impl AsFd, index: u32, what: Reception) -> io::Result<()> {
    set(socket, libc::PACKET_ADD_MEMBERSHIP, &membership(index, what)?)
}

/// Takes back [`add_reception`].
pub(super) fn drop_reception(socket: &impl AsFd, index: u32, what: Reception) -> io::Result<()> {
    set(socket, libc::PACKET_DROP_MEMBERSHIP, &membership(index, what)?)
}

fn membership(index: u32, what: Reception) -> io::Result<libc::packet_mreq> {
    let (kind, length, mac) = match what {
        Reception::Group(mac) => (libc::PACKET_MR_MULTICAST, 6, mac.octets()),
        Reception::AllGroups => (libc::PACKET_MR_ALLMULTI, 0, [0; 6]),
    };
    let [a, b, c, d, e, f] = mac;
    Ok(libc::packet_mreq {
        mr_ifindex: c_int::try_from(index).map_err(io::Error::other)?,
        mr_type: c_ushort::try_from(kind).map_err(io::Error::other)?,
        mr_alen: length,
        mr_address: [a, b, c, d, e, f, 0, 0],
    })
}

#[expect(unsafe_code, reason = "setsockopt takes a pointer, and no crate wraps the options of packet sockets")]
fn set<T: Copy>(socket: &impl AsFd, option: c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and the length are those of a live value, and the kernel only reads it during the call.
    let result = unsafe { libc::setsockopt(fd, libc::SOL_PACKET, option, std::ptr::from_ref(value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Frames dropped because the queue was full, since the last call.
#[expect(unsafe_code, reason = "getsockopt takes a pointer, and no crate wraps the options of packet sockets")]
pub(super) fn take_drops(socket: &impl AsFd) -> io::Result<u32> {
    let mut statistics = libc::tpacket_stats { tp_packets: 0, tp_drops: 0 };
    let mut length = libc::socklen_t::try_from(size_of::<libc::tpacket_stats>()).map_err(io::Error::other)?;
    let (fd, value) = (socket.as_fd().as_raw_fd(), std::ptr::from_mut(&mut statistics).cast());
    // SAFETY: both pointers are to live values that nothing else refers to, and the length is that of the value.
    let result = unsafe { libc::getsockopt(fd, libc::SOL_PACKET, libc::PACKET_STATISTICS, value, &raw mut length) };
    if result == 0 { Ok(statistics.tp_drops) } else { Err(io::Error::last_os_error()) }
}

/// Asks a bound packet socket for the interface's hardware type and address.
#[expect(unsafe_code, reason = "socket2 does not read the addresses of packet sockets")]
pub(super) fn bound_to(socket: &Socket) -> io::Result<Bound> {
    let address = socket.local_addr()?;
    let length = usize::try_from(address.len()).map_err(io::Error::other)?;
    if c_int::from(address.family()) != libc::AF_PACKET || length < offset_of!(libc::sockaddr_ll, sll_addr) {
        return Err(io::Error::other("not the address of a packet socket"));
    }
    // SAFETY: the storage behind the pointer is a whole sockaddr_storage, zeroed where the kernel wrote nothing, so larger
    // and as aligned as sockaddr_ll, for which every bit pattern is valid.
    let address = unsafe { *address.as_ptr().cast::<libc::sockaddr_ll>() };
    let [a, b, c, d, e, f, ..] = address.sll_addr;
    let mac = (address.sll_halen == 6).then_some(MacAddr(a, b, c, d, e, f));
    Ok(Bound { hardware: address.sll_hatype, mac })
}
