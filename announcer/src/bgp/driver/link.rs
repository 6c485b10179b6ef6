//! Connections, each with what waits to be written.

use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time;

use super::super::message::HEADER;
use super::super::session::ConnectionId;
use super::super::transport::Stream;

/// Octets that are read at once.
const READ: usize = 64 * 1024;
/// How long a connection is kept for its last message to arrive.
const LINGER: Duration = Duration::from_secs(1);
/// Octets that are read and dropped meanwhile: unread ones would make the system reset the connection, and the peer lose
/// the last message.
const LINGER_OCTETS: usize = 4 * 1024 * 1024;

/// A connection.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub stream: S,
    waiting: VecDeque<Bytes>,
    /// How much of the first of them is written.
    written: usize,
}

impl<S: Stream> Link<S> {
    pub const fn new(stream: S) -> Self {
        Self { stream, waiting: VecDeque::new(), written: 0 }
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Queues whole messages.
    pub fn send(&mut self, messages: impl Into<Bytes>) {
        self.waiting.push_back(messages.into());
    }

    /// What waits to be written.
    pub fn unsent(&self) -> Vec<u8> {
        let mut skip = self.written;
        let mut rest = Vec::new();
        for bytes in &self.waiting {
            rest.extend_from_slice(&bytes[skip..]);
            skip = 0;
        }
        rest
    }

    /// Writes on; `Ready` after some was written.
    fn poll_write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(first) = self.waiting.front() else { return Poll::Pending };
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &first[self.written..]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.written += written;
        if self.written == first.len() {
            self.waiting.pop_front();
            self.written = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Closes it after its last message; of what waits before that only a message that was begun is finished.
    pub async fn close(mut self) {
        let last = self.waiting.pop_back();
        let begun = match self.waiting.pop_front() {
            Some(first) => first.slice(self.written..end_of_message(&first, self.written)),
            None => Bytes::new(),
        };
        let skip = if begun.is_empty() && self.waiting.is_empty() { self.written } else { 0 };
        let rest = last.map(|last| last.slice(skip.min(last.len())..)).unwrap_or_default();
        let _ = time::timeout(LINGER, async {
            self.stream.write_all(&begun).await?;
            self.stream.write_all(&rest).await?;
            self.stream.shutdown().await?;
            let mut dropped = 0;
            let mut buffer = vec![0; 4096];
            while dropped < LINGER_OCTETS {
                match self.stream.read(&mut buffer).await? {
                    0 => break,
                    count => dropped += count,
                }
            }
            io::Result::Ok(())
        })
        .await;
    }
}

/// Where the message ends that was begun; where nothing of it is written, nothing of it is to be.
fn end_of_message(messages: &[u8], written: usize) -> usize {
    let mut end = 0;
    while end < written
        && let Some(header) = messages.get(end..end + HEADER)
    {
        end += usize::from(u16::from_be_bytes([header[16], header[17]])).max(HEADER);
    }
    end.clamp(written, messages.len())
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Io {
    /// This many octets are in the buffer.
    Read(usize),
    /// Some was written.
    Wrote,
    /// It ended.
    Closed(Option<io::Error>),
}

/// All connections with a peer.
#[derive(Debug)]
pub(super) struct Links<S> {
    links: BTreeMap<ConnectionId, Link<S>>,
    pub buffer: Vec<u8>,
    /// Whether writing is looked at first: it takes turns with reading, so that neither waits for the other.
    write_first: bool,
}

impl<S: Stream> Links<S> {
    pub fn new() -> Self {
        Self { links: BTreeMap::new(), buffer: vec![0; READ], write_first: true }
    }

    pub fn insert(&mut self, id: ConnectionId, stream: S) {
        self.links.insert(id, Link::new(stream));
    }

    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Link<S>> {
        self.links.get_mut(&id)
    }

    pub fn remove(&mut self, id: ConnectionId) -> Option<Link<S>> {
        self.links.remove(&id)
    }

    /// Waits until something happens on one of them.
    pub async fn next(&mut self) -> (ConnectionId, Io) {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(ConnectionId, Io)> {
        self.write_first = !self.write_first;
        for (id, link) in &mut self.links {
            for writing in [self.write_first, !self.write_first] {
                let io = if writing {
                    link.poll_write(context)
                        .map(|result| result.map_or_else(|error| Io::Closed(Some(error)), |()| Io::Wrote))
                } else {
                    poll_read(&mut link.stream, &mut self.buffer, context)
                };
                if let Poll::Ready(io) = io {
                    return Poll::Ready((*id, io));
                }
            }
        }
        Poll::Pending
    }
}

fn poll_read<S: Stream>(stream: &mut S, buffer: &mut [u8], context: &mut Context<'_>) -> Poll<Io> {
    let mut buffer = ReadBuf::new(buffer);
    Poll::Ready(match ready!(Pin::new(stream).poll_read(context, &mut buffer)) {
        Ok(()) if buffer.filled().is_empty() => Io::Closed(None),
        Ok(()) => Io::Read(buffer.filled().len()),
        Err(error) => Io::Closed(Some(error)),
    })
}
