//! Listening: on TCP, a Unix socket or an abstract Unix socket.
//!
//! Promises that a socket file left behind by a dead process is replaced, and that neither another
//! kind of file nor a socket that somebody serves is ever removed.

use std::{
    fmt, io, iter,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

use crate::config::ListenAddr;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The kernel refused it: in use, not permitted, no such interface.
    #[error("cannot listen on `{address}`")]
    Refused {
        /// The address as configured.
        address: ListenAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The path is taken by something that is not a socket.
    #[error("cannot listen on `unix://{}`: the file there is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// Another process serves this socket.
    #[error("cannot listen on `unix://{}`: another process serves it", .0.display())]
    Served(PathBuf),
}

/// An address that is listened on, with the port that was really bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A socket file.
    Unix(PathBuf),
    /// An abstract name.
    Abstract(String),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Abstract(name) => write!(f, "unix://@{name}"),
        }
    }
}

/// A plaintext connection of either kind.
pub type Plain = Either<TcpStream, UnixStream>;

/// A socket that accepts connections. A socket file is removed when this is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: Either<TcpListener, UnixListener>,
    bound: Bound,
    _file: Option<SocketFile>,
}

impl Listener {
    /// Binds `address`.
    pub async fn bind(address: &ListenAddr) -> Result<Self, BindError> {
        let refused = |source| BindError::Refused {
            address: address.clone(),
            source,
        };
        match address {
            ListenAddr::Tcp { host, port } => {
                let socket = bind_tcp(host, *port).await.map_err(refused)?;
                let bound = Bound::Tcp(socket.local_addr().map_err(refused)?);
                Ok(Self {
                    socket: Either::Left(socket),
                    bound,
                    _file: None,
                })
            }
            ListenAddr::Unix(path) => {
                remove_stale(path).await?;
                let socket = UnixListener::bind(path).map_err(refused)?;
                let file = SocketFile(path.clone());
                open_to_group(path).map_err(refused)?;
                Ok(Self {
                    socket: Either::Right(socket),
                    bound: Bound::Unix(path.clone()),
                    _file: Some(file),
                })
            }
            ListenAddr::Abstract(name) => Ok(Self {
                socket: Either::Right(bind_abstract(name).map_err(refused)?),
                bound: Bound::Abstract(name.clone()),
                _file: None,
            }),
        }
    }

    /// What is really listened on.
    pub fn bound(&self) -> &Bound {
        &self.bound
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Plain> {
        match &self.socket {
            Either::Left(tcp) => {
                let (stream, _) = tcp.accept().await?;
                Ok(without_delay(stream))
            }
            Either::Right(unix) => Ok(Either::Right(unix.accept().await?.0)),
        }
    }

    /// Closes the door behind the callers that the kernel has shaken hands with already: they may
    /// have sent a check. Asks the kernel itself, because the runtime may not know of them yet.
    pub fn close(self) -> Box<dyn Iterator<Item = Plain> + Send> {
        match self.socket {
            Either::Left(tcp) => Box::new(tcp.into_std().into_iter().flat_map(|tcp| {
                iter::from_fn(move || {
                    let (stream, _) = tcp.accept().ok()?;
                    stream.set_nonblocking(true).ok()?;
                    TcpStream::from_std(stream).ok().map(without_delay)
                })
            })),
            Either::Right(unix) => Box::new(unix.into_std().into_iter().flat_map(|unix| {
                iter::from_fn(move || {
                    let (stream, _) = unix.accept().ok()?;
                    stream.set_nonblocking(true).ok()?;
                    UnixStream::from_std(stream).ok().map(Either::Right)
                })
            })),
        }
    }
}

/// Whether whoever is at the other end is on this machine: comes from the very loopback address that it
/// calls, or has the socket opened as the user of this process or as root. What a sidecar passes on from
/// elsewhere comes from another loopback address.
pub(super) fn is_own(plain: &Plain) -> bool {
    match plain {
        Either::Left(tcp) => {
            let ends = tcp.peer_addr().ok().zip(tcp.local_addr().ok());
            ends.is_some_and(|(peer, called)| {
                peer.ip() == called.ip() && peer.ip().to_canonical().is_loopback()
            })
        }
        Either::Right(unix) => {
            let own = rustix::process::geteuid().as_raw();
            unix.peer_cred()
                .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
        }
    }
}

/// An answer is one small write: never hold it back for more.
fn without_delay(stream: TcpStream) -> Plain {
    // This fails only for a caller that is gone already.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "connection without TCP_NODELAY");
    }
    Either::Left(stream)
}

/// Removes the file when the listener is gone.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "socket file not removed");
        }
    }
}

/// An empty host listens on IPv6 and IPv4, as Go does, or on IPv4 alone where there is no IPv6.
async fn bind_tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    if !host.is_empty() {
        return TcpListener::bind((host, port)).await;
    }
    match TcpListener::bind(("::", port)).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => {
            TcpListener::bind(("0.0.0.0", port)).await
        }
        bound => bound,
    }
}

/// Whoever connects needs to write to the file, which the usual umask keeps from everybody else: a proxy
/// that runs as a user of its own shares a group with us.
fn open_to_group(path: &Path) -> io::Result<()> {
    let mut permissions = std::fs::metadata(path)?.permissions();
    permissions.set_mode(permissions.mode() | 0o060);
    std::fs::set_permissions(path, permissions)
}

fn bind_abstract(name: &str) -> io::Result<UnixListener> {
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener as StdListener},
    };
    let listener = StdListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

async fn remove_stale(path: &Path) -> Result<(), BindError> {
    let refused = |source| BindError::Refused {
        address: ListenAddr::Unix(path.to_owned()),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            Err(BindError::NotASocket(path.to_owned()))
        }
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(BindError::Served(path.to_owned())),
        Ok(_) => std::fs::remove_file(path).map_err(refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn closing_lets_in_whoever_stands_in_the_queue() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let Bound::Tcp(address) = *listener.bound() else {
            panic!("a TCP address");
        };
        // Nothing is awaited in between, so the runtime does not know of these.
        let queued = [(); 3].map(|()| std::net::TcpStream::connect(address).unwrap());
        assert_eq!(listener.close().count(), queued.len());
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
