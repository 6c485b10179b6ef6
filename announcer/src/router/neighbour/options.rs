//! What no crate wraps for ICMPv6 sockets. Every `unsafe` of this room is here.

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `ICMPV6_FILTER` of `linux/icmpv6.h`, which libc does not have (RFC 3542 section 3.2).
const ICMPV6_FILTER: c_int = 1;

/// `struct icmp6_filter`: a bit for each type, set where it is not wanted.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Filter([u32; 8]);

impl Filter {
    fn only(types: &[u8]) -> Self {
        let mut filter = [u32::MAX; 8];
        for &kind in types {
            filter[usize::from(kind >> 5)] &= !(1 << (kind & 31));
        }
        Self(filter)
    }
}

/// The socket receives messages of these types only.
#[expect(unsafe_code, reason = "setsockopt takes a pointer, and no crate wraps this option")]
pub(super) fn receive_only(socket: &impl AsFd, types: &[u8]) -> io::Result<()> {
    let filter = Filter::only(types);
    let length = libc::socklen_t::try_from(size_of::<Filter>()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    let value = std::ptr::from_ref(&filter).cast();
    // SAFETY: the pointer and the length are those of a live value, and the kernel only reads it during the call.
    let result = unsafe { libc::setsockopt(fd, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, value, length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the runtime say when there is something to read.
#[expect(unsafe_code, reason = "tokio leaves it to the caller that the descriptor stays what it is")]
pub(super) fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open, always gives the same descriptor, and only its own drop closes it; the AsyncFd owns it.
    let registered = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!(size_of::<Filter>(), 32);
        let Filter(words) = Filter::only(&[133, 134]);
        assert_eq!(words, [!0, !0, !0, !0, !0x60, !0, !0, !0]);
    }
}
