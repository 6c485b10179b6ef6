//! The TCP and IP options that no crate wraps. Every `unsafe` of BGP is here.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

/// Octets of a key at most (`TCP_MD5SIG_MAXKEYLEN`).
pub(super) const MAX_KEY: usize = 80;

/// `struct tcp_md5sig` of `linux/tcp.h`, which libc does not have.
#[repr(C)]
#[derive(Clone, Copy)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_length: u8,
    key_length: u16,
    interface: c_int,
    key: [u8; MAX_KEY],
}

/// Signs what is sent to an address with this key, and drops what comes from it without (RFC 2385). An empty key ends that.
pub(super) fn set_md5_key(socket: &impl AsFd, peer: IpAddr, key: &[u8]) -> io::Result<()> {
    let peer = SockAddr::from(SocketAddr::new(peer, 0));
    let mut whole = [0; MAX_KEY];
    whole.get_mut(..key.len()).ok_or_else(|| io::Error::other("the key is too long"))?.copy_from_slice(key);
    let signature = TcpMd5Sig {
        address: storage(&peer),
        flags: 0,
        prefix_length: 0,
        key_length: u16::try_from(key.len()).map_err(io::Error::other)?,
        interface: 0,
        key: whole,
    };
    set(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &signature)
}

/// Drops what has crossed more routers than this leaves (RFC 5082).
pub(super) fn set_min_ttl(socket: &impl AsFd, peer: IpAddr, ttl: u8) -> io::Result<()> {
    let ttl = c_int::from(ttl);
    match peer {
        IpAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &ttl),
        IpAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &ttl),
    }
}

#[expect(unsafe_code, reason = "socket2 gives the address as a pointer only")]
fn storage(address: &SockAddr) -> libc::sockaddr_storage {
    // SAFETY: the storage behind the pointer is a whole sockaddr_storage, zeroed behind the address, for which every bit
    // pattern is valid.
    unsafe { *address.as_ptr().cast::<libc::sockaddr_storage>() }
}

#[expect(unsafe_code, reason = "setsockopt takes a pointer, and no crate wraps these options")]
fn set<T: Copy>(socket: &impl AsFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let length = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and the length are those of a live value, and the kernel only reads it during the call.
    let result = unsafe { libc::setsockopt(fd, level, option, std::ptr::from_ref(value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!(size_of::<TcpMd5Sig>(), 216);
        assert_eq!(std::mem::offset_of!(TcpMd5Sig, key_length), 130);
        assert_eq!(std::mem::offset_of!(TcpMd5Sig, key), 136);
    }
}
