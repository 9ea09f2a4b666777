//! HTTP/2 by hand, for clients that keep to no limit.

use std::io::{Read, Write};
use std::net::TcpStream;

use prost::Message;

use crate::service::Service;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A client that keeps to no limit: HTTP/2 frames as they are given.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) fn connect(service: &Service) -> Self {
        let mut stream = TcpStream::connect(service.address()).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        let mut raw = Self(stream);
        raw.send(&frame(4, 0, 0, &[]));
        raw
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // A server that has had enough closes while this writes.
        let _ = self.0.write_all(bytes);
    }

    /// Type, stream and payload of the next frame; nothing once the connection is closed.
    pub(crate) fn next(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), payload))
    }

    /// The next frame of a type.
    pub(crate) fn frame_of(&mut self, wanted: u8) -> (u32, Vec<u8>) {
        loop {
            let (kind, stream, payload) = self.next().expect("the connection was closed");
            if kind == wanted {
                return (stream, payload);
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers of a call, each as a literal (HPACK).
pub(crate) fn headers(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let mut block = Vec::new();
    for (name, value) in own.iter().chain(more) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// A call with one message, as frames: its headers, and its only data.
pub(crate) fn call(stream: u32, path: &str, more: &[(&str, &str)], message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let data = frame(0, END_STREAM, stream, &[&[0], &length[..], &message].concat());
    [frame(HEADERS, END_HEADERS, stream, &headers(path, more)), data].concat()
}
