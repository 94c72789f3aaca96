//! The network side of a node: connections, TLS, and which call goes where.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn as http_service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::BoxBody;
use tonic::codec::ProstCodec;
use tonic::server::Grpc;
use tower::service_fn;

use crate::codec::ReadCodec;
use crate::faults::Counted;
use crate::node::Node;
use crate::proto::Empty;
use crate::proto::server_features::{SupportedMethod, SupportedMethods};
use crate::{reading, status, streams};

/// What the double says it is.
const SERVER_VERSION: &str = "23.10.0";

/// Flow control must not be what a benchmark measures: some thousand events a window.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;

/// What may lie ready for one stream of a slow client.
const SEND_BUFFER_BYTES: usize = 1024 * 1024;

/// Calls at once on one connection: the client has only one.
const STREAMS_MAX: u32 = 65_536;

/// The real server's largest log record; an append with more is refused by its size long before.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How long to wait when the machine has no descriptor for another connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Takes connections until it is aborted.
pub(crate) async fn accept(listener: TcpListener, node: Arc<Node>, tls: Option<TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let connection = connection(stream, Arc::clone(&node), tls.clone());
                tokio::spawn(connection);
            }
            Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
        }
    }
}

/// Serves one connection until either side or a fault ends it.
async fn connection(stream: TcpStream, node: Arc<Node>, tls: Option<TlsAcceptor>) {
    let _counted = Counted::new(&node.switches.open_connections);
    let mut dropped = node.switches.connections.subscribe();
    // Without it an answer waits for the acknowledgement of the one before; that it cannot be set is no reason to fail.
    let _ = stream.set_nodelay(true);
    let stream = Prompt(stream);
    let served = async {
        match tls {
            None => serve(stream, node).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    serve(stream, node).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        _ = dropped.changed() => {}
        () = served => {}
    }
}

/// A connection that acknowledges what it reads at once.
///
/// The client leaves Nagle's algorithm on and writes a call in two segments: the second waits for the acknowledgement of
/// the first, which a kernel delays by 40 ms when there is nothing to answer yet. (Against a real server that is what a
/// lone caller sees.)
struct Prompt(TcpStream);

impl AsyncRead for Prompt {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.0).poll_read(context, buffer);
        #[cfg(target_os = "linux")]
        if read.is_ready() {
            // The kernel forgets it again; that it cannot be set only makes the connection slower.
            let _ = self.0.set_quickack(true);
        }
        read
    }
}

impl AsyncWrite for Prompt {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, node: Arc<Node>) {
    let service = http_service(move |request| {
        let node = Arc::clone(&node);
        async move { Ok::<_, Infallible>(answer(node, request).await) }
    });
    // How a connection ended is the client's to know.
    let _ = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Answers a call, within the time its caller gives it.
async fn answer(node: Arc<Node>, request: http::Request<Incoming>) -> Response<BoxBody> {
    let Some(timeout) = timeout(request.headers()) else { return dispatch(node, request, None).await };
    let deadline = Instant::now() + timeout;
    match tokio::time::timeout_at(deadline, dispatch(node, request, Some(deadline))).await {
        Ok(response) => response,
        Err(_) => status::deadline_exceeded().into_http(),
    }
}

async fn dispatch(
    node: Arc<Node>,
    request: http::Request<Incoming>,
    deadline: Option<Instant>,
) -> Response<BoxBody> {
    match request.uri().path() {
        "/event_store.client.streams.Streams/Append" => {
            let append = service_fn(|request| streams::append(Arc::clone(&node), request));
            let mut grpc = Grpc::new(ProstCodec::default()).max_decoding_message_size(MESSAGE_BYTES_MAX);
            grpc.client_streaming(append, request).await
        }
        "/event_store.client.streams.Streams/Read" => {
            let read = service_fn(|request| async {
                let frames = reading::read(Arc::clone(&node), request).await?;
                Ok(match deadline {
                    Some(deadline) => frames.map(|frames| reading::until(frames, deadline)),
                    None => frames,
                })
            });
            Grpc::new(ReadCodec).server_streaming(read, request).await
        }
        "/event_store.client.streams.Streams/Delete" => {
            let delete = service_fn(|request| streams::delete(Arc::clone(&node), request));
            Grpc::new(ProstCodec::default()).unary(delete, request).await
        }
        "/event_store.client.streams.Streams/Tombstone" => {
            let tombstone = service_fn(|request| streams::tombstone(Arc::clone(&node), request));
            Grpc::new(ProstCodec::default()).unary(tombstone, request).await
        }
        "/event_store.client.gossip.Gossip/Read" => {
            let gossip = service_fn(|_: tonic::Request<Empty>| async {
                Ok(tonic::Response::new(node.cluster.gossip()))
            });
            Grpc::new(ProstCodec::default()).unary(gossip, request).await
        }
        "/event_store.client.server_features.ServerFeatures/GetSupportedMethods" => {
            let methods = service_fn(|_: tonic::Request<Empty>| async {
                Ok(tonic::Response::new(supported_methods()))
            });
            Grpc::new(ProstCodec::default()).unary(methods, request).await
        }
        path => Status::unimplemented(format!("the double has no {path}")).into_http(),
    }
}

fn supported_methods() -> SupportedMethods {
    let streams = ["append", "delete", "read", "tombstone"]
        .map(|method| ("event_store.client.streams.streams", method));
    let others = [
        ("event_store.client.gossip.gossip", "read"),
        ("event_store.client.server_features.serverfeatures", "getsupportedmethods"),
    ];
    let methods = streams.into_iter().chain(others).map(|(service_name, method_name)| SupportedMethod {
        method_name: method_name.to_owned(),
        service_name: service_name.to_owned(),
        features: Vec::new(),
    });
    SupportedMethods { methods: methods.collect(), event_store_server_version: SERVER_VERSION.to_owned() }
}

/// The time a caller gives a call (gRPC over HTTP/2, `grpc-timeout`).
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(amount.saturating_mul(3600))),
        "M" => Some(Duration::from_secs(amount.saturating_mul(60))),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_time_is_read_in_every_unit() {
        let read = |value: &str| {
            timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!(read("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(read("10S"), Some(Duration::from_secs(10)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(read("1n"), Some(Duration::from_nanos(1)));
        for refused in ["", "m", "12", "x5m", "5d"] {
            assert_eq!(read(refused), None);
        }
    }
}
