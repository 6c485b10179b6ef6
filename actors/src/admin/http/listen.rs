//! The listeners.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, fchmod};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use tokio::net::{TcpListener, UnixListener};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Why a listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another node runs.
    #[error("another process listens on {0}: is quorumlb running already? Stop it first, or choose another --socket")]
    Taken(PathBuf),
    /// Something else is there.
    #[error("{0} is there and is no socket: choose another path with --socket")]
    NoSocket(PathBuf),
    /// The user may not.
    #[error("this user may not listen on {0}: run it as root, or choose another path with --socket")]
    Forbidden(PathBuf),
    /// The system says no.
    #[error("cannot listen on {what}: {error}")]
    Io {
        /// Where.
        what: String,
        /// Why.
        error: io::Error,
    },
}

/// The file of a bound socket; it goes when this is dropped.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // When it is gone already, all is well.
        let _ = fs::remove_file(&self.0);
    }
}

/// Binds the Unix socket, for its owner alone.
pub(super) fn socket(path: &Path) -> Result<(UnixListener, SocketFile), ListenError> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::PermissionDenied => ListenError::Forbidden(path.to_owned()),
        _ => ListenError::Io { what: path.display().to_string(), error },
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o755).create(parent).map_err(failed)?;
    }
    clear(path)?;
    let listener = bind_private(path).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => ListenError::Taken(path.to_owned()),
        _ => failed(error),
    })?;
    let file = SocketFile(path.to_owned());
    Ok((UnixListener::from_std(listener).map_err(failed)?, file))
}

/// Removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |error: io::Error| ListenError::Io { what: path.display().to_string(), error };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(there) if !there.file_type().is_socket() => return Err(ListenError::NoSocket(path.to_owned())),
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(_) => Err(ListenError::Taken(path.to_owned())),
    }
}

/// Linux gives the file the mode that the socket has when it is bound: there is no moment at which others may connect.
fn bind_private(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Binds the TCP listener.
pub(super) fn tcp(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|error| ListenError::Io {
        what: format!("{address} (choose another address with --metrics, or none)"),
        error,
    })
}
