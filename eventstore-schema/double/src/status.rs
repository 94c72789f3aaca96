//! The statuses of the real server: codes, texts and the trailers clients tell them apart by.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

use crate::log::Expected;

pub(crate) fn not_leader(host: &str, port: u16) -> Status {
    let trailers = [("leader-endpoint-host", host.to_owned()), ("leader-endpoint-port", port.to_string())];
    with_trailers(Code::NotFound, "Leader info available", "not-leader", &trailers)
}

pub(crate) fn no_leader_info() -> Status {
    Status::unknown("No leader info available in response")
}

pub(crate) fn not_ready() -> Status {
    Status::unavailable("Server Is Not Ready")
}

pub(crate) fn too_busy() -> Status {
    Status::unavailable("Server Is Too Busy")
}

pub(crate) fn timed_out() -> Status {
    Status::aborted("Operation timed out: the write was not acknowledged in time")
}

pub(crate) fn access_denied() -> Status {
    with_trailers(Code::PermissionDenied, "Access Denied", "access-denied", &[])
}

pub(crate) fn unauthenticated() -> Status {
    Status::unauthenticated("Bad gRPC response. HTTP status code: 401")
}

pub(crate) fn stream_deleted(stream: &str) -> Status {
    let message = format!("Event stream '{stream}' is deleted.");
    with_trailers(Code::FailedPrecondition, &message, "stream-deleted", &[("stream-name", stream.to_owned())])
}

pub(crate) fn maximum_append_size(maximum: u64) -> Status {
    let message = format!("Maximum Append Size of {maximum} Exceeded.");
    let trailers = [("maximum-append-size", maximum.to_string())];
    with_trailers(Code::InvalidArgument, &message, "maximum-append-size-exceeded", &trailers)
}

pub(crate) fn missing_metadata(property: &str) -> Status {
    let message = format!("Required Metadata Property '{property}' is missing");
    let trailers = [("required-metadata-properties", "type,content-type".to_owned())];
    with_trailers(Code::InvalidArgument, &message, "missing-required-metadata-property", &trailers)
}

/// What a deletion answers when the stream is at another revision; an append answers it as a result.
pub(crate) fn wrong_expected_version(
    operation: &str,
    stream: &str,
    expected: Expected,
    current: Option<u64>,
) -> Status {
    let expected = match expected {
        Expected::Any => "-2".to_owned(),
        Expected::StreamExists => "-4".to_owned(),
        Expected::NoStream => "-1".to_owned(),
        Expected::Revision(revision) => revision.to_string(),
    };
    let actual = current.map_or("-1".to_owned(), |current| current.to_string());
    let message = format!(
        "{operation} failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, \
         Actual version: {actual}"
    );
    let trailers =
        [("stream-name", stream.to_owned()), ("expected-version", expected), ("actual-version", actual)];
    with_trailers(Code::FailedPrecondition, &message, "wrong-expected-version", &trailers)
}

pub(crate) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("Deadline Exceeded")
}

/// What a server that goes away answers the calls it still holds.
pub(crate) fn going_down() -> Status {
    Status::unavailable("Server shutting down")
}

fn with_trailers(
    code: Code,
    message: &str,
    exception: &'static str,
    trailers: &[(&'static str, String)],
) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert("exception", AsciiMetadataValue::from_static(exception));
    for (name, value) in trailers {
        // Trailers are ASCII: a stream with another name goes without.
        if let Ok(value) = value.parse::<AsciiMetadataValue>() {
            metadata.insert(*name, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}
