//! The codec of reads: stored events go out without being decoded.

use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::proto::streams::ReadReq;
use crate::reading::Frame;

/// What is allocated for a read at first.
const BUFFER_BYTES: usize = 8 * 1024;

/// Frames that are ready together are sent together up to here.
const SENT_TOGETHER_BYTES: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct ReadCodec;

impl Codec for ReadCodec {
    type Encode = Frame;
    type Decode = ReadReq;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for ReadCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        match frame {
            Frame::Event(event) => event.encode(buffer),
            Frame::Other(message) => message.encode(buffer),
        }
        .map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, SENT_TOGETHER_BYTES)
    }
}

impl Decoder for ReadCodec {
    type Item = ReadReq;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ReadReq>, Status> {
        ReadReq::decode(buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
