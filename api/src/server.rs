//! The listeners: one for clients, one for operators.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_cors::Cors;
use actix_http::HttpService;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::{AppConfig, Extensions, Server, ServerHandle};
use actix_web::http::header;
use actix_web::middleware::{Compress, Condition};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::connection::{Connection, Serving};
use crate::edge::{dispatch, open_to_all, read};
use crate::endpoint::{Route, Verb};
use crate::limits::{
    CONNECTIONS_WAITING_MAX, DISCONNECT_WAIT_MAX, HEADERS_WAIT_MAX, KEEP_ALIVE, RATE_SWEEP_EVERY,
    SHUTDOWN_SECONDS_MAX, UNREAD_WAIT_MAX,
};
use crate::problem::{Code, Problem};
use crate::rates::Subject;
use crate::routes::ROUTES;
use crate::state::State;
use crate::{health, live, reference};

/// What scripts of other origins may ask with.
const CORS_METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "DELETE"];
/// Headers that they may send.
const CORS_ASKED: [&str; 7] = [
    "authorization",
    "content-type",
    "envoi-min-position",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "x-request-id",
];
/// Headers that they may read.
const CORS_SHOWN: [&str; 5] =
    ["envoi-position", "etag", "idempotency-replayed", "retry-after", "x-request-id"];
/// How long a browser may remember that.
const CORS_SECONDS_MAX: usize = 3_600;

/// Where to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// For clients, if it answers any. Port 0 takes a free one.
    pub public: Option<SocketAddr>,
    /// For operators: metrics and health.
    pub internal: SocketAddr,
    /// Threads for clients; 0 for one a core.
    pub workers: usize,
    /// Most connections of clients; further ones wait to be accepted.
    pub connections: usize,
    /// Origins of web pages whose scripts may ask: none, or every one with `*`.
    pub origins: Vec<String>,
}

/// A server that runs until it is stopped or dropped.
pub struct Running {
    /// Where clients reach it, if it answers any.
    pub public: Option<SocketAddr>,
    /// Where operators reach it.
    pub internal: SocketAddr,
    state: Arc<State>,
    handles: Vec<ServerHandle>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Running {
    /// Says from now on that it is not ready, so that nobody is sent here any more; whoever comes is answered.
    pub fn drain(&self) {
        self.state.findings.drain();
    }

    /// Stops it: no new requests, those in progress are finished, up to a limit.
    /// Live sockets are sent away to resume.
    pub async fn stop(self) {
        self.state.live.close();
        for handle in &self.handles {
            handle.stop(true).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts listening. Has to be called within a Tokio runtime.
///
/// # Errors
/// When an address cannot be bound.
pub fn start(listen: &Listen, state: Arc<State>) -> std::io::Result<Running> {
    let data = web::Data::from(Arc::clone(&state));
    let public = listen.public.map(|address| for_clients(address, listen, data.clone())).transpose()?;
    let internal = HttpServer::new(move || App::new().app_data(data.clone()).configure(operator_routes))
        .workers(1)
        .client_request_timeout(HEADERS_WAIT_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS_MAX)
        .disable_signals()
        .bind(listen.internal)?;
    let internal_address = internal.addrs().first().copied().unwrap_or(listen.internal);
    let public_address = public.as_ref().map(|(address, _)| *address);
    let servers: Vec<_> = public.map(|(_, server)| server).into_iter().chain([internal.run()]).collect();
    let handles = servers.iter().map(Server::handle).collect();
    let mut tasks: Vec<_> = servers.into_iter().map(|server| tokio::spawn(run(server))).collect();
    tasks.push(tokio::spawn(sweep(Arc::clone(&state))));
    Ok(Running { public: public_address, internal: internal_address, state, handles, tasks })
}

/// Listens for clients; where, with the port that was taken.
fn for_clients(
    address: SocketAddr,
    listen: &Listen,
    state: web::Data<State>,
) -> std::io::Result<(SocketAddr, Server)> {
    let origins = listen.origins.clone();
    let workers = match listen.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let listener = bind(address)?;
    let bound = listener.local_addr()?;
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(listen.connections.div_ceil(workers).max(1))
        .shutdown_timeout(SHUTDOWN_SECONDS_MAX)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let builder = builder.listen("clients", listener, move || {
        let app = App::new()
            .app_data(state.clone())
            .wrap(Compress::default())
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .configure(client_routes);
        let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEADERS_WAIT_MAX)
            .client_disconnect_timeout(DISCONNECT_WAIT_MAX)
            .local_addr(bound)
            .on_connect_ext(tune)
            .h1(map_config(app, |()| AppConfig::default()));
        Serving(http)
    })?;
    Ok((bound, builder.run()))
}

/// A listener at an address.
fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A server that was just stopped does not stand in the way.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(CONNECTIONS_WAITING_MAX)?;
    Ok(socket.into())
}

/// What scripts of pages from elsewhere may do (Fetch standard, section 3.2): all that any client may. Who asks is told by the token
/// that they hold, never by a cookie that a browser adds by itself.
fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(CORS_METHODS)
        .allowed_headers(CORS_ASKED)
        .expose_headers(CORS_SHOWN)
        .max_age(CORS_SECONDS_MAX);
    match origins.iter().any(|origin| origin == "*") {
        true => cors.allow_any_origin().send_wildcard(),
        false => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
}

/// Answers leave at once, and a client that takes nothing is given up by the kernel: nobody else would notice one that
/// stopped reading in the middle of an answer. An answer may take the connection over.
fn tune(connection: &Connection, data: &mut Extensions) {
    data.insert(connection.takeover());
    let tuned = connection.with_stream(|stream| {
        stream.set_nodelay(true)?;
        SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_WAIT_MAX))
    });
    if let Some(Err(error)) = tuned {
        tracing::debug!(%error, "a connection cannot be tuned");
    }
}

async fn run(server: Server) {
    if let Err(error) = server.await {
        tracing::error!(%error, "a listener stopped");
    }
}

async fn sweep(state: Arc<State>) {
    let mut ticks = tokio::time::interval(RATE_SWEEP_EVERY);
    loop {
        ticks.tick().await;
        if let Some(rates) = &state.rates {
            rates.sweep();
        }
    }
}

fn client_routes(config: &mut web::ServiceConfig) {
    let mut by_path: BTreeMap<&'static str, Vec<&'static Route>> = BTreeMap::new();
    for route in ROUTES {
        by_path.entry(route.about.path).or_default().push(route);
    }
    for (path, routes) in by_path {
        config.service(resource(path, &routes));
    }
    config.route("/v1/live", web::get().to(live::upgrade));
    config.configure(reference::routes).configure(health::routes).default_service(web::to(
        |request: HttpRequest, state: web::Data<State>| async move {
            open_to_all(&state, &request, "unknown", Subject::Network, |origin| async move {
                Problem::from(Code::NotFound).into_response(&origin.request_id)
            })
            .await
        },
    ));
}

fn operator_routes(config: &mut web::ServiceConfig) {
    config.configure(health::routes).route("/metrics", read().to(metrics)).default_service(web::to(
        |request: HttpRequest, state: web::Data<State>| async move {
            open_to_all(&state, &request, "unknown", Subject::Probe, |origin| async move {
                Problem::from(Code::NotFound).into_response(&origin.request_id)
            })
            .await
        },
    ));
}

fn resource(path: &'static str, routes: &[&'static Route]) -> actix_web::Resource {
    let mut allow: Vec<&str> = routes.iter().map(|route| route.about.verb.as_str()).collect();
    if allow.contains(&Verb::Get.as_str()) {
        allow.push("HEAD");
    }
    allow.sort_unstable();
    let allow = allow.join(", ");
    let mut resource = web::resource(path);
    for route in routes.iter().copied() {
        let handler = move |state: web::Data<State>, request: HttpRequest, payload: web::Payload| {
            dispatch(route, state, request, payload)
        };
        resource = resource.route(match route.about.verb {
            Verb::Get => read().to(handler),
            Verb::Post => web::post().to(handler),
            Verb::Put => web::put().to(handler),
            Verb::Delete => web::delete().to(handler),
        });
    }
    resource.default_service(web::to(move |request: HttpRequest, state: web::Data<State>| {
        let allow = allow.clone();
        async move {
            open_to_all(&state, &request, path, Subject::Network, |origin| async move {
                let mut response = Problem::from(Code::MethodNotAllowed).into_response(&origin.request_id);
                if let Ok(value) = header::HeaderValue::try_from(allow) {
                    response.headers_mut().insert(header::ALLOW, value);
                }
                response
            })
            .await
        }
    }))
}

async fn metrics(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    let registry = &state.registry;
    open_to_all(&state, &request, "/metrics", Subject::Probe, |origin| async move {
        match prometheus::TextEncoder::new().encode_to_string(&registry.gather()) {
            Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
            Err(error) => Problem::internal(error).into_response(&origin.request_id),
        }
    })
    .await
}
