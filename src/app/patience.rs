//! The first words of a connection: HTTP/2's client preface, and who waits for it.
//!
//! The HTTP/2 library waits for it without end, and probes a caller only afterwards.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// Passes everything on, and tells once as many bytes have come as a client preface has. Whether they
/// are the right ones is for the HTTP/2 library to say.
#[derive(Debug)]
pub(super) struct Greeted<I> {
    io: I,
    missing: usize,
    tell: Option<oneshot::Sender<()>>,
}

impl<I> Greeted<I> {
    /// `io`, and what resolves when its caller has spoken, or when `io` is gone.
    pub(super) fn new(io: I) -> (Self, oneshot::Receiver<()>) {
        let (tell, told) = oneshot::channel();
        let greeted = Self {
            io,
            missing: PREFACE,
            tell: Some(tell),
        };
        (greeted, told)
    }

    fn heard(&mut self, bytes: usize) {
        self.missing = self.missing.saturating_sub(bytes);
        if self.missing == 0
            && let Some(tell) = self.tell.take()
        {
            // Nobody is left to be told when the connection is being dropped.
            tell.send(()).ok();
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Greeted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        if self.missing > 0 {
            self.heard(buffer.filled().len().saturating_sub(before));
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Greeted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Length of the client preface (RFC 9113, 3.4).
const PREFACE: usize = 24;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_caller_has_spoken_when_the_last_byte_of_its_preface_is_there() {
        let (mut caller, io) = tokio::io::duplex(64);
        let (mut greeted, mut told) = Greeted::new(io);
        let mut read = [0; 64];
        for byte in 1..=PREFACE + 1 {
            caller.write_all(b"P").await.unwrap();
            assert_eq!(greeted.read(&mut read).await.unwrap(), 1);
            let spoken = told.try_recv().is_ok();
            assert_eq!(spoken, byte == PREFACE, "{byte}");
        }
        greeted.write_all(b"answer").await.unwrap();
        assert_eq!(caller.read(&mut read).await.unwrap(), 6);
    }
}
