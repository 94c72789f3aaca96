//! WebSocket frames (RFC 6455) on a bare connection. Buffers are there while there is something in them.

use std::io;

use actix_codec::{Decoder, Encoder};
use actix_http::ws::{CloseReason, Codec, Frame, Item, Message, ProtocolError};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;

use crate::limits::{LIVE_FRAME_BYTES_MAX, LIVE_READ_BYTES};

/// Longest head of a frame: two bytes, a length of eight, a mask of four (RFC 6455, 5.2).
const FRAME_HEAD_BYTES_MAX: usize = 14;

/// From a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A text, whole.
    Text(String),
    /// Bytes, which are of no use here.
    Binary,
    /// To be answered with the same bytes.
    Ping(Bytes),
    /// Answers a ping.
    Pong,
    /// There will be no more.
    Close,
}

/// Why a connection cannot be used any more.
#[derive(Debug)]
pub enum Broken {
    /// It is gone.
    Gone,
    /// A message is larger than [`LIVE_FRAME_BYTES_MAX`].
    TooLarge,
    /// What came is none of the protocol.
    Malformed,
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

impl From<ProtocolError> for Broken {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::Overflow => Self::TooLarge,
            _ => Self::Malformed,
        }
    }
}

/// A connection.
pub struct Wire {
    stream: TcpStream,
    codec: Codec,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// The beginning of a message of several frames, and whether it is a text.
    begun: Option<(bool, BytesMut)>,
}

impl Wire {
    /// Goes on with a connection on which `received` came already.
    pub fn new(stream: TcpStream, received: BytesMut) -> Self {
        let codec = Codec::new().max_size(LIVE_FRAME_BYTES_MAX);
        Self { stream, codec, incoming: received, outgoing: BytesMut::new(), begun: None }
    }

    /// Waits for the next message, and writes meanwhile what is left to write. Cancelling it loses nothing.
    ///
    /// # Errors
    /// See [`Broken`].
    pub async fn next(&mut self) -> Result<Incoming, Broken> {
        loop {
            while let Some(frame) = self.codec.decode(&mut self.incoming)? {
                if let Some(incoming) = self.assemble(frame)? {
                    return Ok(incoming);
                }
            }
            // Its length is looked at by the codec when all of it is there: as much as was announced.
            if self.incoming.len() > LIVE_FRAME_BYTES_MAX + FRAME_HEAD_BYTES_MAX {
                return Err(Broken::TooLarge);
            }
            if self.incoming.is_empty() {
                self.incoming = BytesMut::new();
            }
            let interest = match self.outgoing.is_empty() {
                true => Interest::READABLE,
                false => Interest::READABLE | Interest::WRITABLE,
            };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() {
                self.try_flush()?;
            }
            if ready.is_readable() {
                self.incoming.reserve(LIVE_READ_BYTES);
                // A buffer that grew may have more room than that.
                match self.stream.try_read_buf(&mut (&mut self.incoming).limit(LIVE_READ_BYTES)) {
                    Ok(0) => return Err(Broken::Gone),
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    fn assemble(&mut self, frame: Frame) -> Result<Option<Incoming>, Broken> {
        let incoming = match frame {
            Frame::Text(bytes) => text(bytes.into())?,
            Frame::Binary(_) => Incoming::Binary,
            Frame::Ping(bytes) => Incoming::Ping(bytes),
            Frame::Pong(_) => Incoming::Pong,
            Frame::Close(_) => Incoming::Close,
            Frame::Continuation(Item::FirstText(bytes)) => {
                self.begun = Some((true, BytesMut::from(bytes)));
                return Ok(None);
            }
            Frame::Continuation(Item::FirstBinary(bytes)) => {
                self.begun = Some((false, BytesMut::from(bytes)));
                return Ok(None);
            }
            Frame::Continuation(Item::Continue(bytes)) => {
                self.go_on(&bytes)?;
                return Ok(None);
            }
            Frame::Continuation(Item::Last(bytes)) => {
                self.go_on(&bytes)?;
                match self.begun.take() {
                    Some((true, whole)) => text(whole.into())?,
                    Some((false, _)) => Incoming::Binary,
                    None => return Err(Broken::Malformed),
                }
            }
        };
        Ok(Some(incoming))
    }

    fn go_on(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let (_, whole) = self.begun.as_mut().ok_or(Broken::Malformed)?;
        if whole.len().saturating_add(bytes.len()) > LIVE_FRAME_BYTES_MAX {
            return Err(Broken::TooLarge);
        }
        whole.extend_from_slice(bytes);
        Ok(())
    }

    /// Puts a message behind what is left to write.
    ///
    /// # Errors
    /// When it cannot be written as a frame.
    pub fn put(&mut self, message: Message) -> Result<(), Broken> {
        Ok(self.codec.encode(message, &mut self.outgoing)?)
    }

    /// Writes as much as the client takes now; whether nothing is left.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn try_flush(&mut self) -> Result<bool, Broken> {
        while !self.outgoing.is_empty() {
            match self.stream.try_write(&self.outgoing) {
                Ok(written) => self.outgoing.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        self.outgoing = BytesMut::new();
        Ok(true)
    }

    /// Writes everything, waiting for the client to take it. Cancelling it leaves the rest to be written.
    ///
    /// # Errors
    /// When the connection is gone.
    pub async fn flush(&mut self) -> Result<(), Broken> {
        while !self.try_flush()? {
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// Says why it closes, behind what is left to write, and waits for the client to close its end: a connection that is dropped
    /// with something unread in it is reset, and what was written last may be lost.
    ///
    /// # Errors
    /// When the connection is gone before.
    pub async fn close(mut self, reason: CloseReason) -> Result<(), Broken> {
        self.put(Message::Close(Some(reason)))?;
        self.flush().await?;
        self.stream.shutdown().await?;
        loop {
            self.incoming.clear();
            self.incoming.reserve(LIVE_READ_BYTES);
            self.stream.readable().await?;
            match self.stream.try_read_buf(&mut self.incoming) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn text(bytes: Vec<u8>) -> Result<Incoming, Broken> {
    String::from_utf8(bytes).map(Incoming::Text).map_err(|_| Broken::Malformed)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_http::ws::CloseCode;
    use tokio::net::TcpListener;

    use super::*;

    /// Both ends of a connection; what the client writes is masked.
    async fn pair() -> (Wire, TcpStream, Codec) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Wire::new(stream, BytesMut::new()), client, Codec::new().client_mode())
    }

    async fn say(client: &mut TcpStream, codec: &mut Codec, messages: Vec<Message>) {
        let mut bytes = BytesMut::new();
        messages.into_iter().for_each(|message| codec.encode(message, &mut bytes).unwrap());
        // In pieces, as networks make them.
        for piece in bytes.chunks(7) {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn messages_come_whole_also_in_several_frames() {
        let (mut wire, mut client, mut codec) = pair().await;
        let frames = vec![
            Message::Text("hello".into()),
            Message::Continuation(Item::FirstText("wor".into())),
            Message::Ping("p".into()),
            Message::Continuation(Item::Continue("l".into())),
            Message::Continuation(Item::Last("d".into())),
            Message::Binary("b".into()),
            Message::Pong(Bytes::new()),
            Message::Close(None),
        ];
        let saying = say(&mut client, &mut codec, frames);
        let hearing = async {
            let mut came = Vec::new();
            while came.last() != Some(&Incoming::Close) {
                came.push(wire.next().await.unwrap());
            }
            came
        };
        let (came, ()) = tokio::join!(hearing, saying);
        let text = |text: &str| Incoming::Text(text.to_owned());
        let ping = Incoming::Ping("p".into());
        let expected =
            [text("hello"), ping, text("world"), Incoming::Binary, Incoming::Pong, Incoming::Close];
        assert_eq!(came, expected);
        assert!(tokio::time::timeout(Duration::from_millis(20), wire.next()).await.is_err());
        assert_eq!((wire.incoming.capacity(), wire.outgoing.capacity()), (0, 0), "idle ones keep no buffers");
        drop(client);
        assert!(matches!(wire.next().await, Err(Broken::Gone)));
    }

    #[tokio::test]
    async fn what_is_too_large_or_no_text_is_refused() {
        let (mut wire, mut client, mut codec) = pair().await;
        let half = Bytes::from(vec![b'x'; LIVE_FRAME_BYTES_MAX / 2 + 1]);
        let frames = vec![
            Message::Continuation(Item::FirstBinary(half.clone())),
            Message::Continuation(Item::Last(half)),
        ];
        let (came, ()) = tokio::join!(wire.next(), say(&mut client, &mut codec, frames));
        assert!(matches!(came, Err(Broken::TooLarge)));
        // Only announced, and never to be there as a whole.
        let (mut wire, mut client, _) = pair().await;
        let announced = [0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let saying = async {
            client.write_all(&announced).await.unwrap();
            // It is cut before all of this is taken.
            let _ = client.write_all(&vec![b'x'; 4 * LIVE_FRAME_BYTES_MAX]).await;
        };
        let came = async {
            let came = wire.next().await;
            let kept = wire.incoming.len();
            drop(wire);
            (came, kept)
        };
        let ((came, kept), ()) = tokio::join!(came, saying);
        assert!(matches!(came, Err(Broken::TooLarge)));
        assert!(kept <= LIVE_FRAME_BYTES_MAX + FRAME_HEAD_BYTES_MAX + LIVE_READ_BYTES, "{kept}");
        let (mut wire, mut client, _) = pair().await;
        // A text of one byte that is none, masked with zeroes.
        client.write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.unwrap();
        assert!(matches!(wire.next().await, Err(Broken::Malformed)));
        let (mut wire, mut client, _) = pair().await;
        client.write_all(&[0x81, 0x01, b'x']).await.unwrap();
        assert!(matches!(wire.next().await, Err(Broken::Malformed)), "clients mask");
    }

    #[tokio::test]
    async fn what_the_client_does_not_take_at_once_is_written_later() {
        let (mut wire, client, mut codec) = pair().await;
        let large = "x".repeat(64 * 1024);
        let mut sent = 0;
        while wire.try_flush().unwrap() {
            wire.put(Message::Text(large.clone().into())).unwrap();
            sent += 1;
        }
        // Broken off in between, nothing is lost: not even while it waits for something to read.
        assert!(tokio::time::timeout(Duration::from_millis(20), wire.flush()).await.is_err());
        let reader = tokio::spawn(async move {
            let (mut bytes, mut came) = (BytesMut::new(), 0);
            loop {
                client.readable().await.unwrap();
                if let Ok(0) = client.try_read_buf(&mut bytes) {
                    break;
                }
                while let Some(frame) = codec.decode(&mut bytes).unwrap() {
                    match frame {
                        Frame::Text(text) => {
                            assert_eq!(text, large.as_bytes());
                            came += 1;
                        }
                        Frame::Close(reason) => {
                            assert_eq!(reason.unwrap().code, CloseCode::Away);
                            return came;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            came
        });
        assert!(tokio::time::timeout(Duration::from_millis(200), wire.next()).await.is_err());
        assert!(wire.outgoing.is_empty());
        wire.close(CloseReason { code: CloseCode::Away, description: None }).await.unwrap();
        assert_eq!(reader.await.unwrap(), sent);
    }
}
