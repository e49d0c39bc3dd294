//! Buffered reading and writing of protocol messages.
//!
//! It knows lengths and tags, not meanings, and never holds more of a message than its caller asks
//! for.

use super::stream::Stream;
use bytes::{Buf, BytesMut};
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const READ_BYTES: usize = 16 * 1024;
/// A buffer that grew past this for one message is given back.
const KEEP_BYTES: usize = 1024 * 1024;
/// Messages other than rows and errors are small; a longer one means the stream is out of step.
pub(super) const MAX_CONTROL_BYTES: usize = 1024 * 1024;

pub(super) struct Frames {
    stream: Stream,
    inbound: BytesMut,
    /// Messages not yet sent; written by `flush` in one go.
    pub outbound: BytesMut,
    /// How often the outbound buffer was sent.
    pub flushes: u64,
}

impl Frames {
    pub fn new(stream: Stream) -> Self {
        Frames {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::new(),
            flushes: 0,
        }
    }

    /// Sends what was encoded since the last call.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.flushes += 1;
        self.stream.write_all(&self.outbound).await?;
        self.stream.flush().await?;
        self.outbound.clear();
        if self.outbound.capacity() > KEEP_BYTES {
            self.outbound = BytesMut::new();
        }
        Ok(())
    }

    /// Consumes a message's header: its tag, and the length of its body in bytes.
    pub async fn header(&mut self) -> io::Result<(u8, usize)> {
        if self.inbound.is_empty() && self.inbound.capacity() > KEEP_BYTES {
            self.inbound = BytesMut::new();
        }
        self.fill(5).await?;
        let tag = self.inbound[0];
        let length = u32::from_be_bytes(self.inbound[1..5].try_into().expect("four bytes"));
        self.inbound.advance(5);
        let body = length
            .checked_sub(4)
            .ok_or_else(|| invalid("message length below four"))?;
        Ok((tag, body as usize))
    }

    /// The next `length` bytes, left in the buffer until `consume`.
    pub async fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        self.fill(length).await?;
        Ok(&self.inbound[..length])
    }

    /// Drops bytes that `peek` returned.
    pub fn consume(&mut self, length: usize) {
        self.inbound.advance(length);
    }

    /// A whole small body.
    pub async fn body(&mut self, length: usize) -> io::Result<BytesMut> {
        if length > MAX_CONTROL_BYTES {
            return Err(invalid("control message too long"));
        }
        self.fill(length).await?;
        Ok(self.inbound.split_to(length))
    }

    /// The head of a body that may be long; the rest is discarded.
    pub async fn head(&mut self, length: usize) -> io::Result<BytesMut> {
        let kept = length.min(MAX_CONTROL_BYTES);
        let head = self.body(kept).await?;
        self.skip(length - kept).await?;
        Ok(head)
    }

    /// Discards `length` bytes without holding them.
    pub async fn skip(&mut self, mut length: usize) -> io::Result<()> {
        loop {
            let here = length.min(self.inbound.len());
            self.inbound.advance(here);
            length -= here;
            if length == 0 {
                return Ok(());
            }
            self.read_more(READ_BYTES).await?;
        }
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.inbound.len() < length {
            self.read_more((length - self.inbound.len()).max(READ_BYTES))
                .await?;
        }
        Ok(())
    }

    async fn read_more(&mut self, at_least: usize) -> io::Result<()> {
        self.inbound.reserve(at_least);
        if self.stream.read_buf(&mut self.inbound).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Says goodbye without waiting for anything; errors mean that the peer is gone already.
    pub async fn terminate(mut self) {
        self.outbound.clear();
        postgres_protocol::message::frontend::terminate(&mut self.outbound);
        let _ = self.flush().await;
        let _ = self.stream.shutdown().await;
    }
}

pub(super) fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Reads fields of a body from its front; every method fails on a body that is too short.
pub(super) struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or_else(|| invalid("short message"))?;
        self.0 = rest;
        Ok(*head)
    }

    pub fn i16(&mut self) -> io::Result<i16> {
        self.bytes().map(i16::from_be_bytes)
    }

    pub fn i32(&mut self) -> io::Result<i32> {
        self.bytes().map(i32::from_be_bytes)
    }

    pub fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_be_bytes)
    }

    pub fn text(&mut self) -> io::Result<String> {
        let end = self
            .0
            .iter()
            .position(|&b| b == 0)
            .ok_or_else(|| invalid("unended text"))?;
        let text = String::from_utf8_lossy(&self.0[..end]).into_owned();
        self.0 = &self.0[end + 1..];
        Ok(text)
    }
}
