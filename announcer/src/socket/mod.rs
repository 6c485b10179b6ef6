//! One interface's raw socket for ARP and neighbour discovery.
//!
//! It is an AF_PACKET socket whose filter is attached before it is bound, so that nothing else is ever queued. Frames come
//! in through `pnet_datalink`; they go out by a send of our own, because pnet's sender waits for the socket between our
//! look at the fence and the system call.

mod error;
mod filter;
mod groups;
mod options;

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::Ipv6Addr;
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pnet_base::MacAddr;
use pnet_datalink::{Channel, ChannelType, Config, DataLinkReceiver, NetworkInterface};
use rustix::net::netdevice;
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub use error::{JoinError, Loss, OpenError};

use crate::{FencedFrame, boot_now};
use groups::Memberships;

/// Bytes of received frames that wait to be read at most, with the kernel's own bookkeeping: some 2000 ARP requests.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Hardware type of Ethernet.
const ARPHRD_ETHER: u16 = 1;
/// An error of the socket, such as the interface going down, is read like a frame.
const READ: Interest = Interest::READABLE.add(Interest::ERROR);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has taken it.
    Sent,
    /// The fence is closed, or the ownership has ended: nothing was sent.
    HeldBack,
    /// The interface's queue or the socket's buffer is full: nothing was sent. There is no use in keeping the frame.
    Congested,
}

/// The raw socket of one interface. It is non-blocking and belongs to the tokio runtime it was opened in.
pub struct SegmentSocket {
    io: AsyncFd<Socket>,
    receiver: Mutex<Box<dyn DataLinkReceiver>>,
    memberships: Mutex<Memberships>,
    drops: AtomicU64,
    index: u32,
    mac: MacAddr,
}

impl SegmentSocket {
    /// Opens the socket of an interface. Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When there is no such interface, it is not Ethernet, or the process may not open raw sockets.
    pub fn open(interface: &str) -> Result<Self, OpenError> {
        let failed = |what| move |source| OpenError::system(interface, what, source);
        // Protocol 0: the socket receives nothing until it is bound.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(failed("opening a raw socket"))?;
        let index = netdevice::name_to_index(&socket, interface)
            .map_err(|error| OpenError::system(interface, "finding it", error.into()))?;
        socket.attach_filter(&filter::program()).map_err(failed("attaching the filter"))?;
        // Kernels before 4.20 do not know it; the filter drops those frames, too.
        if options::ignore_outgoing(&socket).is_err() {
            tracing::debug!(interface, "PACKET_IGNORE_OUTGOING is not there, the filter alone drops what is sent");
        }
        bound_receive_buffer(&socket).map_err(failed("setting the receive buffer"))?;
        let receiver = bind(&socket, interface, index).map_err(failed("binding the raw socket"))?;
        let bound = options::bound_to(&socket).map_err(failed("reading its link-layer address"))?;
        let mac = match bound {
            options::Bound { hardware: ARPHRD_ETHER, mac: Some(mac) } => mac,
            other => return Err(OpenError::NotEthernet { interface: interface.into(), hardware: other.hardware }),
        };
        let io = options::register(socket, READ).map_err(failed("registering the raw socket"))?;
        let memberships = Mutex::new(Memberships::new(index));
        Ok(Self { io, receiver: Mutex::new(receiver), memberships, drops: AtomicU64::new(0), index, mac })
    }

    /// The interface's MAC when the socket was opened.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The interface's index.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Waits for a frame and copies it, as far as it fits; gives its length in the buffer. Cancel safe.
    ///
    /// # Errors
    /// [`Self::loss`] tells whether the interface went away.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        let copy = |frame: &[u8]| {
            length = frame.len().min(buffer.len());
            buffer[..length].copy_from_slice(&frame[..length]);
        };
        self.recv_batch(1, copy).await?;
        Ok(length)
    }

    /// Waits until there are frames and gives those that are there, `limit` at most, one after the other. Gives their
    /// number, which is at least 1. Cancel safe.
    ///
    /// # Errors
    /// [`Self::loss`] tells whether the interface went away. Frames given before the error were received.
    pub async fn recv_batch(&self, limit: usize, mut take: impl FnMut(&[u8])) -> io::Result<usize> {
        loop {
            let mut ready = self.io.ready(READ).await?;
            if let Ok(result) = ready.try_io(|io| self.drain(io.get_ref(), limit.max(1), &mut take)) {
                return result;
            }
        }
    }

    fn drain(&self, socket: &Socket, limit: usize, take: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        let mut receiver = lock(&self.receiver);
        for count in 0..limit {
            match receiver.next() {
                Ok(frame) => take(frame),
                Err(error) => match pending_error(socket, error)? {
                    Some(error) => return Err(error),
                    None if count > 0 => return Ok(count),
                    None => return Err(ErrorKind::WouldBlock.into()),
                },
            }
        }
        Ok(limit)
    }

    /// Sends a frame if the fence is open now. The look at the clock and the fence and the system call stand next to each
    /// other (promise P3).
    ///
    /// # Errors
    /// [`Self::loss`] tells whether the interface went away.
    pub fn send(&self, frame: &FencedFrame) -> io::Result<Sent> {
        let socket = self.io.get_ref();
        let Some(bytes) = frame.release(boot_now()) else { return Ok(Sent::HeldBack) };
        match socket.send(bytes) {
            Ok(_) => Ok(Sent::Sent),
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS) => {
                Ok(Sent::Congested)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an error of this socket means that the interface went away. A socket whose interface is [`Loss::Down`] works
    /// on when it comes up again; one whose interface is [`Loss::Gone`] is of no use any more.
    #[must_use]
    pub fn loss(&self, error: &io::Error) -> Option<Loss> {
        match error.raw_os_error() {
            Some(libc::ENETDOWN) if self.name().is_ok() => Some(Loss::Down),
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => Some(Loss::Gone),
            _ => None,
        }
    }

    /// Frames that were lost since the socket was opened because nobody read in time.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn kernel_drops(&self) -> io::Result<u64> {
        let new = u64::from(options::take_drops(&self.io)?);
        Ok(self.drops.fetch_add(new, Ordering::Relaxed) + new)
    }

    /// Joins a multicast group: the interface hears it, and switches that look into MLD send it here. A group that is
    /// joined already is fine.
    ///
    /// # Errors
    /// When IPv6 is off on the interface, or the system refuses.
    pub fn join(&self, group: Ipv6Addr) -> Result<(), JoinError> {
        let interface = self.name().map_err(|source| JoinError::System { group, source })?;
        lock(&self.memberships).join(&self.io, &interface, group)
    }

    /// Leaves a multicast group; nothing when it is not joined.
    ///
    /// # Errors
    /// When the system refuses. The group counts as left all the same.
    pub fn leave(&self, group: Ipv6Addr) -> io::Result<()> {
        lock(&self.memberships).leave(&self.io, group)
    }

    /// The interface's present name.
    fn name(&self) -> io::Result<String> {
        Ok(netdevice::index_to_name(&self.io, self.index)?)
    }
}

impl fmt::Debug for SegmentSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentSocket").field("index", &self.index).field("mac", &self.mac).finish_non_exhaustive()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bounds the queue of received frames; beyond the system's own bound where the process may (CAP_NET_ADMIN).
fn bound_receive_buffer(socket: &Socket) -> io::Result<()> {
    rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(socket, RECEIVE_BUFFER))?;
    Ok(())
}

/// Lets pnet bind the socket, filtered as it is, and read from a second handle on it, which pnet closes.
fn bind(socket: &Socket, name: &str, index: u32) -> io::Result<Box<dyn DataLinkReceiver>> {
    let config = Config {
        read_buffer_size: filter::SNAP as usize,
        read_timeout: Some(Duration::ZERO),
        write_buffer_size: 0,
        channel_type: ChannelType::Layer2,
        promiscuous: false,
        socket_fd: Some(socket.try_clone()?.into_raw_fd()),
        ..Config::default()
    };
    let interface =
        NetworkInterface { name: name.into(), description: String::new(), index, mac: None, ips: Vec::new(), flags: 0 };
    match pnet_datalink::channel(&interface, config)? {
        Channel::Ethernet(_sender, receiver) => Ok(receiver),
        _ => Err(io::Error::other("pnet gave a channel that is not Ethernet")),
    }
}

/// What pnet's receiver means: `None` when there is no frame. pnet waits, for no time, before it reads, and a socket that
/// has an error and no frame gives it an answer that it does not expect; the error itself is still with the socket.
fn pending_error(socket: &Socket, error: io::Error) -> io::Result<Option<io::Error>> {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(None),
        _ if error.raw_os_error().is_some() => Ok(Some(error)),
        _ => socket.take_error(),
    }
}
