//! The codec of the gRPC service: prost's, with a look at the bytes before they are decoded (I21).

use crate::proto::milvus as pb;
use crate::weigh;
use bytes::Buf;
use prost::Message;
use std::any::TypeId;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Encodes as prost does; decodes what [`weigh::check`] lets through.
pub(crate) struct WeighingCodec<T, U>(ProstCodec<T, U>);

impl<T, U> Default for WeighingCodec<T, U> {
    fn default() -> Self {
        WeighingCodec(ProstCodec::default())
    }
}

impl<T, U> Codec for WeighingCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = WeighingDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        self.0.encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        WeighingDecoder(self.0.decoder())
    }
}

/// See [`WeighingCodec`].
pub(crate) struct WeighingDecoder<U>(ProstDecoder<U>);

impl<U: Message + Default + 'static> Decoder for WeighingDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let has_rows = [TypeId::of::<pb::InsertRequest>(), TypeId::of::<pb::UpsertRequest>()];
        let shape = if has_rows.contains(&TypeId::of::<U>()) { weigh::ROWS } else { weigh::PLAIN };
        // The whole message is here, in one piece.
        weigh::check(source.chunk(), shape).map_err(|error| match error.code {
            vecraft_types::Code::ParameterTooLarge => Status::resource_exhausted(error.detail),
            _ => Status::invalid_argument(error.detail),
        })?;
        self.0.decode(source)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}
