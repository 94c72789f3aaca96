//! Writes: append, delete, tombstone.

use std::future::pending;
use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming};

use crate::event::{self, JSON};
use crate::faults::AppendFault;
use crate::log::{Appended, Deletion, Expected, Proposed, Refusal};
use crate::node::Node;
use crate::proto::streams::append_req::{Content, Options, ProposedMessage};
use crate::proto::streams::append_resp::wrong_expected_version as wrong;
use crate::proto::streams::append_resp::{
    Position, Result as Outcome, Success, WrongExpectedVersion, success,
};
use crate::proto::streams::{
    AppendReq, AppendResp, DeleteReq, DeleteResp, TombstoneReq, TombstoneResp, append_req, delete_req,
    delete_resp, tombstone_req, tombstone_resp,
};
use crate::proto::{Empty, StreamIdentifier};
use crate::status;

/// The revision that stands for "no stream" where the contract has only a number for it.
const NO_STREAM_REVISION: u64 = u64::MAX;

/// What a request expects of its stream: the contract repeats the choice in each request.
macro_rules! expected {
    ($request:ident, $option:expr) => {{
        use $request::options::ExpectedStreamRevision as Wire;
        match $option {
            Some(Wire::Revision(revision)) => Expected::Revision(revision),
            Some(Wire::NoStream(_)) => Expected::NoStream,
            Some(Wire::Any(_)) => Expected::Any,
            Some(Wire::StreamExists(_)) => Expected::StreamExists,
            None => return Err(thrown("a write says what it expects")),
        }
    }};
}

/// Appends what the caller streams, all of it or nothing.
pub(crate) async fn append(
    node: Arc<Node>,
    request: Request<Streaming<AppendReq>>,
) -> Result<Response<AppendResp>, Status> {
    node.admit(request.metadata(), true).await?;
    let mut messages = request.into_inner();
    let Some(Content::Options(options)) = messages.message().await?.and_then(|first| first.content) else {
        return Err(thrown("the first message of an append is its options"));
    };
    let Options { stream_identifier, expected_stream_revision } = options;
    let stream = stream_name(stream_identifier)?;
    let expected = expected!(append_req, expected_stream_revision);
    let mut events = Vec::new();
    let mut size = 0;
    while let Some(message) = messages.message().await? {
        let Some(Content::ProposedMessage(message)) = message.content else {
            return Err(thrown("after its options an append has events"));
        };
        let event = propose(&stream, message)?;
        size += event.size;
        if size > node.max_append_bytes {
            return Err(status::maximum_append_size(node.max_append_bytes));
        }
        events.push(event);
    }
    write(&node, &stream, expected, events).await
}

async fn write(
    node: &Node,
    stream: &str,
    expected: Expected,
    events: Vec<Proposed>,
) -> Result<Response<AppendResp>, Status> {
    let fault = node.switches.next_append();
    match fault {
        Some(AppendFault::Unavailable) => return Err(status::going_down()),
        Some(AppendFault::Busy) => return Err(status::too_busy()),
        Some(AppendFault::TimedOut) => return Err(status::timed_out()),
        Some(AppendFault::DelayWrite(delay)) => tokio::time::sleep(delay).await,
        Some(
            AppendFault::LoseAnswer | AppendFault::LoseAnswerAndConnections | AppendFault::DelayAnswer(_),
        )
        | None => {}
    }
    let outcome = match node.log.append(stream, expected, events) {
        Ok(appended) => Outcome::Success(success(appended)),
        Err(Refusal::WrongExpectedVersion { current }) => {
            Outcome::WrongExpectedVersion(wrong_expected_version(expected, current))
        }
        Err(Refusal::Deleted) => return Err(status::stream_deleted(stream)),
    };
    match fault {
        Some(AppendFault::LoseAnswer) => return Err(status::going_down()),
        Some(AppendFault::LoseAnswerAndConnections) => {
            node.switches.drop_connections();
            return pending().await;
        }
        Some(AppendFault::DelayAnswer(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    Ok(Response::new(AppendResp { result: Some(outcome) }))
}

/// Hides a stream until the next append to it.
pub(crate) async fn delete(
    node: Arc<Node>,
    request: Request<DeleteReq>,
) -> Result<Response<DeleteResp>, Status> {
    node.admit(request.metadata(), true).await?;
    let options = request.into_inner().options.ok_or_else(|| thrown("a deletion has options"))?;
    let expected = expected!(delete_req, options.expected_stream_revision);
    let position = remove(&node, options.stream_identifier, expected, Deletion::Soft)?;
    let position = delete_resp::Position { commit_position: position, prepare_position: position };
    Ok(Response::new(DeleteResp { position_option: Some(delete_resp::PositionOption::Position(position)) }))
}

/// Closes a stream for ever.
pub(crate) async fn tombstone(
    node: Arc<Node>,
    request: Request<TombstoneReq>,
) -> Result<Response<TombstoneResp>, Status> {
    node.admit(request.metadata(), true).await?;
    let options = request.into_inner().options.ok_or_else(|| thrown("a deletion has options"))?;
    let expected = expected!(tombstone_req, options.expected_stream_revision);
    let position = remove(&node, options.stream_identifier, expected, Deletion::Tombstone)?;
    let position = tombstone_resp::Position { commit_position: position, prepare_position: position };
    Ok(Response::new(TombstoneResp {
        position_option: Some(tombstone_resp::PositionOption::Position(position)),
    }))
}

fn remove(
    node: &Node,
    identifier: Option<StreamIdentifier>,
    expected: Expected,
    deletion: Deletion,
) -> Result<u64, Status> {
    let stream = stream_name(identifier)?;
    node.log.delete(&stream, expected, deletion).map_err(|refusal| match refusal {
        Refusal::WrongExpectedVersion { current } => {
            let operation = if deletion == Deletion::Soft { "Delete" } else { "Tombstone" };
            status::wrong_expected_version(operation, &stream, expected, current)
        }
        Refusal::Deleted => status::stream_deleted(&stream),
    })
}

/// The name a call gives a stream.
pub(crate) fn stream_name(identifier: Option<StreamIdentifier>) -> Result<String, Status> {
    let bytes = identifier.map(|identifier| identifier.stream_name).unwrap_or_default();
    match std::str::from_utf8(&bytes) {
        Ok("") => Err(thrown("a stream has a name")),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => Err(thrown("the name of a stream is UTF-8")),
    }
}

/// What the real server's framework answers when a handler throws.
pub(crate) fn thrown(what: &str) -> Status {
    Status::unknown(format!("Exception was thrown by handler: {what}."))
}

fn propose(stream: &str, message: ProposedMessage) -> Result<Proposed, Status> {
    let ProposedMessage { id, mut metadata, custom_metadata, data } = message;
    let id = event::parse_id(id).ok_or_else(|| thrown("the id of an event is a UUID"))?;
    let event_type = metadata.remove("type").ok_or_else(|| status::missing_metadata("type"))?;
    let content_type =
        metadata.get("content-type").ok_or_else(|| status::missing_metadata("content-type"))?;
    let is_json = content_type == JSON;
    Ok(event::proposed(id, stream, event_type, is_json, custom_metadata, data))
}

fn success(appended: Appended) -> Success {
    Success {
        current_revision_option: Some(match appended.last_revision {
            Some(revision) => success::CurrentRevisionOption::CurrentRevision(revision),
            None => success::CurrentRevisionOption::NoStream(Empty {}),
        }),
        position_option: Some(match appended.position {
            Some(position) => success::PositionOption::Position(Position {
                commit_position: position,
                prepare_position: position,
            }),
            None => success::PositionOption::NoPosition(Empty {}),
        }),
    }
}

fn wrong_expected_version(expected: Expected, current: Option<u64>) -> WrongExpectedVersion {
    use wrong::ExpectedRevisionOption as New;
    use wrong::ExpectedRevisionOption2060 as Old;
    let (expected, expected_2060) = match expected {
        Expected::Any => (New::ExpectedAny(Empty {}), Old::Any2060(Empty {})),
        Expected::StreamExists => (New::ExpectedStreamExists(Empty {}), Old::StreamExists2060(Empty {})),
        Expected::NoStream => {
            (New::ExpectedNoStream(Empty {}), Old::ExpectedRevision2060(NO_STREAM_REVISION))
        }
        Expected::Revision(revision) => {
            (New::ExpectedRevision(revision), Old::ExpectedRevision2060(revision))
        }
    };
    let (current, current_2060) = match current {
        Some(revision) => (
            wrong::CurrentRevisionOption::CurrentRevision(revision),
            wrong::CurrentRevisionOption2060::CurrentRevision2060(revision),
        ),
        None => (
            wrong::CurrentRevisionOption::CurrentNoStream(Empty {}),
            wrong::CurrentRevisionOption2060::NoStream2060(Empty {}),
        ),
    };
    WrongExpectedVersion {
        current_revision_option_20_6_0: Some(current_2060),
        expected_revision_option_20_6_0: Some(expected_2060),
        current_revision_option: Some(current),
        expected_revision_option: Some(expected),
    }
}
