//! How long the other end of a connection may keep this one waiting: with its first words, and with
//! taking what it is told.
//!
//! The HTTP/2 library waits for both without end: it probes a caller only after the client preface, and
//! one that does not answer is told so first, which takes for ever when it reads nothing.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
    time::Sleep,
};

/// Passes everything on. Tells once as many bytes have come as a client preface has; whether they are
/// the right ones is for the HTTP/2 library to say. Fails when nothing that is written goes out for as
/// long as the patience lasts.
#[derive(Debug)]
pub(super) struct Patient<I> {
    io: I,
    missing: usize,
    tell: Option<oneshot::Sender<()>>,
    patience: Duration,
    /// Runs while nothing goes out.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    /// `io`, and what resolves when its caller has spoken, or when `io` is gone.
    pub(super) fn new(io: I, patience: Duration) -> (Self, oneshot::Receiver<()>) {
        let (tell, told) = oneshot::channel();
        let patient = Self {
            io,
            missing: PREFACE,
            tell: Some(tell),
            patience,
            stalled: None,
        };
        (patient, told)
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

    fn in_time<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let begin = || Box::pin(tokio::time::sleep(patience));
        let stalled = self.stalled.get_or_insert_with(begin);
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
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

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.in_time(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.in_time(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.in_time(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = Pin::new(&mut self.io).poll_shutdown(cx);
        self.in_time(cx, closed)
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
        let (mut patient, mut told) = Patient::new(io, Duration::MAX);
        let mut read = [0; 64];
        for byte in 1..=PREFACE + 1 {
            caller.write_all(b"P").await.unwrap();
            assert_eq!(patient.read(&mut read).await.unwrap(), 1);
            let spoken = told.try_recv().is_ok();
            assert_eq!(spoken, byte == PREFACE, "{byte}");
        }
    }

    #[tokio::test]
    async fn a_caller_that_takes_nothing_has_failed_and_a_slow_one_has_not() {
        let (mut caller, io) = tokio::io::duplex(4);
        let (mut patient, _told) = Patient::new(io, Duration::from_millis(1));
        let failed = patient.write_all(b"nobody").await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);

        let mut taken = [0; 4];
        caller.read_exact(&mut taken).await.unwrap();
        assert_eq!(&taken, b"nobo");
        patient.write_all(b"dy").await.unwrap();
        assert!(patient.stalled.is_none(), "it waits for nobody now");
    }
}
