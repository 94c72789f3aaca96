//! Connections of clients. Each begins with HTTP; an answer may take it over: then what serves HTTP is dropped, with all its
//! buffers, and its successor goes on with the bare connection. A thousand idle live sockets cost no HTTP server each.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::body::{BodySize, MessageBody};
use actix_service::{Service, ServiceFactory};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How far a takeover is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Requests and answers.
    Http,
    /// An answer takes it over: nothing is read any more.
    Answering,
    /// A part of that answer is written.
    Answered,
    /// All of it is.
    TakenOver,
}

/// What goes on with a connection.
type Successor = Box<dyn FnOnce(TcpStream) -> LocalBoxFuture<'static, ()>>;

struct Shared {
    stage: Cell<Stage>,
    stream: RefCell<Option<TcpStream>>,
    successor: Cell<Option<Successor>>,
    /// Of who serves HTTP, while it waits for something to read.
    reader: Cell<Option<Waker>>,
}

/// A connection as HTTP is served on it.
pub struct Connection(Rc<Shared>);

/// Lets an answer take its connection over.
#[derive(Clone)]
pub struct Takeover(Rc<Shared>);

/// The body of an answer that takes its connection over: empty, and at its end when that is done.
pub struct UntilTakenOver(Rc<Shared>);

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self(Rc::new(Shared {
            stage: Cell::new(Stage::Http),
            stream: RefCell::new(Some(stream)),
            successor: Cell::new(None),
            reader: Cell::new(None),
        }))
    }

    /// For the answers to requests on it.
    pub fn takeover(&self) -> Takeover {
        Takeover(Rc::clone(&self.0))
    }

    /// Looks at the connection itself.
    pub fn with_stream<T>(&self, look: impl FnOnce(&TcpStream) -> T) -> Option<T> {
        self.0.stream.borrow().as_ref().map(look)
    }

    fn poll<T>(&self, poll: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self.0.stream.borrow_mut().as_mut() {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

impl Takeover {
    /// Has `successor` go on with the connection as soon as the answer with this body is written. Of what the client sent behind
    /// its request a part may be in the request's payload, which ends there.
    pub fn by(
        &self,
        successor: impl FnOnce(TcpStream) -> LocalBoxFuture<'static, ()> + 'static,
    ) -> UntilTakenOver {
        self.0.stage.set(Stage::Answering);
        self.0.successor.set(Some(Box::new(successor)));
        UntilTakenOver(Rc::clone(&self.0))
    }

    /// Goes on with the connection, if an answer took it over.
    async fn go_on(self) {
        let is_taken_over = self.0.stage.get() == Stage::TakenOver;
        let (stream, successor) = (self.0.stream.take(), self.0.successor.take());
        drop(self);
        if let Some((stream, successor)) = stream.zip(successor).filter(|_| is_taken_over) {
            successor(stream).await;
        }
    }
}

impl MessageBody for UntilTakenOver {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    /// Whoever writes asks again: the takeover wakes it.
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        match self.0.stage.get() {
            Stage::TakenOver => Poll::Ready(None),
            Stage::Http | Stage::Answering | Stage::Answered => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0.stage.get() {
            Stage::Http => self.poll(|stream| stream.poll_read(context, buffer)),
            Stage::Answering | Stage::Answered => {
                self.0.reader.set(Some(context.waker().clone()));
                Poll::Pending
            }
            // Nothing more comes that would be HTTP.
            Stage::TakenOver => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.poll(|stream| stream.poll_write(context, bytes));
        if matches!(written, Poll::Ready(Ok(_))) && self.0.stage.get() == Stage::Answering {
            self.0.stage.set(Stage::Answered);
        }
        written
    }

    /// Whoever serves HTTP asks for it when all that it had is written, with the answer that takes over: its head is made in the
    /// same step in which its handler ends.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.0.stage.get() == Stage::Answered {
            self.0.stage.set(Stage::TakenOver);
            context.waker().wake_by_ref();
            if let Some(reader) = self.0.reader.take() {
                reader.wake();
            }
        }
        self.poll(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.stage.get() {
            Stage::TakenOver => Poll::Ready(Ok(())),
            Stage::Http | Stage::Answering | Stage::Answered => {
                self.poll(|stream| stream.poll_shutdown(context))
            }
        }
    }
}

/// Serves connections: HTTP by `S`, then whoever took over.
pub struct Serving<S>(pub S);

impl<S> ServiceFactory<TcpStream> for Serving<S>
where
    S: ServiceFactory<(Connection, Option<SocketAddr>), Config = (), Response = ()> + 'static,
    S::Future: 'static,
    S::Error: 'static,
    <S::Service as Service<(Connection, Option<SocketAddr>)>>::Future: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Config = ();
    type Service = Serving<S::Service>;
    type InitError = S::InitError;
    type Future = LocalBoxFuture<'static, Result<Self::Service, S::InitError>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let service = self.0.new_service(());
        Box::pin(async move { service.await.map(Serving) })
    }
}

impl<S> Service<TcpStream> for Serving<S>
where
    S: Service<(Connection, Option<SocketAddr>), Response = ()>,
    S::Future: 'static,
    S::Error: 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&self, stream: TcpStream) -> Self::Future {
        let address = stream.peer_addr().ok();
        let connection = Connection::new(stream);
        let takeover = connection.takeover();
        // Apart, so that its memory is given back when it ends.
        let http = Box::pin(self.0.call((connection, address)));
        Box::pin(async move {
            let served = http.await;
            takeover.go_on().await;
            served
        })
    }
}
