//! HTTP/2 by the byte: frames that no library would send, and connections that look at every frame.

use std::io;

use portcullis::app::listen::Bound;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::{soon, tcp};

/// How every client begins (RFC 9113, 3.4).
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The method of a check.
pub(crate) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// The flag of the last frame of a stream, and of the answer to SETTINGS and PING.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The reason for a reset by a caller that has given up.
pub(crate) const CANCEL: u32 = 8;

/// The setting of the window that streams begin with.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A SETTINGS frame.
pub(crate) fn settings(of: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in of {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// The header block of a check, in HPACK without a dynamic table.
pub(crate) fn check_block() -> Vec<u8> {
    // `:method: POST` and `:scheme: http`, both static.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&[0x04][..], CHECK),
        (&[0x01], "localhost"),
        // `content-type` is number 31, which does not fit into four bits.
        (&[0x0f, 0x10], "application/grpc"),
    ] {
        block.extend(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend(value.as_bytes());
    }
    block
}

/// A whole check: HEADERS, and DATA with this message.
pub(crate) fn check(stream: u32, message: &[u8]) -> Vec<u8> {
    let mut data = vec![0];
    data.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    data.extend(message);
    let mut frames = frame(HEADERS, END_HEADERS, stream, &check_block());
    frames.extend(frame(DATA, END_STREAM, stream, &data));
    frames
}

/// A connection of which every byte is in the hand of the test.
pub(crate) struct Wire(TcpStream);

/// What the server sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    /// Connects and says nothing.
    pub(crate) async fn silent(bound: &Bound) -> Self {
        let stream = TcpStream::connect(tcp(bound)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Connects and says what clients say, with these settings.
    pub(crate) async fn connect(bound: &Bound, with: &[(u16, u32)]) -> Self {
        let mut wire = Self::silent(bound).await;
        wire.send(PREFACE).await.unwrap();
        wire.send(&settings(with)).await.unwrap();
        wire
    }

    /// The same with as little room for unread answers as the kernel gives.
    pub(crate) async fn deaf(bound: &Bound) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        let mut wire = Self(socket.connect(tcp(bound)).await.unwrap());
        wire.send(PREFACE).await.unwrap();
        wire.send(&settings(&[])).await.unwrap();
        wire
    }

    /// Sends these bytes, as far as the server takes them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    /// The next frame; `None` when the server has closed the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            payload,
        })
    }

    /// Reads until `wanted`, answering SETTINGS and PING as a client has to.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            self.acknowledge(&frame).await;
            if wanted(&frame) {
                return Some(frame);
            }
        }
    }

    async fn acknowledge(&mut self, of: &Frame) {
        if matches!(of.kind, SETTINGS | PING) && of.flags & ACK == 0 {
            let payload = if of.kind == PING {
                &of.payload[..]
            } else {
                &[]
            };
            // A server that is gone by now is seen at the next read.
            self.send(&frame(of.kind, ACK, 0, payload)).await.ok();
        }
    }

    /// Sends all of these bytes while it reads whatever comes back; whether the server is still there
    /// then.
    pub(crate) async fn survives(&mut self, bytes: &[u8]) -> bool {
        let (mut from, mut to) = self.0.split();
        let last = frame(PING, 0, 0, b"the last");
        let answered = frame(PING, ACK, 0, b"the last");
        let send = async {
            // A server that has closed is seen by who reads.
            if to.write_all(bytes).await.is_ok() {
                to.write_all(&last).await.ok();
            }
        };
        let read = async {
            let (mut read, mut piece) = (Vec::new(), vec![0; 1 << 16]);
            loop {
                match from.read(&mut piece).await {
                    Ok(length @ 1..) => read.extend_from_slice(&piece[..length]),
                    Ok(0) | Err(_) => return false,
                }
                if read.ends_with(&answered) {
                    return true;
                }
            }
        };
        let ((), survived) = soon(futures_util::future::join(send, read)).await;
        survived
    }

    /// Waits until the server has closed the connection, and answers nothing meanwhile.
    pub(crate) async fn cut_off(&mut self) {
        let mut bytes = vec![0; 1 << 14];
        soon(async { while matches!(self.0.read(&mut bytes).await, Ok(1..)) {} }).await;
    }

    /// Whether the server still holds the connection and has said nothing that was not read.
    pub(crate) fn is_held(&self) -> bool {
        let read = self.0.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}
