//! Counts of requests and connections, by route as the registry names it: never by a path with ids in it.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

/// What HTTP and live count.
pub struct Metrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_progress: IntGauge,
    /// Open live sockets.
    pub live_connections: IntGauge,
    /// Frames with events handed to live sockets.
    pub live_events: prometheus::IntCounter,
    /// Live sockets that ended, by why.
    pub live_closed: IntCounterVec,
    /// Live sockets told to read anew, by why.
    pub live_resets: IntCounterVec,
    /// Frames taken from live sockets, by type.
    pub live_frames: IntCounterVec,
    /// Events read from the log for live sockets that resume.
    pub live_catch_up_events: prometheus::IntCounter,
    /// From the command to the queues of those who see its event.
    pub live_delay: Histogram,
    /// What live sockets wait for a permit to read what they missed.
    pub live_read_permit_wait: Histogram,
}

/// From a cached read to the longest wait of a query, in seconds.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 2.0, 4.0, 8.0];

impl Metrics {
    /// Counters, known to `registry`.
    ///
    /// # Errors
    /// When the registry has counters of these names already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let labels = ["route", "method"];
        let requests = IntCounterVec::new(
            Opts::new("envoi_http_requests_total", "Requests answered, by status."),
            &["route", "method", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("envoi_http_request_duration_seconds", "Time to answer a request.")
                .buckets(BUCKETS.to_vec()),
            &labels,
        )?;
        let in_progress = IntGauge::new("envoi_http_requests_in_progress", "Requests being answered.")?;
        let live_connections = IntGauge::new("envoi_live_connections", "Open live sockets.")?;
        let live_events =
            prometheus::IntCounter::new("envoi_live_events_total", "Event frames handed to live sockets.")?;
        let vector = |name, help, label| IntCounterVec::new(Opts::new(name, help), &[label]);
        let live_closed = vector("envoi_live_closed_total", "Live sockets that ended, by why.", "cause")?;
        let live_resets =
            vector("envoi_live_resets_total", "Live sockets told to read anew, by why.", "reason")?;
        let live_frames = vector("envoi_live_frames_total", "Frames taken from live sockets.", "type")?;
        let live_catch_up_events = prometheus::IntCounter::new(
            "envoi_live_catch_up_events_total",
            "Events read from the log for live sockets that resume.",
        )?;
        let live_delay = Histogram::with_opts(
            HistogramOpts::new(
                "envoi_live_delay_seconds",
                "From a command to the queues of the live sockets that see its event.",
            )
            .buckets(BUCKETS.to_vec()),
        )?;
        let live_read_permit_wait = Histogram::with_opts(
            HistogramOpts::new(
                "envoi_live_read_permit_wait_seconds",
                "What live sockets wait for a permit to read what they missed.",
            )
            .buckets(BUCKETS.to_vec()),
        )?;
        let all: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(requests.clone()),
            Box::new(seconds.clone()),
            Box::new(in_progress.clone()),
            Box::new(live_connections.clone()),
            Box::new(live_events.clone()),
            Box::new(live_closed.clone()),
            Box::new(live_resets.clone()),
            Box::new(live_frames.clone()),
            Box::new(live_catch_up_events.clone()),
            Box::new(live_delay.clone()),
            Box::new(live_read_permit_wait.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        Ok(Self {
            requests,
            seconds,
            in_progress,
            live_connections,
            live_events,
            live_closed,
            live_resets,
            live_frames,
            live_catch_up_events,
            live_delay,
            live_read_permit_wait,
        })
    }

    /// A request came in; it is in progress until the guard goes, be it because the client went.
    pub fn begin(&self) -> InProgress<'_> {
        self.in_progress.inc();
        InProgress { gauge: &self.in_progress }
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.requests.with_label_values(&[route, method, status_text(status)]).inc();
        self.seconds.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }
}

/// A request in progress.
pub struct InProgress<'a> {
    gauge: &'a IntGauge,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// The statuses that this server answers, as text without an allocation each.
fn status_text(status: u16) -> &'static str {
    match status {
        101 => "101",
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        408 => "408",
        409 => "409",
        412 => "412",
        413 => "413",
        414 => "414",
        415 => "415",
        422 => "422",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}
