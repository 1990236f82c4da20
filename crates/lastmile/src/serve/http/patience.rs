//! Clients that are too slow: what is sent to them, and what they send, has to move on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::seats::Seat;

/// How long a client may take nothing of what is sent to it.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take for the next piece of a body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);

/// A deadline that begins when something waits, and is forgotten when it moves on.
#[derive(Debug, Default)]
struct Stall(Option<Pin<Box<Sleep>>>);

/// A connection that holds a seat, and fails when the client takes nothing any more.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    stall: Stall,
    _seat: Seat,
}

/// The body of a request, which fails when the client sends nothing any more.
#[derive(Debug)]
pub(super) struct PatientBody<B = Incoming> {
    body: B,
    stall: Stall,
}

impl Stall {
    /// Judges what became of an attempt.
    fn judge<T>(
        &mut self,
        patience: Duration,
        context: &mut Context<'_>,
        attempt: Poll<T>,
    ) -> Poll<Result<T, io::Error>> {
        match attempt {
            Poll::Ready(outcome) => {
                self.0 = None;
                Poll::Ready(Ok(outcome))
            }
            Poll::Pending => {
                let deadline = self.0.get_or_insert_with(|| Box::pin(sleep(patience)));
                match deadline.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, seat: Seat) -> Self {
        Self {
            stream,
            stall: Stall::default(),
            _seat: seat,
        }
    }
}

impl<B> PatientBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            stall: Stall::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.stream).poll_write(context, octets);
        let judged = this.stall.judge(WRITE_PATIENCE, context, attempt);
        judged.map(Result::flatten)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        let judged = this.stall.judge(WRITE_PATIENCE, context, attempt);
        judged.map(Result::flatten)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<B> Body for PatientBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        let attempt = Pin::new(&mut this.body).poll_frame(context);
        match this.stall.judge(BODY_PATIENCE, context, attempt) {
            Poll::Ready(Ok(frame)) => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            Poll::Ready(Err(slow)) => Poll::Ready(Some(Err(slow.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::super::seats::Seats;
    use super::*;

    /// A body of which nothing comes.
    struct Silent;

    impl Body for Silent {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            Poll::Pending
        }
    }

    fn seats() -> Arc<Seats> {
        Arc::new(Seats::new(1, 1, Vec::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go_and_the_seat_is_free() {
        let seats = seats();
        let seat = seats.take(IpAddr::from(Ipv4Addr::LOCALHOST)).unwrap();
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut connection = Patient::new(ours, seat);
        let begun = Instant::now();
        let problem = connection.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(problem.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), WRITE_PATIENCE.as_secs());
        drop(connection);
        assert_eq!(seats.taken(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_now_and_then_is_waited_for() {
        let seat = seats().take(IpAddr::from(Ipv4Addr::LOCALHOST)).unwrap();
        let (ours, mut theirs) = tokio::io::duplex(8);
        let mut connection = Patient::new(ours, seat);
        let reader = async {
            let mut octets = [0; 8];
            for _ in 0..8 {
                sleep(WRITE_PATIENCE - Duration::from_secs(1)).await;
                theirs.read_exact(&mut octets).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(connection.write_all(&[0; 64]), reader);
        written.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_go_on_is_an_error() {
        let mut body = PatientBody::new(Silent);
        let begun = Instant::now();
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        frame.unwrap().unwrap_err();
        assert_eq!(begun.elapsed().as_secs(), BODY_PATIENCE.as_secs());
    }
}
