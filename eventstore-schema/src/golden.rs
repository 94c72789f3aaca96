//! Golden samples: the stored bytes of every version of every event and record, kept for ever under `golden/`.
//!
//! Beside the bytes (`<type>.v<N>.bin`; records as `record.<name>.v<N>.bin`) lies what they decode to today
//! (`<type>.v<N>.json`). The bytes of a version never change; what an older one decodes to changes with its upcasters only.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::records::{RecordDecoder, RecordVisitor};
use domain::{Event, EventGroup, Payload, PayloadDecoder, PayloadVisitor, PersonalRecord, Record};
use serde_json::{Map, Value};

use crate::catalogue;
use crate::codec::{self, CodecError};

/// Where the samples lie in the source tree.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");

/// Why samples were not written.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// No sample value could be made from the schema.
    #[error("cannot make a sample of {name}: {reason}")]
    Sample {
        /// Name of the event or record.
        name: &'static str,
        /// What is not understood.
        reason: String,
    },
    /// The sample cannot be encoded.
    #[error("cannot encode the sample of {name}")]
    Encode {
        /// Name of the event or record.
        name: &'static str,
        /// Why.
        source: CodecError,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Bytes of a sample and what they decode to.
struct Sample {
    stem: String,
    bytes: Vec<u8>,
    twin: Value,
}

/// Writes the samples of current versions that are not there yet, and gives their paths. None is ever overwritten.
///
/// # Errors
/// When a sample cannot be made or written; those before it are.
pub fn write_missing(directory: &Path) -> Result<Vec<PathBuf>, GoldenError> {
    let mut written = Vec::new();
    for sample in samples()? {
        let mut twin = sample.twin;
        twin.sort_all_objects();
        let twin = format!("{twin:#}\n");
        for (ending, bytes) in [("bin", sample.bytes.as_slice()), ("json", twin.as_bytes())] {
            let path = directory.join(format!("{}.{ending}", sample.stem));
            match std::fs::OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(bytes)
                        .map_err(|source| GoldenError::Write { path: path.clone(), source })?;
                    written.push(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(GoldenError::Write { path, source }),
            }
        }
    }
    Ok(written)
}

fn samples() -> Result<Vec<Sample>, GoldenError> {
    let mut samples = Vec::new();
    for one in Event::types() {
        let name = one.name;
        let failed = |reason: serde_json::Error| GoldenError::Sample { name, reason: reason.to_string() };
        let event = Event::decode(name, FromJson(sample_value(name, one.schema)?))
            .ok_or_else(|| GoldenError::Sample { name, reason: "it is in no group".to_owned() })?
            .map_err(failed)?;
        let bytes =
            catalogue::encode(&event).map_err(|source| GoldenError::Encode { name, source })?.to_vec();
        let twin = event_twin(&event).map_err(failed)?;
        samples.push(Sample { stem: event_stem(name, one.version), bytes, twin });
    }
    for one in PersonalRecord::types() {
        let name = one.name;
        let failed = |reason: serde_json::Error| GoldenError::Sample { name, reason: reason.to_string() };
        let record = PersonalRecord::decode(name, FromJson(sample_value(name, one.schema)?))
            .ok_or_else(|| GoldenError::Sample { name, reason: "it is not in the registry".to_owned() })?
            .map_err(failed)?;
        let bytes = record.visit(ToBytes).map_err(|source| GoldenError::Encode { name, source })?;
        let twin = record.visit(ToJson).map_err(failed)?;
        samples.push(Sample { stem: record_stem(name, one.version), bytes, twin });
    }
    Ok(samples)
}

fn event_stem(name: &str, version: u16) -> String {
    format!("{name}.v{version}")
}

fn record_stem(name: &str, version: u16) -> String {
    format!("record.{name}.v{version}")
}

struct FromJson(Value);

impl PayloadDecoder for FromJson {
    type Error = serde_json::Error;

    fn decode<P: Payload>(self) -> Result<P, Self::Error> {
        serde_json::from_value(self.0)
    }
}

impl RecordDecoder for FromJson {
    type Error = serde_json::Error;

    fn decode<R: Record>(self) -> Result<R, Self::Error> {
        serde_json::from_value(self.0)
    }
}

struct ToJson;

impl PayloadVisitor for ToJson {
    type Output = Result<Value, serde_json::Error>;

    fn visit<P: Payload>(self, payload: &P) -> Self::Output {
        serde_json::to_value(payload)
    }
}

impl RecordVisitor for ToJson {
    type Output = Result<Value, serde_json::Error>;

    fn visit<R: Record>(self, record: &R) -> Self::Output {
        serde_json::to_value(record)
    }
}

struct ToBytes;

impl RecordVisitor for ToBytes {
    type Output = Result<Vec<u8>, CodecError>;

    fn visit<R: Record>(self, record: &R) -> Self::Output {
        codec::encode(record).map(|bytes| bytes.to_vec())
    }
}

fn event_twin(event: &Event) -> Result<Value, serde_json::Error> {
    event.visit(ToJson)
}

/// A value of the schema: the same every time, every option present, fields of one kind all different.
fn sample_value(name: &'static str, schema: fn() -> schemars::Schema) -> Result<Value, GoldenError> {
    let root = schema().to_value();
    value(&root, &root, name).map_err(|reason| GoldenError::Sample { name, reason })
}

fn value(root: &Value, schema: &Value, path: &str) -> Result<Value, String> {
    let word = |key: &str| schema.get(key).and_then(Value::as_str);
    if let Some(target) = word("$ref") {
        let target = root.pointer(target.trim_start_matches('#')).ok_or("a dangling reference")?;
        return value(root, target, path);
    }
    if let Some([one, ..]) = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        return value(root, one, path);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("object") => object(root, schema, path),
        Some("array") => {
            let items = schema.get("items").ok_or("a list of nothing")?;
            let each = (0..2).map(|index| value(root, items, &format!("{path}[{index}]")));
            Ok(Value::Array(each.collect::<Result<_, _>>()?))
        }
        Some("string") => string(schema, path),
        Some("integer") => Ok(integer(word("format"), path)),
        Some("boolean") => Ok(Value::Bool(true)),
        kind => Err(format!("{path} is of kind {kind:?}")),
    }
}

fn object(root: &Value, schema: &Value, path: &str) -> Result<Value, String> {
    let fields = schema.get("properties").and_then(Value::as_object).ok_or("an object without fields")?;
    let mut object = Map::new();
    for (name, field) in fields {
        object.insert(name.clone(), value(root, field, &format!("{path}.{name}"))?);
    }
    Ok(Value::Object(object))
}

fn string(schema: &Value, path: &str) -> Result<Value, String> {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    let text = match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => uuid::Uuid::from_bytes(filler(path)).to_string(),
        Some("base64url") => {
            let size = schema.get("x-bytes").and_then(Value::as_u64).unwrap_or(80);
            let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
            blake3::Hasher::new().update(path.as_bytes()).finalize_xof().fill(&mut bytes);
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        }
        Some("code") => {
            let words = schema.get("enum").and_then(Value::as_array).ok_or("a code without words")?;
            let last = words.last().and_then(Value::as_str).ok_or("a code without words")?;
            last.to_owned()
        }
        None => format!("{path} äöü"),
        Some(format) => return Err(format!("{path} is of format {format}")),
    };
    Ok(Value::String(text))
}

fn integer(format: Option<&str>, path: &str) -> Value {
    let number = u64::from_be_bytes(filler(path));
    match format {
        Some("uint8") => Value::from(number % 8),
        Some("uint32") => Value::from(number % 1_000_000_007),
        Some("timestamp-micros") => Value::from(1_700_000_000_000_000 + number % 1_000_000_000_000),
        _ => Value::from(number >> 11),
    }
}

/// Bytes that differ from field to field and stay the same for ever.
fn filler<const N: usize>(path: &str) -> [u8; N] {
    let mut bytes = [0; N];
    blake3::Hasher::new().update(path.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::catalogue::CatalogueError;

    /// Decodes the bytes of a sample by the name of its file.
    fn decode(stem: &str, bytes: &[u8]) -> Result<Value, CatalogueError> {
        let unknown = || CatalogueError::UnknownType(stem.to_owned());
        let (name, version) = stem.rsplit_once(".v").ok_or_else(unknown)?;
        let version = version.parse().map_err(|_| unknown())?;
        let json = |_| unknown();
        match name.strip_prefix("record.") {
            Some(name) => catalogue::decode_named_record(name, version, bytes)?.visit(ToJson).map_err(json),
            None => event_twin(&catalogue::decode(name, version, bytes)?).map_err(json),
        }
    }

    /// Stems of the samples that there have to be: every version of every event and record.
    fn expected() -> BTreeSet<String> {
        let events = Event::types()
            .into_iter()
            .map(|one| (one.name, one.version, event_stem as fn(&str, u16) -> String));
        let records =
            PersonalRecord::types().into_iter().map(|one| (one.name, one.version, record_stem as _));
        events
            .chain(records)
            .flat_map(|(name, version, stem)| (1..=version).map(move |version| stem(name, version)))
            .collect()
    }

    fn stems(ending: &str) -> BTreeSet<String> {
        let entries = fs::read_dir(DIRECTORY).expect("the samples").map(|entry| entry.unwrap().path());
        let files = entries.filter(|path| path.extension().is_some_and(|it| it == ending));
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_version_of_everything_stored_has_its_sample() {
        let expected = expected();
        let advice = "run `cargo run -p eventstore-schema --example write_catalogue`";
        assert_eq!(stems("bin"), expected, "{advice}");
        assert_eq!(stems("json"), expected, "{advice}");
    }

    #[test]
    fn every_sample_decodes_to_its_twin_for_ever() {
        for stem in stems("bin") {
            let bytes = fs::read(Path::new(DIRECTORY).join(format!("{stem}.bin"))).unwrap();
            let twin = fs::read(Path::new(DIRECTORY).join(format!("{stem}.json"))).unwrap();
            let twin: Value = serde_json::from_slice(&twin).unwrap();
            assert_eq!(decode(&stem, &bytes).unwrap(), twin, "{stem}");
        }
    }

    #[test]
    fn the_current_version_is_written_as_its_sample_says() {
        for sample in samples().unwrap() {
            let path = Path::new(DIRECTORY).join(format!("{}.bin", sample.stem));
            assert_eq!(
                fs::read(path).unwrap(),
                sample.bytes,
                "{}: a changed struct is a new version",
                sample.stem
            );
        }
    }

    #[test]
    fn a_sample_that_is_there_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let written = write_missing(directory.path()).unwrap();
        assert_eq!(written.len(), 2 * samples().unwrap().len());
        let kept = directory.path().join("account.registered.v1.bin");
        fs::write(&kept, b"kept").unwrap();
        fs::remove_file(directory.path().join("account.registered.v1.json")).unwrap();
        assert_eq!(write_missing(directory.path()).unwrap().len(), 1);
        assert_eq!(fs::read(&kept).unwrap(), b"kept");
    }
}
